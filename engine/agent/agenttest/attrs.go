package agenttest

import (
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// Attrs builds attributes from names and values in turn. A value is a string,
// int, bool, time.Time or identity.Value, or a list of strings or
// identity.Values for a multi-valued attribute. Anything else is a mistake in
// the test, and Attrs panics.
func Attrs(pairs ...any) identity.Attributes {
	if len(pairs)%2 != 0 {
		panic("agenttest.Attrs: a name without a value")
	}
	list := make([]identity.Attribute, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, identity.Attribute{Name: pairs[i].(string), Values: valuesOf(pairs[i+1])})
	}
	return identity.SortAttributes(list)
}

func valuesOf(x any) []identity.Value {
	switch x := x.(type) {
	case string:
		return []identity.Value{identity.String(x)}
	case int:
		return []identity.Value{identity.Integer(int64(x))}
	case bool:
		return []identity.Value{identity.Boolean(x)}
	case time.Time:
		return []identity.Value{identity.DateTime(x)}
	case identity.Value:
		return []identity.Value{x}
	case []identity.Value:
		return append([]identity.Value(nil), x...)
	case []string:
		values := make([]identity.Value, len(x))
		for i, s := range x {
			values[i] = identity.String(s)
		}
		return values
	}
	panic(fmt.Sprintf("agenttest.Attrs: no value can be made of a %T", x))
}
