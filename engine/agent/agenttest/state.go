package agenttest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A state is the content of a directory: its objects and its change log.
type state struct {
	schema  identity.Schema
	caps    agent.Capabilities
	checks  Checks
	objects map[string]*object // by anchor
	names   map[string]*object // by the key of the DN
	serial  uint64             // of the last object created
	number  uint64             // of the last change
	trimmed uint64             // up to which change the log is forgotten
	log     []change
}

// An object is never changed once it is in a state; changing it replaces it.
type object struct {
	serial uint64
	Object
}

// A change is an entry of the change log.
type change struct {
	number uint64
	entry  agent.Entry
}

func newState(schema identity.Schema, caps agent.Capabilities) *state {
	return &state{schema: schema, caps: caps, objects: map[string]*object{}, names: map[string]*object{}}
}

func (s *state) clone() *state {
	c := *s
	c.objects, c.names, c.log = maps.Clone(s.objects), maps.Clone(s.names), slices.Clip(s.log)
	return &c
}

// ordered returns all objects in the order of their creation.
func (s *state) ordered() []*object {
	return slices.SortedFunc(maps.Values(s.objects), func(a, b *object) int { return int(a.serial) - int(b.serial) })
}

// find returns the object that a change means, nil if there is none. An anchor
// decides; the DN counts only without one.
func (s *state) find(anchor, dn string) *object {
	if anchor != "" {
		return s.objects[anchor]
	}
	return s.names[s.key(dn)]
}

// key returns the text under which a DN is found.
func (s *state) key(dn string) string {
	if s.caps.LDAPNames {
		if parsed, err := identity.ParseDN(dn); err == nil {
			return parsed.Fold()
		}
	}
	if s.caps.IgnoreCase {
		return identity.Fold(dn)
	}
	return dn
}

func (s *state) record(e agent.Entry) {
	s.number++
	s.log = append(s.log, change{s.number, e})
}

func (s *state) insert(o *object) {
	s.objects[o.Anchor], s.names[s.key(o.DN)] = o, o
}

func (s *state) erase(o *object) {
	delete(s.objects, o.Anchor)
	delete(s.names, s.key(o.DN))
}

// put is what [Directory.Put] does with one object.
func (s *state) put(o Object) *fault.Error {
	if o.Type == "" && len(s.schema.Types) == 1 {
		o.Type = s.schema.Types[0].Name
	}
	known := s.find(o.Anchor, o.DN)
	if known != nil {
		o.Anchor = known.Anchor
	}
	switch {
	case o.DN != "" || s.caps.AnchorIsDN:
	case known != nil:
		o.DN = known.DN
	default:
		o.DN = o.Anchor
	}
	o, err := s.complete(o)
	if err != nil {
		return err
	}
	known = s.objects[o.Anchor]
	if known != nil && known.Type != o.Type {
		if err := s.remove(known); err != nil {
			return err
		}
		known = nil
	}
	if known == nil {
		return s.add(o)
	}
	newDN := ""
	if o.DN != known.DN {
		newDN = o.DN
	}
	_, err = s.modify(known, newDN, identity.Diff(known.Attributes, o.Attributes))
	return err
}

// complete gives a new object what its names and its anchor attributes leave
// open: each follows from the others, or the directory makes it up.
func (s *state) complete(o Object) (Object, *fault.Error) {
	t := s.schema.Type(o.Type)
	if t == nil {
		return o, fault.New("no-export-to-this-object-type", "there is no object type %q", o.Type)
	}
	o.Attributes = o.Attributes.Clone()
	if s.caps.AnchorIsDN && o.Anchor == "" {
		o.Anchor = o.DN
	}
	if o.Anchor == "" && len(missingAnchors(t, o.Attributes)) > 0 || o.Anchor == "" && len(t.Anchor) == 0 {
		if len(t.Anchor) > 1 {
			return o, fault.New("missing-anchor-component", "no value for %q", missingAnchors(t, o.Attributes))
		}
		o.Anchor = strconv.FormatUint(s.serial+1, 10)
	}
	if err := s.fillAnchor(t, &o); err != nil {
		return o, err
	}
	if o.DN == "" && s.caps.AnchorIsDN {
		o.DN = o.Anchor
	}
	if o.DN == "" {
		return o, fault.New("invalid-dn", "the object has no name")
	}
	if s.caps.AnchorIsDN && o.DN != o.Anchor {
		return o, fault.New("modify-naming-attribute", "the name is %q but the anchor %q", o.DN, o.Anchor)
	}
	return o, s.check(t, o)
}

func missingAnchors(t *identity.ObjectType, a identity.Attributes) []string {
	return slices.DeleteFunc(slices.Clone(t.Anchor), func(name string) bool { return len(a.Get(name)) > 0 })
}

// fillAnchor sets the anchor attributes that are missing from the anchor, and
// the anchor from its attributes if it is not known. They must agree.
func (s *state) fillAnchor(t *identity.ObjectType, o *Object) *fault.Error {
	if len(t.Anchor) == 0 {
		return nil
	}
	if o.Anchor != "" {
		parts, ok := identity.SplitAnchor(o.Anchor, len(t.Anchor))
		if !ok {
			return fault.New("missing-anchor-component", "%q is not an anchor of %q", o.Anchor, t.Anchor)
		}
		for i, name := range t.Anchor {
			if len(o.Attributes.Get(name)) > 0 {
				continue
			}
			v, err := identity.ParseValue(t.Attribute(name).Type, parts[i])
			if err != nil {
				return fault.As(err, "invalid-attribute-value")
			}
			o.Attributes = o.Attributes.Set(name, v)
		}
	}
	made := anchorOf(t, o.Attributes)
	if o.Anchor != "" && o.Anchor != made {
		return fault.New("modify-naming-attribute", "the anchor is %q but its attributes say %q", o.Anchor, made)
	}
	o.Anchor = made
	return nil
}

func anchorOf(t *identity.ObjectType, a identity.Attributes) string {
	parts := make([]string, len(t.Anchor))
	for i, name := range t.Anchor {
		parts[i] = a.First(name).Text()
	}
	return identity.JoinAnchor(parts...)
}

// check says why the schema, or a stricter check, does not admit the object.
func (s *state) check(t *identity.ObjectType, o Object) *fault.Error {
	if s.caps.LDAPNames {
		if _, err := identity.ParseDN(o.DN); err != nil {
			return fault.Wrap("invalid-dn", err)
		}
	}
	for _, a := range o.Attributes {
		at := t.Attribute(a.Name)
		switch {
		case at == nil:
			return attributeFault("schema-violation", a.Name, "%s has no such attribute", t.Name)
		case !at.Multi && len(a.Values) > 1:
			return attributeFault("constraint-violation", a.Name, "%d values for one", len(a.Values))
		}
		for _, v := range a.Values {
			switch {
			case v.Type() != at.Type:
				return attributeFault("type-mismatch", a.Name, "a %s where a %s belongs", v.Type(), at.Type)
			case v.Ref() != 0:
				return attributeFault("dn-attributes-failure", a.Name, "the reference has no name")
			case s.checks.References && at.Type == identity.TypeReference &&
				s.names[s.key(v.Str())] == nil && s.key(v.Str()) != s.key(o.DN):
				return attributeFault("dn-attributes-failure", a.Name, "there is no object %q", v.Str())
			}
		}
	}
	return nil
}

func attributeFault(name, attribute, format string, args ...any) *fault.Error {
	e := fault.New(name, format, args...)
	e.Attribute = attribute
	return e
}

// checkContainer says why there can be no object of this name.
func (s *state) checkContainer(dn string) *fault.Error {
	if !s.caps.LDAPNames || s.checks.Suffix == "" {
		return nil
	}
	parsed, _ := identity.ParseDN(dn) // check has seen it
	key, suffix := s.key(dn), s.key(s.checks.Suffix)
	for above := parsed; key != suffix; above = above.Parent() {
		if len(above) == 0 {
			return fault.New("non-existent-parent", "%q is not below %q", dn, s.checks.Suffix)
		}
		if above.Fold() == suffix {
			break
		}
	}
	parent := parsed.Parent().Fold()
	if key != suffix && parent != suffix && s.names[parent] == nil {
		return fault.New("non-existent-parent", "there is no %q", parsed.Parent())
	}
	return nil
}

// add takes in a completed object.
func (s *state) add(o Object) *fault.Error {
	if s.objects[o.Anchor] != nil || s.names[s.key(o.DN)] != nil {
		return fault.New("cd-existing-object", "there is an object %q already", o.DN)
	}
	if err := s.checkContainer(o.DN); err != nil {
		return err
	}
	s.serial++
	s.insert(&object{s.serial, o})
	s.record(agent.Entry{Op: identity.Add, ObjectType: o.Type, DN: o.DN, Anchor: o.Anchor, Attributes: o.Attributes})
	return nil
}

// modify changes an object; a newDN renames it. It returns the object as it is
// then. Changes that change nothing are not logged.
func (s *state) modify(o *object, newDN string, changes []identity.Change) (*object, *fault.Error) {
	t := s.schema.Type(o.Type)
	next := &object{o.serial, o.Object}
	next.Attributes = (&identity.Delta{Op: identity.Update, Changes: changes}).Apply(o.Attributes)
	if newDN != "" && newDN != o.DN {
		next.DN = newDN
		if s.caps.AnchorIsDN {
			if err := s.renameAnchor(t, next, o); err != nil {
				return nil, err
			}
		}
	}
	if len(t.Anchor) > 0 && anchorOf(t, next.Attributes) != next.Anchor {
		return nil, fault.New("modify-naming-attribute", "the attributes of the anchor %q change only with the name", o.Anchor)
	}
	if err := s.check(t, next.Object); err != nil {
		return nil, err
	}
	if next.DN != o.DN {
		if known := s.names[s.key(next.DN)]; known != nil && known.serial != o.serial {
			return nil, fault.New("rename-to-existing-dn", "there is an object %q already", next.DN)
		}
		if err := s.checkContainer(next.DN); err != nil {
			return nil, err
		}
	}
	effective := identity.Diff(o.Attributes, next.Attributes)
	if len(effective) == 0 && next.DN == o.DN {
		return o, nil
	}
	s.erase(o)
	s.insert(next)
	e := agent.Entry{Op: identity.Update, ObjectType: o.Type, DN: o.DN, Anchor: o.Anchor, Changes: effective}
	if next.DN != o.DN {
		e.NewDN = next.DN
		s.follow(o.DN, next.DN)
		next = s.objects[next.Anchor]
	}
	s.record(e)
	return next, nil
}

// renameAnchor makes the anchor of next, and the attributes that it consists
// of, follow its new name.
func (s *state) renameAnchor(t *identity.ObjectType, next, old *object) *fault.Error {
	next.Anchor = next.DN
	for _, name := range t.Anchor {
		if slices.Equal(next.Attributes.Get(name), old.Attributes.Get(name)) {
			next.Attributes = next.Attributes.Clone().Set(name)
		}
	}
	return s.fillAnchor(t, &next.Object)
}

// remove deletes an object.
func (s *state) remove(o *object) *fault.Error {
	if child := s.child(o.DN); child != nil {
		return fault.New("constraint-violation", "%q is below it", child.DN)
	}
	s.erase(o)
	s.record(agent.Entry{Op: identity.Delete, ObjectType: o.Type, DN: o.DN, Anchor: o.Anchor})
	s.follow(o.DN, "")
	return nil
}

// child returns an object below dn, nil if there is none.
func (s *state) child(dn string) *object {
	if !s.caps.LDAPNames {
		return nil
	}
	for _, o := range s.ordered() {
		if _, below := rebase(o.DN, dn, dn); below {
			return o
		}
	}
	return nil
}

// follow carries the consequences of a rename, or with to "" of a deletion, to
// the objects below and to references.
func (s *state) follow(from, to string) {
	if s.caps.AnchorIsDN || s.checks.Dangling && to == "" {
		return
	}
	moved := map[string]string{s.key(from): to}
	if s.caps.LDAPNames && !s.caps.NoContainerRename && to != "" {
		for _, o := range s.ordered() {
			if dn, below := rebase(o.DN, from, to); below {
				moved[s.key(o.DN)] = dn
				s.erase(o)
				s.insert(&object{o.serial, Object{o.Type, dn, o.Anchor, o.Attributes}})
			}
		}
	}
	if s.caps.ReferencesStay && to != "" {
		return
	}
	for _, o := range s.ordered() {
		if attributes, changed := s.redirect(o.Attributes, moved); changed {
			s.insert(&object{o.serial, Object{o.Type, o.DN, o.Anchor, attributes}})
		}
	}
}

// redirect replaces references to moved objects, and drops those to objects
// that moved nowhere.
func (s *state) redirect(a identity.Attributes, moved map[string]string) (identity.Attributes, bool) {
	out, changed := a, false
	for _, attribute := range a {
		if attribute.Values[0].Type() != identity.TypeReference {
			continue
		}
		var values []identity.Value
		hit := false
		for _, v := range attribute.Values {
			to, found := moved[s.key(v.Str())]
			hit = hit || found
			switch {
			case !found:
				values = append(values, v)
			case to != "":
				values = append(values, identity.Reference(to))
			}
		}
		if !hit {
			continue
		}
		if !changed {
			out, changed = a.Clone(), true
		}
		out = out.Set(attribute.Name, values...)
	}
	return out, changed
}

// rebase returns dn, which must lie below from, as it is below to.
func rebase(dn, from, to string) (string, bool) {
	d, err1 := identity.ParseDN(dn)
	f, err2 := identity.ParseDN(from)
	t, err3 := identity.ParseDN(to)
	if err1 != nil || err2 != nil || err3 != nil || len(d) <= len(f) || d[len(d)-len(f):].Fold() != f.Fold() {
		return "", false
	}
	return slices.Concat(d[:len(d)-len(f)], t).String(), true
}

// String makes an Object readable in the output of tests.
func (o Object) String() string {
	return fmt.Sprintf("%s %s (%s) %v", o.Type, o.DN, o.Anchor, o.Attributes)
}
