package discover

import (
	"hash/fnv"

	"github.com/metasync/metasync/engine/identity"
)

// maxDistinct bounds how many different values of an attribute are remembered once one
// came twice: only those of one that may identify objects are worth the room.
const maxDistinct = 50000

// Values gathers what the values of an attribute look like. The zero value is ready. It
// keeps no values, but eight bytes of each that is a new one.
type Values struct {
	use      Use
	distinct map[uint64]struct{} // nil if there were too many
	repeated bool                // a value came twice, or an object has two

	other     [identity.TypeReference + 1]bool // a value is not one of the type
	length    int                              // of the first value
	differing bool                             // one of another length came
	dns       int                              // values that look like names in a directory, until the first one that does not
	count     int
}

// Add adds the values of one object; none if it lacks the attribute.
func (v *Values) Add(texts ...string) {
	if len(texts) == 0 {
		return
	}
	v.use.Objects++
	v.use.Values = max(v.use.Values, len(texts))
	for _, text := range texts {
		v.add(text)
	}
	v.repeated = v.repeated || len(texts) > 1
}

func (v *Values) add(text string) {
	if v.count++; v.count == 1 {
		v.distinct, v.length = map[uint64]struct{}{}, len(text)
	}
	v.differing = v.differing || len(text) != v.length
	for _, t := range []identity.Type{identity.TypeInteger, identity.TypeBoolean, identity.TypeDateTime} {
		if v.other[t] {
			continue
		}
		value, err := identity.ParseValue(t, text)
		// Digits with something before them are rather a code, and 0 and 1 may be numbers.
		v.other[t] = err != nil || t == identity.TypeInteger && value.Text() != text || t == identity.TypeBoolean && len(text) == 1
	}
	if v.dns == v.count-1 { // all before
		if dn, err := identity.ParseDN(text); err == nil && len(dn) > 1 {
			v.dns++
		}
	}
	if v.distinct == nil {
		return
	}
	key := digest(text)
	if _, known := v.distinct[key]; known {
		v.repeated = true
	}
	v.distinct[key] = struct{}{}
	if v.repeated && len(v.distinct) > maxDistinct {
		v.distinct = nil
	}
}

func digest(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

// Use returns how the attribute is used.
func (v *Values) Use() Use { return v.use }

// Unique reports whether each of so many objects has one value, and no two the same.
func (v *Values) Unique(objects int) bool {
	return objects > 0 && v.use.Objects == objects && !v.repeated
}

// Type guesses a type: one that all values are of. Digits that always are as many are
// rather a code than a number, and stay a text, as does what may identify an object.
func (v *Values) Type(objects int) identity.Type {
	switch {
	case v.count == 0 || v.Unique(objects) && v.count > 1:
	case !v.other[identity.TypeBoolean]:
		return identity.TypeBoolean
	case !v.other[identity.TypeInteger] && (v.differing || v.length == 1):
		return identity.TypeInteger
	case !v.other[identity.TypeDateTime]:
		return identity.TypeDateTime
	}
	return identity.TypeString
}

// Names reports whether all values are names of more than one component, as in a
// directory.
func (v *Values) Names() bool { return v.count > 0 && v.dns == v.count }

// RefersTo reports whether every value is one of another attribute, and there is more
// than one of them.
func (v *Values) RefersTo(other *Values) bool {
	if v == other || len(v.distinct) < 2 || other.distinct == nil {
		return false
	}
	for key := range v.distinct {
		if _, known := other.distinct[key]; !known {
			return false
		}
	}
	return true
}
