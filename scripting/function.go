package scripting

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// flowFunctionKind registers the functions that expressions call.
var flowFunctionKind = host.Kind{
	Name:      "flowFunction",
	Signature: "(name: string, fn: (...args: any[]) => Result | Promise<Result>): void",
	Doc: "Registers a function for the expressions of flows: after\n" +
		"`flowFunction(\"initials\", (given, sn) => given[0] + sn[0])` a flow can be `initials: =initials(givenName, sn)`.\n" +
		"\n" +
		"An attribute without a value arrives as undefined, one with several values as an array. Returning undefined or\n" +
		"null contributes nothing. The function has one second, and must depend on nothing but its arguments: Date and\n" +
		"Math.random stand still during a run.",
	Declare: declareFlowFunction,
}

// A functionSpec is what is known of the parameters of a flow function.
type functionSpec struct {
	Min, Max int // as in expr.Function
	Names    string
}

func declareFlowFunction(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	name, fn, err := host.NameAndFunction(args)
	if err != nil {
		return none, err
	}
	if !isIdentifier(name) {
		return none, invalid("%s is not a name that an expression can use", quoted(args[0]))
	}
	if isBuiltIn(name) {
		return none, invalid("%s cannot be registered: there is a built-in function of this name", quoted(args[0]))
	}
	spec := functionSpec{Min: int(fn.Get("length").ToInteger()), Max: -1}
	if names, variadic, ok := host.Parameters(fn); ok {
		if !variadic {
			spec.Max = max(spec.Min, len(names))
		}
		spec.Names = strings.Join(names, ", ")
		if variadic {
			spec.Names = strings.TrimPrefix(spec.Names+", ...", ", ")
		}
	}
	return host.Declaration{
		Name: name, Spec: spec, Hooks: map[string]goja.Value{"": fn},
	}, nil
}

// isIdentifier reports whether an expression can call a function by this name.
func isIdentifier(name string) bool {
	for i, c := range name {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// isBuiltIn reports whether an expression would find a built-in function under
// the name. The case of names counts in the Entra dialect.
func isBuiltIn(name string) bool {
	return slices.ContainsFunc(expr.Library(expr.FIM), func(f expr.Function) bool { return strings.EqualFold(f.Name, name) }) ||
		slices.ContainsFunc(expr.Library(expr.Entra), func(f expr.Function) bool { return f.Name == name })
}

// flowFunction makes a registration callable from expressions.
func (g *Generation) flowFunction(r *host.Registration) expr.Function {
	spec := r.Spec.(functionSpec)
	attrs := []slog.Attr{slog.String("function", r.Name)}
	return expr.Function{
		Name:      r.Name,
		Signature: r.Name + "(" + spec.Names + ")",
		Source:    r.Position.String(),
		Version:   r.Version,
		MinArgs:   spec.Min,
		MaxArgs:   spec.Max,
		Call: func(ctx *expr.Context, args []expr.Value) (out expr.Value, err error) {
			parent := ctx.Context
			if parent == nil {
				parent = context.Background()
			}
			err = g.host.Do(parent, host.Call{
				Of: r, Apart: g.apart, Now: ctx.Now, Random: randomFor(ctx, r.Name, args), Log: attrs,
			}, func(a *host.Active) error {
				values := make([]goja.Value, len(args))
				for i, arg := range args {
					var err error
					if values[i], err = toScript(a, arg); err != nil {
						return err
					}
				}
				result, err := a.Invoke("", values...)
				if err != nil {
					return err
				}
				out, err = fromScript(a, result)
				return err
			})
			if err != nil {
				return expr.Null(), inFunction(err, r)
			}
			return out, nil
		},
	}
}

// randomFor returns what Math.random gives in a call: numbers from the context,
// or without any in it, numbers that depend on the time of the run and on the
// arguments alone. So a preview shows what a run will do.
func randomFor(ctx *expr.Context, name string, args []expr.Value) func() float64 {
	if ctx.Random != nil {
		return func() float64 { return float64(ctx.Random(1<<53)) / (1 << 53) }
	}
	if ctx.Now.IsZero() {
		return nil
	}
	var source *rand.Rand
	return func() float64 {
		if source == nil {
			hash := fnv.New64a()
			hash.Write([]byte(name))
			for _, arg := range args {
				hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(arg.Values()))))
				for _, v := range arg.Values() {
					hash.Write(append([]byte(v.Text()), 0))
				}
			}
			source = rand.New(rand.NewPCG(uint64(ctx.Now.UnixNano()), hash.Sum64()))
		}
		return source.Float64()
	}
}

// inFunction gives an error about a result the place of the registration; an
// exception has the place where it was thrown.
func inFunction(err error, r *host.Registration) error {
	named := fault.As(err, "")
	if named.Name == "" {
		return err
	}
	if named.Position.IsZero() {
		named.Position = r.Position
	}
	return err
}

func quoted(v goja.Value) string {
	if goja.IsString(v) {
		return `"` + v.String() + `"`
	}
	return v.String()
}
