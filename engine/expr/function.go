package expr

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// A Dialect is a language of expressions.
type Dialect string

// FIM is the dialect of Forefront and Microsoft Identity Manager
// (sync-engine §6.1).
const FIM Dialect = "fim"

// A Function is a row of the function table, built-in or from a script.
type Function struct {
	Name      string
	Signature string // for people; Library fills it in
	Doc       string // one or two sentences
	Source    string // where its behaviour comes from: a section of the reference, or a script
	Dialects  []Dialect

	// MinArgs and MaxArgs bound the number of arguments; MaxArgs -1 means any.
	MinArgs, MaxArgs int

	// Params describes the arguments as far as they are known; those beyond it
	// are taken as they come.
	Params []Param
	Result identity.Type // 0 if unknown

	// Call computes the function of a script. It may keep neither the context
	// nor the arguments. A panic in it becomes an error. Built-in functions have
	// no Call.
	Call func(ctx *Context, args []Value) (Value, error)

	// Version changes when what Call computes may change, "" if nobody says.
	Version string

	build builder // of a built-in function
}

// A Param describes an argument.
type Param struct {
	Name  string
	Kind  Kind
	nulls nullRule
}

// A Kind is what an argument must be. What arrives is converted where the
// conversion is beyond doubt, and is an error otherwise.
type Kind uint8

// The kinds. All but Any refuse several values and flow literals.
const (
	Any       Kind = iota // anything, as it is
	Single                // one value of any type
	Text                  // not binary, and no resolved reference
	Number                // an integer, or the text of one
	Bytes                 // binary
	DateTime              // a datetime, or the text of one
	Condition             // a boolean, or the text true or false
)

var kindNames = [...]string{"any", "value", "string", "integer", "binary", "datetime", "boolean"}

// String returns the kind as signatures write it.
func (k Kind) String() string { return kindNames[k] }

// A nullRule says what a null argument does (sync-engine §6.3).
type nullRule uint8

const (
	passNull  nullRule = iota // the function gets it; always so for functions of scripts
	nullOut                   // the result is null
	emptyOut                  // the result is the empty text
	nullError                 // an error
)

// Parameters of built-in functions, with the null rule that most of them have.
func param(name string, kind Kind) Param { return Param{name, kind, nullOut} }

func (p Param) whenNull(rule nullRule) Param {
	p.nulls = rule
	return p
}

// Library returns the built-in functions of a dialect, sorted by name; nil for
// an unknown dialect.
func Library(d Dialect) []Function {
	g := grammars[d]
	if g == nil {
		return nil
	}
	return slices.Clone(g.functions.rows)
}

// grammars holds the dialects.
var grammars = map[Dialect]*grammar{
	FIM: {
		operators: []string{"+"},
		foldNames: true,
		functions: newFunctionTable(FIM, textFunctions, conditionFunctions, numberFunctions,
			convertFunctions, dateTimeFunctions, dnFunctions),
	},
}

// A functionTable is the built-in functions of one dialect.
type functionTable struct {
	rows   []Function // sorted by name
	byName map[string]*Function
	folded map[string]*Function
}

func newFunctionTable(d Dialect, themes ...[]Function) functionTable {
	t := functionTable{byName: make(map[string]*Function), folded: make(map[string]*Function)}
	for _, theme := range themes {
		for _, f := range theme {
			if slices.Contains(f.Dialects, d) {
				f.MinArgs, f.MaxArgs = len(f.Params), len(f.Params)
				f.Signature = signature(f)
				t.rows = append(t.rows, f)
			}
		}
	}
	slices.SortFunc(t.rows, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	for i := range t.rows {
		f := &t.rows[i]
		t.byName[f.Name] = f
		t.folded[identity.Fold(f.Name)] = f
	}
	return t
}

func signature(f Function) string {
	var b strings.Builder
	b.WriteString(f.Name)
	b.WriteByte('(')
	for i, p := range f.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name + ": " + p.Kind.String())
	}
	b.WriteString("): ")
	if f.Result == 0 {
		b.WriteString(Any.String())
	} else {
		b.WriteString(f.Result.String())
	}
	return b.String()
}

// find returns a function by the name that an expression uses, the built-in
// ones first; nil if there is none.
func (g *grammar) find(name string, scripts map[string]Function) *Function {
	if f := g.functions.byName[name]; f != nil {
		return f
	}
	if g.foldNames {
		if f := g.functions.folded[identity.Fold(name)]; f != nil {
			return f
		}
	}
	if f, ok := scripts[name]; ok {
		return &f
	}
	if !g.foldNames {
		return nil
	}
	match := ""
	for candidate := range scripts {
		if strings.EqualFold(candidate, name) && (match == "" || candidate < match) {
			match = candidate
		}
	}
	if f, ok := scripts[match]; ok {
		return &f
	}
	return nil
}
