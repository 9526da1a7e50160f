package guard

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const (
	// MaxValue is the length of the longest value that is staged, in bytes.
	MaxValue = 64 << 20

	maxEntry  = 4 * MaxValue // of all values of an entry together
	maxName   = 8 << 10      // bytes of a DN; names are keys of the store
	maxAnchor = 398          // characters of an anchor with one attribute (sync-engine §1.2)
)

// A Checker finds what is wrong with entries of an import (sync-engine §2.7).
// It is for one goroutine.
type Checker struct {
	capabilities agent.Capabilities
	types        map[string]*checkedType
	ordered      []*checkedType // as in the schema
}

// checkedType is an object type whose attributes are found quickly.
type checkedType struct {
	anchor     []string
	attributes []identity.AttributeType // sorted by name
}

// NewChecker returns a checker for entries of a system with this schema.
func NewChecker(schema identity.Schema, capabilities agent.Capabilities) *Checker {
	c := &Checker{capabilities: capabilities, types: map[string]*checkedType{}}
	for i := range schema.Types {
		t := &schema.Types[i]
		attributes := slices.Clone(t.Attributes)
		slices.SortFunc(attributes, func(a, b identity.AttributeType) int { return strings.Compare(a.Name, b.Name) })
		checked := &checkedType{anchor: t.Anchor, attributes: attributes}
		c.types[t.Name] = checked
		c.ordered = append(c.ordered, checked)
	}
	return c
}

// Check gives an entry that cannot be staged an error, and nothing that would
// be too large for a run record. Attributes and values that are only not in order
// it puts in order.
func (c *Checker) Check(e *agent.Entry) {
	if e.Err == nil {
		e.Err = c.problem(e)
	}
	if e.Err == nil {
		return
	}
	if e.Err.Name == "" {
		named := *e.Err
		named.Name = "read-error"
		e.Err = &named
	}
	e.Anchor, e.DN = shown(e.Anchor), shown(e.DN)
}

// shown cuts a name that no object can have.
func shown(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "..."
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

func (c *Checker) problem(e *agent.Entry) *fault.Error {
	if err := c.badNames(e); err != nil {
		return err
	}
	var t *checkedType
	switch {
	case e.ObjectType != "":
		if t = c.types[e.ObjectType]; t == nil && e.Op != identity.Delete {
			return fault.New("unmappable-object-type", "there is no object type %.100q", e.ObjectType)
		}
	case e.Op != identity.Delete && e.Op != identity.Update:
		return fault.New("missing-object-type", "the entry has no object type")
	}
	if t != nil && tooLong(e.Anchor, len(t.anchor)) {
		return fault.New("anchor-too-long", "the anchor has %d characters, %d are allowed",
			utf8.RuneCountInString(e.Anchor), longest(len(t.anchor)))
	}
	switch e.Op {
	case identity.None, identity.Add:
		if len(e.Changes) > 0 || e.NewDN != "" {
			return fault.New("conflicting-modification-types", "a complete object comes with changes")
		}
		return c.attributes(e, t)
	case identity.Update:
		if len(e.Attributes) > 0 {
			return fault.New("conflicting-modification-types", "a change comes with a complete object")
		}
		return c.changes(e, t)
	case identity.Delete:
		return nil
	}
	return fault.New("invalid-change-type", "an import cannot deliver %q", e.Op)
}

func longest(attributes int) int { return maxAnchor - 2*max(0, attributes-1) }

func tooLong(anchor string, attributes int) bool {
	limit := longest(attributes)
	return len(anchor) > limit && utf8.RuneCountInString(anchor) > limit
}

// badNames checks anchor and DN.
func (c *Checker) badNames(e *agent.Entry) *fault.Error {
	switch {
	case e.Anchor == "":
		return fault.New("missing-anchor-component", "the entry has no anchor")
	case !utf8.ValidString(e.Anchor):
		return fault.New("invalid-attribute-value", "the anchor %.100q is not UTF-8 text", e.Anchor)
	case tooLong(e.Anchor, 1):
		return fault.New("anchor-too-long", "the anchor has %d characters, %d are allowed", utf8.RuneCountInString(e.Anchor), maxAnchor)
	case e.DN == "" && e.Op != identity.Update && e.Op != identity.Delete:
		return fault.New("missing-dn", "the entry has no name")
	}
	for _, dn := range []string{e.DN, e.NewDN} {
		switch {
		case dn == "":
		case !utf8.ValidString(dn):
			return fault.New("invalid-dn", "%.100q is not UTF-8 text", dn)
		case len(dn) > maxName:
			return fault.New("invalid-dn", "a name of %d bytes, %d are allowed", len(dn), maxName)
		case c.capabilities.LDAPNames && !isDN(dn):
			return fault.New(identity.ErrDN.Error(), "%q is not a distinguished name", dn)
		}
	}
	if c.capabilities.AnchorIsDN && e.DN != "" && e.DN != e.Anchor {
		return fault.New("invalid-dn", "the name %q is not the anchor %q", e.DN, e.Anchor)
	}
	return nil
}

func isDN(dn string) bool {
	_, err := identity.ParseDN(dn)
	return err == nil
}

// attributes checks the attributes of a complete object.
func (c *Checker) attributes(e *agent.Entry, t *checkedType) *fault.Error {
	if !inOrder(e.Attributes) {
		own := e.Attributes.Clone()
		for i := range own {
			own[i].Values = slices.Clone(own[i].Values)
		}
		e.Attributes = identity.SortAttributes(own)
	}
	at, size := 0, 0
	for i := range e.Attributes {
		a := &e.Attributes[i]
		for at < len(t.attributes) && t.attributes[at].Name < a.Name {
			at++
		}
		if at == len(t.attributes) || t.attributes[at].Name != a.Name {
			return unknownAttribute(a.Name)
		}
		known := &t.attributes[at]
		if err := c.values(t, known, a.Values, &size); err != nil {
			return err
		}
	}
	return nil
}

// inOrder reports whether attributes have the form of identity.Attributes.
func inOrder(attributes identity.Attributes) bool {
	for i := range attributes {
		if i > 0 && attributes[i-1].Name >= attributes[i].Name || !normal(attributes[i].Values) || len(attributes[i].Values) == 0 {
			return false
		}
	}
	return true
}

// normal reports whether values are sorted, without duplicates and zero Values.
func normal(values []identity.Value) bool {
	for i, v := range values {
		if v.Type() == 0 || i > 0 && identity.Compare(values[i-1], v) >= 0 {
			return false
		}
	}
	return true
}

// changes checks the changes of an object whose type may be left out.
func (c *Checker) changes(e *agent.Entry, t *checkedType) *fault.Error {
	if !slices.IsSortedFunc(e.Changes, compareChanges) {
		e.Changes = slices.Clone(e.Changes)
		slices.SortStableFunc(e.Changes, compareChanges)
	}
	size := 0
	for i := range e.Changes {
		change := &e.Changes[i]
		if i > 0 && e.Changes[i-1].Name == change.Name {
			return attributeFault("conflicting-modification-types", change.Name, "two changes of one attribute")
		}
		in, known := c.attribute(t, change.Name)
		if known == nil {
			return unknownAttribute(change.Name)
		}
		if err := changeProblem(change); err != nil {
			return err
		}
		if !normal(change.Values) || !normal(change.Removed) {
			change.Values = identity.Normalize(slices.Clone(change.Values))
			change.Removed = identity.Normalize(slices.Clone(change.Removed))
		}
		for _, v := range change.Removed {
			if identity.Contains(change.Values, v) {
				return attributeFault("conflicting-modification-types", change.Name, "a value is added and removed")
			}
		}
		if err := c.values(in, known, change.Values, &size); err != nil {
			return err
		}
		for i := range change.Removed {
			if err := c.values(in, known, change.Removed[i:i+1], &size); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareChanges(a, b identity.Change) int { return strings.Compare(a.Name, b.Name) }

func changeProblem(change *identity.Change) *fault.Error {
	conflict := false
	switch change.Op {
	case identity.Add, identity.Replace:
		conflict = len(change.Removed) > 0
	case identity.Delete:
		conflict = len(change.Values)+len(change.Removed) > 0
	case identity.Update:
	default:
		return attributeFault("invalid-modification-type", change.Name, "an attribute cannot be changed by %q", change.Op)
	}
	if conflict {
		return attributeFault("conflicting-modification-types", change.Name, "values that %q does not have", change.Op)
	}
	return nil
}

// attribute returns an attribute and its object type, of any type if t is nil.
func (c *Checker) attribute(t *checkedType, name string) (*checkedType, *identity.AttributeType) {
	if t != nil {
		i, found := slices.BinarySearchFunc(t.attributes, name, func(a identity.AttributeType, name string) int { return strings.Compare(a.Name, name) })
		if !found {
			return t, nil
		}
		return t, &t.attributes[i]
	}
	for _, t := range c.ordered {
		if in, known := c.attribute(t, name); known != nil {
			return in, known
		}
	}
	return nil, nil
}

// values checks the values of one attribute; size is what the entry has held so far.
func (c *Checker) values(t *checkedType, a *identity.AttributeType, values []identity.Value, size *int) *fault.Error {
	switch {
	case a.ExportOnly:
		return attributeFault("invalid-attribute-value", a.Name, "the attribute cannot be read, according to the schema")
	case len(values) > 1 && slices.Contains(t.anchor, a.Name):
		return attributeFault("multi-valued-anchor-component", a.Name, "%d values in an attribute of the anchor", len(values))
	case len(values) > 1 && !a.Multi:
		return attributeFault("multi-single-mismatch", a.Name, "%d values for one", len(values))
	}
	for _, v := range values {
		if err := c.value(a, v); err != nil {
			return err
		}
		if *size += len(v.Str()); *size > maxEntry {
			return attributeFault("invalid-attribute-value", a.Name, "the object has more than %d MiB of values", maxEntry>>20)
		}
	}
	return nil
}

func (c *Checker) value(a *identity.AttributeType, v identity.Value) *fault.Error {
	text := v.Str()
	switch {
	case v.Type() > identity.TypeReference:
		return attributeFault("unsupported-value-type", a.Name, "a value of %s", v.Type())
	case v.Type() != a.Type:
		return attributeFault("invalid-attribute-value", a.Name, "a value of type %s, according to the schema it is %s", v.Type(), a.Type)
	case len(text) > MaxValue:
		return attributeFault("invalid-attribute-value", a.Name, "a value of %d bytes, %d are allowed", len(text), MaxValue)
	}
	switch a.Type {
	case identity.TypeString:
		if !utf8.ValidString(text) {
			return attributeFault("invalid-attribute-value", a.Name, "%.100q is not UTF-8 text", text)
		}
	case identity.TypeReference:
		switch {
		case text == "" || v.Ref() != 0:
			return attributeFault("invalid-reference-value", a.Name, "a reference without a name")
		case len(text) > maxName || !utf8.ValidString(text):
			return attributeFault("invalid-reference-value", a.Name, "%.100q cannot be a name", text)
		case c.capabilities.LDAPNames && !isDN(text):
			return attributeFault("reference-value-not-ldap-conformant", a.Name, "%q is not a distinguished name", text)
		}
	}
	return nil
}

// Image returns what is wrong with an object as changes have left it: with an
// attribute that has more values than it may. Only the changes tell which to look
// at.
func (c *Checker) Image(objectType string, image identity.Attributes, changes []identity.Change) *fault.Error {
	t := c.types[objectType]
	if t == nil {
		return nil
	}
	for i := range changes {
		_, a := c.attribute(t, changes[i].Name)
		if a == nil || a.Multi {
			continue // the values of a large group are not even read
		}
		if values := image.Get(a.Name); len(values) > 1 {
			return attributeFault("multi-single-mismatch", a.Name, "after the change it has %d values for one", len(values))
		}
	}
	return nil
}

func unknownAttribute(name string) *fault.Error {
	return attributeFault("invalid-attribute-value", name, "the schema has no such attribute")
}

func attributeFault(name, attribute, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Attribute = shown(attribute)
	return err
}
