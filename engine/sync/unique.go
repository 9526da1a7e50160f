package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// An attribute of the metaverse may be unique: two objects of its type with a value
// in common are the error unique-index-violation (sync-engine §3.11), on the one that
// came second. It is looked for once everything that a unit does is done, so that a
// value may move from one object to another in it.

// A written is a unique attribute that got other values.
type written struct {
	object    identity.ID
	attribute *rules.Attribute
}

// wrote notes that an attribute got other values, or none: who looks for them has to know.
func (u *unit) wrote(mv *space.Object, attribute string) {
	t := u.rules.Type(mv.Type)
	if t == nil {
		return
	}
	u.seeks(t, mv, attribute)
	if a := t.Attributes[attribute]; a != nil && a.Unique {
		u.written = append(u.written, written{mv.ID, a})
	}
}

// checkUnique looks at the unique attributes that were written, and at those of an
// object all of whose flows were evaluated: there only an older object is in the
// way, so that of two that had a value in common already one is as it should be.
func (u *unit) checkUnique(whole identity.ID) error {
	for _, w := range u.written {
		if err := u.checkValues(w.object, w.attribute, false); err != nil {
			return err
		}
	}
	if whole == 0 {
		return nil
	}
	mv, err := u.tx.Object(whole)
	if err != nil || mv == nil || u.rules.Type(mv.Type) == nil {
		return err
	}
	for _, a := range u.rules.Type(mv.Type).Unique {
		if err := u.checkValues(mv.ID, a, true); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) checkValues(id identity.ID, a *rules.Attribute, older bool) error {
	mv, err := u.tx.Object(id)
	if err != nil || mv == nil {
		return err
	}
	if t := u.rules.Type(mv.Type); t == nil || t.Attributes[a.Name] != a {
		return nil // it has become one of another type
	}
	for _, v := range mv.Attributes.Get(a.Name) {
		others, err := u.tx.FindObjects(mv.Type, a.Name, v)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(others, func(other identity.ID) bool { return other != id && (!older || other < id) })
		if i < 0 {
			continue
		}
		by, _ := mv.Contribution(a.Name)
		taken := fault.New("unique-index-violation", "%q is the value of the metaverse object %s already", v.Text(), others[i])
		return within(taken, stepImportFlow, by.Rule, a.Name)
	}
	return nil
}
