package scripting

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

// entry reads an object that a script delivers. What is wrong with it is the
// entry's own error (sync-engine §2.7), with what is known of the object.
func (s *scriptAgent) entry(a *host.Active, schema identity.Schema, v goja.Value) agent.Entry {
	e := agent.Entry{Op: identity.Add}
	o := readOptions("the object", v, "object", "anchor", "dn", "attributes", "changes", "delete", "error")
	r := &entryReader{agent: s, a: a, e: &e}
	if o.err != nil {
		r.fail("parse-error", o.err)
	}
	e.ObjectType, e.DN = o.optional("object"), o.optional("dn")
	if e.ObjectType == "" && len(schema.Types) == 1 {
		e.ObjectType = schema.Types[0].Name
	}
	if r.t = schema.Type(e.ObjectType); r.t == nil && e.ObjectType == "" && len(schema.Types) > 0 {
		r.t = &identity.ObjectType{} // of a deletion; of anything else the engine says what is wrong
	} else if r.t == nil {
		r.fail("unmappable-object-type", invalid("there is no object type %q", e.ObjectType))
		r.t = &identity.ObjectType{}
	}
	e.Anchor = r.anchor(o.fields["anchor"])
	gone := o.flag("delete")
	switch {
	case gone && (o.has("attributes") || o.has("changes")):
		r.fail("conflicting-modification-types", invalid("an object that is deleted has neither attributes nor changes"))
	case gone:
		e.Op = identity.Delete
	case o.has("attributes") && o.has("changes"):
		r.fail("conflicting-modification-types", invalid("an object has attributes or changes, not both"))
	case o.has("changes"):
		e.Op = identity.Update
		r.changes(o.fields["changes"])
	case o.has("attributes"):
		r.attributes(o.fields["attributes"])
	case !o.has("error"):
		r.fail("missing-change-type", invalid("the object has none of attributes, changes and delete"))
	}
	if o.err != nil {
		r.fail("parse-error", o.err)
	}
	if s.spec.Capabilities.AnchorIsDN && e.DN == "" {
		e.DN = e.Anchor
	}
	if o.has("error") {
		e.Err = s.readError(a, o.fields["error"], "read-error", "read-error")
	}
	if e.Err != nil {
		e.Attributes, e.Changes = nil, nil
	}
	return e
}

// optional returns a text that may be absent, undefined or null.
func (o *options) optional(name string) string {
	if nothing(o.fields[name]) {
		return ""
	}
	return o.text(name)
}

// An entryReader fills an entry. The first mistake is its error.
type entryReader struct {
	agent *scriptAgent
	a     *host.Active
	e     *agent.Entry
	t     *identity.ObjectType
}

func (r *entryReader) fail(name string, err *fault.Error) {
	if r.e.Err != nil {
		return
	}
	named := *err
	named.Name = name
	r.e.Err = r.agent.placed(&named)
}

// anchor reads an anchor: a text or a number, or a list of them for its parts.
func (r *entryReader) anchor(v goja.Value) string {
	if nothing(v) {
		return ""
	}
	list := []goja.Value{v}
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() == "Array" {
		list = make([]goja.Value, min(obj.Get("length").ToInteger(), 100))
		for i := range list {
			list[i] = obj.Get(strconv.Itoa(i))
		}
	}
	if n := len(r.t.Anchor); n > 0 && n != len(list) || len(list) == 0 {
		r.fail("missing-anchor-component", invalid("the anchor has %d parts, according to the schema they are %s", len(list), joined(r.t.Anchor)))
		return ""
	}
	parts := make([]string, len(list))
	for i, part := range list {
		value, err := elementFromScript(r.a, part)
		if err != nil || value.Type() != identity.TypeString && value.Type() != identity.TypeInteger {
			r.fail("missing-anchor-component", invalid("%s cannot be an anchor", r.a.Describe(part)))
			return ""
		}
		parts[i] = value.Text()
	}
	return identity.JoinAnchor(parts...)
}

// attributes reads a complete object. Its anchor is made of its attributes unless it
// is given.
func (r *entryReader) attributes(v goja.Value) {
	obj, problem := plainProperties("attributes", v)
	if problem != nil {
		r.fail("parse-error", problem)
		return
	}
	var list []identity.Attribute
	for _, name := range obj.Keys() {
		values, ok := r.values(name, obj.Get(name))
		if !ok {
			continue // and look for the anchor
		}
		if len(values) > 0 {
			list = append(list, identity.Attribute{Name: name, Values: values})
		}
	}
	r.e.Attributes = identity.SortAttributes(list)
	if len(r.t.Anchor) == 0 {
		return
	}
	parts := make([]string, len(r.t.Anchor))
	for i, name := range r.t.Anchor {
		if parts[i] = r.e.Attributes.First(name).Text(); parts[i] == "" {
			err := invalid("there is no value of %q", name)
			err.Attribute = name
			r.fail("missing-anchor-component", err)
			return
		}
	}
	switch made := identity.JoinAnchor(parts...); {
	case r.e.Anchor == "":
		r.e.Anchor = made
	case r.e.Anchor != made:
		r.fail("invalid-attribute-value", invalid("the anchor is %q, and by the attributes it is %q", r.e.Anchor, made))
	}
}

// changes reads what changed of an object: the new values of an attribute, null if it
// has none any more, or the values that come and go.
func (r *entryReader) changes(v goja.Value) {
	obj, problem := plainProperties("changes", v)
	if problem != nil {
		r.fail("parse-error", problem)
		return
	}
	for _, name := range obj.Keys() {
		given := obj.Get(name)
		if given == nil || goja.IsUndefined(given) {
			continue
		}
		c := identity.Change{Name: name, Op: identity.Replace}
		if inner, ok := given.(*goja.Object); ok && inner.ClassName() == "Object" {
			o := readOptions(strconv.Quote(name), inner, "add", "remove")
			if o.err != nil {
				r.fail("invalid-modification-type", o.err)
				return
			}
			c.Op = identity.Update
			var ok bool
			if c.Values, ok = r.values(name, o.fields["add"]); !ok {
				return
			}
			if c.Removed, ok = r.values(name, o.fields["remove"]); !ok {
				return
			}
			c.Values, c.Removed = identity.Normalize(c.Values), identity.Normalize(c.Removed)
		} else {
			values, ok := r.values(name, given)
			if !ok {
				return
			}
			if c.Values = identity.Normalize(values); len(c.Values) == 0 {
				c.Op = identity.Delete
			}
		}
		r.e.Changes = append(r.e.Changes, c)
	}
	slices.SortFunc(r.e.Changes, func(a, b identity.Change) int { return strings.Compare(a.Name, b.Name) })
}

// values reads the values of an attribute, which must be of its type.
func (r *entryReader) values(name string, v goja.Value) ([]identity.Value, bool) {
	if nothing(v) {
		return nil, true
	}
	t := r.t.Attribute(name)
	if t == nil && r.e.ObjectType == "" {
		t = &identity.AttributeType{Name: name, Type: identity.TypeString, Multi: true} // the engine finds out
	}
	var problem *fault.Error
	if t == nil {
		problem = fault.New("invalid-attribute-value", "the schema has no such attribute")
		if near := suggested(name, r.t.Names()); near != "" {
			problem.Hint = near
		}
	}
	list := []goja.Value{v}
	if obj, ok := v.(*goja.Object); ok && problem == nil && obj.ClassName() == "Array" {
		n := obj.Get("length").ToInteger()
		if n > maxValues {
			problem, n = fault.New("invalid-attribute-value", "%d values", n), 0
		}
		list = make([]goja.Value, n)
		for i := range list {
			list[i] = obj.Get(strconv.Itoa(i))
		}
	}
	values := make([]identity.Value, len(list))
	for i := range list {
		if problem != nil {
			break
		}
		values[i], problem = valueOf(r.a, t, list[i])
	}
	if problem == nil && len(values) > 1 && !t.Multi {
		problem = fault.New("multi-single-mismatch", "%d values for one", len(values))
	}
	if problem != nil {
		problem.Attribute = name
		r.fail(problem.Name, problem)
		return nil, false
	}
	return values, true
}

// valueOf reads one value of an attribute. A text is read as files write a value of
// the type; of anything else the type must be that of the attribute.
func valueOf(a *host.Active, t *identity.AttributeType, v goja.Value) (identity.Value, *fault.Error) {
	value, err := elementFromScript(a, v)
	if err != nil {
		e := *fault.As(err, "")
		e.Name = "invalid-attribute-value"
		return value, &e
	}
	switch value.Type() {
	case t.Type:
		return value, nil
	case identity.TypeString:
		parsed, err := identity.ParseValue(t.Type, value.Str())
		if err == nil {
			return parsed, nil
		}
		name := "invalid-attribute-value"
		if wrong := (*identity.ParseError)(nil); errors.As(err, &wrong) && strings.HasPrefix(wrong.Name, "invalid-") {
			name = wrong.Name
		}
		return value, fault.New(name, "%q is not a value of type %s", value.Str(), t.Type)
	}
	return value, fault.New("invalid-attribute-value", "%s is a value of type %s, according to the schema it is %s", a.Describe(v), value.Type(), t.Type)
}

// readError reads the error of an object: what an Error says, a text, or
// {name, text, attribute}.
func (s *scriptAgent) readError(a *host.Active, v goja.Value, usual, silent string) *fault.Error {
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() == "Object" {
		o := readOptions("the error", v, "name", "text", "attribute")
		e := fault.New(o.optional("name"), "%s", o.optional("text"))
		e.Attribute = o.optional("attribute")
		if o.err != nil || !errorNamePattern.MatchString(e.Name) {
			e.Name = usual
		}
		if e.Text == "" {
			e.Text = a.Describe(v)
		}
		return s.placed(e)
	}
	return s.objectError(a.Thrown(v), usual, silent)
}
