package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// Go values and those of scripts meet as plain data, in the form of encoding/json:
// what one side does to a value, the other does not see.

// maxSafe is the largest integer that a JavaScript number holds exactly.
const maxSafe = 1<<53 - 1

// Call calls all functions that were registered under a name of a kind, the hook "",
// one after another in the order of the registrations, each with the deadline of
// Options.Timeout. The arguments are whatever encoding/json can write; a number
// beyond 2^53 arrives as a BigInt. The results are plain data, see [Active.Plain],
// one for each function; nothing was registered if there are none. A function that
// fails does not keep the others from being called: its result is nil, and the error
// joins what went wrong.
func (g *Generation) Call(ctx context.Context, kind, name string, args ...any) (results []any, err error) {
	plain := make([]any, len(args))
	for i, arg := range args {
		if plain[i], err = plainData(arg); err != nil {
			return nil, fmt.Errorf("argument %d of %s %q: %w", i+1, kind, name, err)
		}
	}
	var wrong []error
	for _, r := range g.registrations {
		if r.Kind != kind || r.Name != name {
			continue
		}
		result, err := g.call(ctx, r, plain)
		if err != nil {
			wrong = append(wrong, err)
		}
		results = append(results, result)
	}
	return results, errors.Join(wrong...)
}

func (g *Generation) call(ctx context.Context, r *Registration, args []any) (out any, err error) {
	err = g.Do(ctx, Call{Of: r, Log: []slog.Attr{slog.String(r.Kind, r.Name)}}, func(a *Active) error {
		values := make([]goja.Value, len(args))
		for i, arg := range args {
			if values[i], err = a.ToScript(arg); err != nil {
				return err
			}
		}
		result, err := a.Invoke("", values...)
		if err != nil {
			return err
		}
		if out, err = a.Plain(result); err != nil && fault.Name(err) == "" {
			err = &fault.Error{Name: NameUnexpectedValue, Position: r.Position, Text: "the script returned what is no data", Err: err}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// plainData returns a Go value in the form that [Active.ToScript] takes.
func plainData(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // an integer is exact
	var plain any
	err = decoder.Decode(&plain)
	return plain, err
}

// number returns a number of JSON as a script has it.
func (a *Active) number(n json.Number) (goja.Value, error) {
	if whole, ok := new(big.Int).SetString(n.String(), 10); ok {
		if !whole.IsInt64() || whole.Int64() > maxSafe || whole.Int64() < -maxSafe {
			return a.w.rt.ToValue(whole), nil
		}
		return a.w.rt.ToValue(whole.Int64()), nil
	}
	x, err := n.Float64()
	return a.w.rt.ToValue(x), err
}

var (
	typeContext = reflect.TypeFor[context.Context]()
	typeError   = reflect.TypeFor[error]()
)

// Func makes a Go function one that scripts can call, for [Member.Call]. It may take
// a context, that of the call, and then any arguments that encoding/json can read; it
// returns a result that encoding/json can write, an error, both in this order, or
// nothing. A script that gives it other arguments gets an error that says so: one too
// few, undefined for what is no pointer, or a value of another type. Pointers at the
// end are optional. Func panics if f is no such function.
func Func(f any) func(a *Active, args []goja.Value) (goja.Value, error) {
	fn := reflect.ValueOf(f)
	shape := fn.Type()
	withContext := shape.NumIn() > 0 && shape.In(0) == typeContext
	var params []reflect.Type
	for i := range shape.NumIn() {
		if i > 0 || !withContext {
			params = append(params, shape.In(i))
		}
	}
	last := shape.NumOut() - 1
	fails := last >= 0 && shape.Out(last) == typeError
	if shape.IsVariadic() || last > 1 || last == 1 && !fails {
		panic(fmt.Sprintf("host.Func: a function such as %s cannot be bound", shape))
	}
	needed := len(params)
	for needed > 0 && params[needed-1].Kind() == reflect.Pointer {
		needed--
	}
	return func(a *Active, args []goja.Value) (goja.Value, error) {
		if len(args) < needed || len(args) > len(params) {
			return nil, fmt.Errorf("takes %d arguments, not %d", len(params), len(args))
		}
		var in []reflect.Value
		if withContext {
			in = append(in, reflect.ValueOf(a.Context()))
		}
		for i, param := range params {
			v := reflect.New(param).Elem()
			if i < len(args) {
				if err := a.decode(args[i], v); err != nil {
					return nil, fmt.Errorf("argument %d: %w", i+1, err)
				}
			}
			in = append(in, v)
		}
		out := fn.Call(in)
		if fails {
			if err, _ := out[last].Interface().(error); err != nil {
				return nil, err
			}
			out = out[:last]
		}
		if len(out) == 0 {
			return nil, nil
		}
		plain, err := plainData(out[0].Interface())
		if err != nil {
			return nil, err
		}
		return a.ToScript(plain)
	}
}

// decode reads a value of a script into a Go value.
func (a *Active) decode(v goja.Value, into reflect.Value) error {
	plain, err := a.Plain(v)
	if err != nil {
		return err
	}
	if plain == nil && into.Kind() != reflect.Pointer && into.Kind() != reflect.Interface {
		return fmt.Errorf("%s is no %s", a.Describe(v), into.Type())
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into.Addr().Interface()); err != nil {
		return fmt.Errorf("%s is no %s", a.Describe(v), into.Type())
	}
	return nil
}
