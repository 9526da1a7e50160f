package expr

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// A Program is a compiled expression. It is immutable and may be evaluated by
// several goroutines at once.
type Program struct {
	code       code
	attributes []string
	scripts    []Function
	typ        identity.Type
	plural     plurality
	variables  int
}

// code computes a value for one object.
type code func(ctx *Context) (Value, error)

// A Getter gives the values of an attribute, nil if it is absent.
// identity.Attributes is one.
type Getter interface {
	Get(name string) []identity.Value
}

// A Context is what an expression can see while it is evaluated. It serves one
// evaluation at a time: keep one per object, or one per worker and change Object.
type Context struct {
	// Context is passed on to functions of scripts; it may be nil.
	Context context.Context
	// Object holds the attributes; nil has none.
	Object Getter
	// Imported holds the attributes as the connected system was last seen to have
	// them, for ImportedValue; nil is Object.
	Imported Getter
	// Parameters gives the values behind $; nil gives null.
	Parameters func(name string) Value
	// Now is the time that Now and functions of scripts see, pinned per run; zero
	// is the time at which Now is evaluated.
	Now time.Time
	// Random returns a number from 0 to n-1; nil uses math/rand/v2. Inject one
	// that depends on the run and the object to get the same result again.
	Random func(n int64) int64

	variables []Value // of Select, Where and With, and of what is mapped over lists
	work      int     // what the evaluation has handled, in bytes; a step counts as stepWork
}

// maxWork bounds what one evaluation may handle, so that no expression takes
// long, whatever it repeats.
const (
	maxWork  = 16 << 20
	stepWork = 64
)

var errTooMuchWork = errors.New("the expression handles too much data")

// spend counts a step that handles n bytes.
func (ctx *Context) spend(n int) error { return ctx.handle(stepWork + n) }

// handle counts n bytes as part of a step, before they are handled. Functions
// that take long for a byte count it more than once.
func (ctx *Context) handle(n int) error {
	if n > maxWork-ctx.work {
		ctx.work = maxWork
		return errTooMuchWork
	}
	ctx.work += n
	return nil
}

func (ctx *Context) random(n int64) int64 {
	if ctx.Random != nil {
		return ctx.Random(n)
	}
	return rand.Int64N(n)
}

// Eval computes the value for an object; a nil context has no attributes and no
// parameters. An error is, or wraps, a *fault.Error with the place of the
// failing part in the source; one that a script function returned keeps its
// name. Nothing is computed with side effects, unless a script function has any.
func (p *Program) Eval(ctx *Context) (Value, error) {
	if ctx == nil {
		ctx = new(Context)
	}
	ctx.work = 0
	if p.variables > 0 {
		outer := ctx.variables
		ctx.variables = make([]Value, p.variables)
		defer func() { ctx.variables = outer }()
	}
	return p.code(ctx)
}

// Attributes returns the names of the attributes that the expression may read,
// sorted, each once. Treat the list as read-only.
func (p *Program) Attributes() []string { return p.attributes }

// Scripts returns the functions of scripts that the expression calls, sorted by
// name. Treat the list as read-only.
func (p *Program) Scripts() []Function { return p.scripts }

// Type returns the type that every value of the expression has, 0 if that is
// not known before it is evaluated. A result may always be null, too.
func (p *Program) Type() identity.Type { return p.typ }

// IsList reports whether the expression always gives a list, or no value.
func (p *Program) IsList() bool { return p.plural == several }
