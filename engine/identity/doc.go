// Package identity holds the words that every other package of the engine
// speaks: values, attributes, entries, deltas, schemas and distinguished names,
// and the binary form in which they are stored.
//
// It does no I/O and depends on nothing but the standard library. Everything in
// it is a plain value: copy it, compare it, keep it.
//
//   - A [Value] is one typed datum, comparable with ==.
//   - An [Attribute] is a name and a normalized set of values; [Attributes] is a
//     list of them, sorted by name. An absent attribute and one without values
//     are the same thing and neither is stored.
//   - A [Delta] says how one image of an object becomes another, at the level of
//     the object, of its attributes and of their values. [Diff], [Delta.Apply]
//     and [Delta.Merge] obey apply(diff(a, b), a) = b.
//   - A [Schema] names the object types of one connected system.
//   - An [ID] is the engine's own identity of an object; it never changes.
//
// Attributes are built value by value, or from a list in any order:
//
//	a := identity.Attributes{}.Set("sn", identity.String("Berg")).Set("age", identity.Integer(7))
//	a := identity.SortAttributes([]identity.Attribute{{Name: "sn", Values: ...}, ...})
//
// and read by [Attributes.Get], [Attributes.First] and [Value.Text]. They are always
// sorted and normalized, which everything here relies on: build them no other way.
// Setting an attribute may change the list in place, so [Attributes.Clone] a list
// that somebody else has too; the value sets themselves are shared and never changed.
//
// A reference is a value that names another object: by its DN outside the engine
// ([Reference]), by its [ID] inside. [DN] is the LDAP form of names; systems with
// other names use plain texts.
//
// An [Encoder] and a [Decoder] are the binary form; with one table of names, equal
// attributes are equal bytes.
package identity
