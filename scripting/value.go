package scripting

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

// maxSafe is the largest integer that a JavaScript number holds exactly.
const maxSafe = 1<<53 - 1

// toScript converts a value to JavaScript. Scripts get copies: nothing that they
// do to one changes anything here.
//
//	null              undefined
//	string            string
//	integer           number, or BigInt beyond 2^53
//	boolean           boolean
//	datetime          Date
//	binary            Uint8Array
//	reference         string: its text
//	several values    frozen Array
//
// A flow literal is no value; it is an error.
func toScript(a *host.Active, v expr.Value) (goja.Value, error) {
	if single, ok := v.Single(); ok {
		return singleToScript(a, single)
	}
	if v.IsNull() {
		return goja.Undefined(), nil
	}
	if literal := v.Literal(); literal != expr.NoLiteral {
		return nil, fault.New(host.NameUnexpectedValue, "%s cannot be an argument of a script", literal)
	}
	return arrayToScript(a, v.Values())
}

func arrayToScript(a *host.Active, values []identity.Value) (goja.Value, error) {
	items := make([]any, len(values))
	for i, value := range values {
		item, err := singleToScript(a, value)
		if err != nil {
			return nil, err
		}
		items[i] = item
	}
	return a.Array(items), nil
}

func singleToScript(a *host.Active, v identity.Value) (goja.Value, error) {
	switch v.Type() {
	case identity.TypeInteger:
		n := v.Int()
		if n > maxSafe || n < -maxSafe {
			return a.Runtime().ToValue(big.NewInt(n)), nil
		}
		return a.Runtime().ToValue(n), nil
	case identity.TypeBoolean:
		return a.Runtime().ToValue(v.Bool()), nil
	case identity.TypeDateTime:
		return a.Date(v.Time())
	case identity.TypeBinary:
		return a.Bytes([]byte(v.Str()))
	}
	return a.Runtime().ToValue(v.Text()), nil
}

// fromScript is the way back. undefined and null are null; an array is several
// values. What is not a value is an error: NaN, fractions, functions, promises,
// objects, half characters, and arrays that hold any of these or no value.
func fromScript(a *host.Active, v goja.Value) (out expr.Value, err error) {
	obj, ok := v.(*goja.Object)
	if !ok {
		if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
			return expr.Null(), nil
		}
		single, err := primitiveFromScript(v)
		return expr.Of(single), err
	}
	var total int
	err = a.Guard(func() error {
		if obj.ClassName() != "Array" {
			single, err := objectFromScript(a, obj)
			out = expr.Of(single)
			return err
		}
		n := obj.Get("length").ToInteger()
		if n > maxValues {
			return unexpected("an array of %d values", n)
		}
		values := make([]identity.Value, n)
		for i := range values {
			var err error
			if values[i], err = elementFromScript(a, obj.Get(strconv.Itoa(i))); err != nil {
				return err
			}
			if total += sizeOf(values[i]); total > maxResult {
				return unexpected("more than %d MiB", maxResult>>20)
			}
		}
		out = expr.OfValues(values)
		return nil
	})
	return out, err
}

func elementFromScript(a *host.Active, v goja.Value) (identity.Value, error) {
	switch obj, ok := v.(*goja.Object); {
	case ok && obj.ClassName() == "Array":
		return identity.Value{}, unexpected("an array in an array")
	case ok:
		return objectFromScript(a, obj)
	case v == nil || goja.IsUndefined(v) || goja.IsNull(v):
		return identity.Value{}, unexpected("an array that holds %s", a.Describe(v))
	}
	return primitiveFromScript(v)
}

func primitiveFromScript(v goja.Value) (identity.Value, error) {
	if goja.IsString(v) {
		if n := v.(goja.String).Length(); n > maxValue {
			return identity.Value{}, unexpected("a text of %d characters, which is too long", n)
		}
		text := v.String()
		if strings.ContainsRune(text, '\ufffd') && hasHalfCharacter(v.(goja.String)) {
			e := unexpected("a string that holds half a character")
			e.Hint = "text[0] is half of a character such as an emoji; [...text][0] is all of it"
			return identity.Value{}, e
		}
		return identity.String(text), nil
	}
	switch x := v.Export().(type) {
	case bool:
		return identity.Boolean(x), nil
	case int64:
		return numberFromScript(float64(x), v)
	case float64:
		return numberFromScript(x, v)
	case *big.Int:
		if x.IsInt64() {
			return identity.Integer(x.Int64()), nil
		}
		return identity.Value{}, unexpected("the integer %s, which has more than 64 bits", v)
	}
	return identity.Value{}, unexpected("a symbol")
}

func numberFromScript(x float64, v goja.Value) (identity.Value, error) {
	whole := x == math.Trunc(x) && !math.IsInf(x, 0)
	if whole && math.Abs(x) <= maxSafe {
		return identity.Integer(int64(x)), nil
	}
	e := unexpected("the number %s", v)
	switch {
	case whole:
		e.Text += ", which is not exact"
		e.Hint = "use a BigInt for integers beyond 2^53"
	case !math.IsNaN(x) && !math.IsInf(x, 0):
		e.Hint = "there are only integers: round it, or return it as a string"
	}
	return identity.Value{}, e
}

// objectFromScript converts the objects that stand for one value. The class is
// the built-in one, whatever the script's prototypes say.
func objectFromScript(a *host.Active, obj *goja.Object) (identity.Value, error) {
	if obj.ClassName() == "Date" {
		if t, ok := obj.Export().(time.Time); ok {
			return identity.DateTime(t), nil
		}
		return identity.Value{}, unexpected("an invalid date")
	}
	if bytes, ok := host.Uint8Array(obj); ok {
		if len(bytes) > maxValue {
			return identity.Value{}, unexpected("%d bytes, which are too many", len(bytes))
		}
		return identity.Binary(bytes), nil
	}
	if _, callable := goja.AssertFunction(obj); callable {
		return identity.Value{}, unexpected("a function")
	}
	return identity.Value{}, unexpected("the object %s", a.Describe(obj))
}

// elements returns the elements of an array.
func elements(array *goja.Object) ([]goja.Value, error) {
	n := array.Get("length").ToInteger()
	if n > maxValues {
		return nil, invalid("an array of %d elements is too long", n)
	}
	list := make([]goja.Value, n)
	for i := range list {
		list[i] = array.Get(strconv.Itoa(i))
	}
	return list, nil
}

// sizeOf is how much memory a value takes.
func sizeOf(v identity.Value) int {
	switch v.Type() {
	case identity.TypeString, identity.TypeBinary:
		return 32 + len(v.Str())
	}
	return 32
}

func unexpected(format string, args ...any) *fault.Error {
	return fault.New(host.NameUnexpectedValue, "the script returned %s", fmt.Sprintf(format, args...))
}

// hasHalfCharacter reports whether a text holds a surrogate without its other
// half, which has no place in UTF-8.
func hasHalfCharacter(s goja.String) bool {
	for i := 0; i < s.Length(); i++ {
		c := rune(s.CharAt(i))
		if !utf16.IsSurrogate(c) {
			continue
		}
		if i+1 == s.Length() || utf16.DecodeRune(c, rune(s.CharAt(i+1))) == '\ufffd' {
			return true
		}
		i++
	}
	return false
}
