package host

import (
	"fmt"

	"github.com/dop251/goja"
)

// A lazyObject is an object of the table in one call. Its members are made when they
// are asked for: most calls ask for none, and to make them all takes longer than the
// rest of a call.
type lazyObject struct {
	a    *Active
	of   *Object
	made []goja.Value // by index of the member, nil before one was made
}

// Object makes an object of a type of the table, for this call. It is read-only, and
// of no use once the call is over.
func (a *Active) Object(o *Object) goja.Value {
	return a.w.rt.NewDynamicObject(&lazyObject{a: a, of: o})
}

// Get implements [goja.DynamicObject].
func (l *lazyObject) Get(key string) goja.Value {
	for i := range l.of.Members {
		if l.of.Members[i].Name == key && !l.absent(i) {
			return l.member(i)
		}
	}
	return nil
}

func (l *lazyObject) member(i int) goja.Value {
	if l.a != l.a.w.active {
		panic(l.a.w.throwable(errOver))
	}
	if l.made == nil {
		l.made = make([]goja.Value, len(l.of.Members))
	}
	if l.made[i] == nil {
		switch member := &l.of.Members[i]; {
		case member.Object != nil:
			l.made[i] = l.a.Object(member.Object)
		case member.Value != nil:
			if l.made[i] = member.Value(l.a); l.made[i] == nil {
				l.made[i] = goja.Undefined()
			}
		case member.Text != nil:
			l.made[i] = l.a.w.rt.ToValue(member.Text(l.a))
		default:
			l.made[i] = l.a.w.function(member, l.a)
		}
	}
	return l.made[i]
}

// Has implements [goja.DynamicObject].
func (l *lazyObject) Has(key string) bool {
	for i := range l.of.Members {
		if l.of.Members[i].Name == key {
			return !l.absent(i)
		}
	}
	return false
}

// Set implements [goja.DynamicObject].
func (l *lazyObject) Set(key string, _ goja.Value) bool {
	panic(l.a.w.rt.NewTypeError(fmt.Sprintf("Cannot assign to read only property '%s'", key)))
}

// Delete implements [goja.DynamicObject].
func (l *lazyObject) Delete(key string) bool {
	panic(l.a.w.rt.NewTypeError(fmt.Sprintf("Cannot delete property '%s'", key)))
}

// Keys implements [goja.DynamicObject].
func (l *lazyObject) Keys() []string {
	names := make([]string, 0, len(l.of.Members))
	for i := range l.of.Members {
		if !l.absent(i) {
			names = append(names, l.of.Members[i].Name)
		}
	}
	return names
}

// absent reports whether a member is missing in this call.
func (l *lazyObject) absent(i int) bool {
	absent := l.of.Members[i].Absent
	return absent != nil && absent(l.a)
}
