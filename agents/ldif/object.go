package ldif

import (
	"cmp"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const objectClass = "objectClass"

// An objectType is an object type, and which entries are of it.
type objectType struct {
	schema     identity.ObjectType
	class      string
	auxiliary  []string
	exclude    []string
	attributes []attribute    // sorted by name
	byDesc     map[string]int // by the usual spelling and in lower case
	anchor     []int          // in attributes
}

// An attribute is an attribute of an object type.
type attribute struct {
	identity.AttributeType
	anchor bool
}

// newType completes an object type of the configuration by the standard attributes.
func (a *ldifAgent) newType(o *agent.Object) (*objectType, *fault.Error) {
	settings, _ := o.Settings.(*ObjectSettings)
	if settings == nil {
		settings = &ObjectSettings{}
	}
	t := &objectType{
		class: cmp.Or(settings.Class, o.Name), auxiliary: settings.Auxiliary, exclude: settings.Exclude,
		byDesc: map[string]int{}, schema: identity.ObjectType{Name: o.Name, Anchor: o.Anchor},
	}
	for _, class := range append([]string{t.class}, t.auxiliary...) {
		if slices.ContainsFunc(t.exclude, func(x string) bool { return strings.EqualFold(x, class) }) {
			return nil, a.misconfigured("object type %q: class %q is excluded", o.Name, class)
		}
	}
	for _, s := range standard {
		if !slices.ContainsFunc(o.Attributes, func(x agent.Attribute) bool { return strings.EqualFold(x.Name, s.Name) }) {
			t.attributes = append(t.attributes, attribute{AttributeType: s})
		}
	}
	for _, x := range o.Attributes {
		problem := ""
		switch {
		case strings.EqualFold(x.Name, "dn") || badDescription(x.Name) >= 0:
			problem = "an entry has no such attribute"
		case strings.EqualFold(x.Name, objectClass):
			problem = "the classes are always texts"
		case x.Separator != "":
			problem = "several values need no separator: each has its own line"
		}
		if problem != "" {
			err := a.misconfigured("object type %q: %s", o.Name, problem)
			err.Attribute = x.Name
			return nil, err
		}
		t.attributes = append(t.attributes, attribute{AttributeType: identity.AttributeType{
			Name: x.Name, Type: cmp.Or(x.Type, identity.TypeString), Multi: x.Multi,
		}})
	}
	for _, name := range o.Anchor {
		i := slices.IndexFunc(t.attributes, func(x attribute) bool { return x.Name == name })
		switch {
		case i < 0 && badDescription(name) < 0 && !strings.EqualFold(name, "dn"):
			t.attributes = append(t.attributes, attribute{AttributeType: identity.AttributeType{Name: name, Type: identity.TypeString}, anchor: true})
		case i < 0:
			err := a.misconfigured("object type %q: %q cannot be an anchor", o.Name, name)
			err.Hint = "without an anchor objects are known by their names"
			return nil, err
		case slices.ContainsFunc(o.Attributes, func(x agent.Attribute) bool { return x.Name == name && x.Multi }):
			return nil, a.misconfigured("object type %q: an anchor cannot be multi-valued", o.Name)
		default:
			t.attributes[i].anchor, t.attributes[i].Multi = true, false
		}
	}
	slices.SortFunc(t.attributes, func(x, y attribute) int { return strings.Compare(x.Name, y.Name) })
	for i := range t.attributes {
		x := &t.attributes[i]
		t.byDesc[x.Name], t.byDesc[strings.ToLower(x.Name)] = i, i
		t.schema.Attributes = append(t.schema.Attributes, x.AttributeType)
	}
	for _, name := range o.Anchor {
		t.anchor = append(t.anchor, t.find(name))
	}
	return t, nil
}

// find returns the index of the attribute that a line is about, -1 if it is none of the
// type. The option ;binary says only how a value is transferred (RFC 4522).
func (t *objectType) find(desc string) int {
	if i, found := t.byDesc[desc]; found {
		return i
	}
	lower := strings.ToLower(desc)
	if i, found := t.byDesc[lower]; found {
		return i
	}
	if base, is := strings.CutSuffix(lower, ";binary"); is {
		if i, found := t.byDesc[base]; found {
			return i
		}
	}
	return -1
}

// typeOf returns the first object type that the classes of an entry fit, -1 if there is
// none, and whether the entry has classes at all.
func (a *ldifAgent) typeOf(lines []attrLine) (typ int, classed bool) {
	has := func(class string) bool {
		for i := range lines {
			if strings.EqualFold(lines[i].desc, objectClass) && strings.EqualFold(lines[i].value, class) {
				return true
			}
		}
		return false
	}
	classed = slices.ContainsFunc(lines, func(l attrLine) bool { return strings.EqualFold(l.desc, objectClass) })
	for i, t := range a.types {
		if has(t.class) && !slices.ContainsFunc(t.exclude, has) &&
			!slices.ContainsFunc(t.auxiliary, func(class string) bool { return !has(class) }) {
			return i, classed
		}
	}
	return -1, classed
}

// anchorOf returns the anchor of an entry: what its anchor attributes say, or its name.
func (a *ldifAgent) anchorOf(t *objectType, dn identity.DN, lines []attrLine) (string, *fault.Error) {
	if !a.anchored {
		return dn.String(), nil
	}
	var room [4]string
	parts := room[:0]
	for _, at := range t.anchor {
		part, found := "", false
		for i := range lines {
			if t.find(lines[i].desc) != at {
				continue
			}
			if found && lines[i].value != part {
				return "", lineFault("multi-valued-anchor-component", &lines[i], "several values in an attribute of the anchor")
			}
			part, found = lines[i].value, true
			if lines[i].form == '<' {
				return "", lineFault("missing-anchor-component", &lines[i], "the anchor cannot be in another file")
			}
		}
		if part == "" {
			err := fault.New("missing-anchor-component", "the entry has no value for it")
			err.Attribute = t.attributes[at].Name
			return "", err
		}
		parts = append(parts, part)
	}
	return identity.JoinAnchor(parts...), nil
}

// lineFault is an error at a line of a record.
func lineFault(name string, l *attrLine, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Attribute, err.Position.Line = l.desc, l.line
	return err
}
