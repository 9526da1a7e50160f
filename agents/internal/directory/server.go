package directory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Controls and extended operations.
const (
	oidAssertion = "1.3.6.1.1.12"            // RFC 4528
	oidPassword  = "1.3.6.1.4.1.4203.1.11.1" // RFC 3062
)

// A server is what a server says of itself, and the object types in its terms.
type Server struct {
	Root       *ldapconn.Entry // its root entry, with what Dialect.Root asks for
	Controls   []string
	extensions []string

	Anchor    Anchor
	Subschema *Subschema

	// Exact: objects of a type are of its class and of none that is derived from it,
	// and their attributes are those of content rules too (RFC 4512 §4.1.6).
	Exact bool

	TreeDelete bool // the server deletes what is below an entry with it

	// Native is for what a [Dialect] has learned besides.
	Native any
	kinds  []*Kind
}

// A kind is an object type in terms of the server.
type Kind struct {
	ObjectSettings
	schema  identity.ObjectType
	classes map[string]bool    // its own ones and what they are derived from, in lower case
	derived []string           // classes whose entries are no objects of the type, in lower case
	columns map[string]*Column // by every name of the attribute, in lower case, and by that which the server writes
	request []string           // attributes to read
}

// A column is an attribute of a kind.
type Column struct {
	*identity.AttributeType
	wire  string // the name that the server is sent
	whole bool   // the server cannot compare its values: they are written all together
	codec *Codec // nil is that of the type
}

// An Anchor is what identifies entries of a server for good.
type Anchor struct {
	Attribute string

	// Text returns the anchor that is written for a value, and Raw the value; nil if
	// they are the same.
	Text func(raw string) string
	Raw  func(text string) string

	// Name returns a name by which the server finds the entry wherever it is; nil if it
	// has none.
	Name func(anchor string) string
}

// Of returns the anchor of an entry, "" if it does not show one.
func (a *Anchor) Of(e *ldapconn.Entry) string {
	raw := Value(e, a.Attribute)
	if a.Text == nil || raw == "" {
		return raw
	}
	return a.Text(raw)
}

// readable returns an entry that shows its anchor as it is written.
func (a *Anchor) readable(e *ldapconn.Entry) *ldapconn.Entry {
	out := &ldapconn.Entry{DN: e.DN, Attributes: slices.Clone(e.Attributes)}
	for i := range out.Attributes {
		if strings.EqualFold(out.Attributes[i].Name, a.Attribute) {
			out.Attributes[i].Values = [][]byte{[]byte(a.Of(e))}
		}
	}
	return out
}

// filter returns the filter that matches the entry with an anchor.
func (a *Anchor) filter(anchor string) string {
	if a.Raw != nil {
		anchor = a.Raw(anchor)
	}
	return "(" + a.Attribute + "=" + ldapconn.EscapeFilter(anchor) + ")"
}

// match returns the filter of a kind, without those before it.
func (k *Kind) match() string {
	var b strings.Builder
	b.WriteString("(&(objectClass=" + ldapconn.EscapeFilter(k.Class) + ")")
	for _, class := range k.derived {
		b.WriteString("(!(objectClass=" + ldapconn.EscapeFilter(class) + "))")
	}
	b.WriteString(k.filterOr("") + ")")
	return b.String()
}

// Scope returns the filter that matches objects of every kind.
func (s *Server) Scope() string {
	var b strings.Builder
	b.WriteString("(|")
	for _, k := range s.kinds {
		b.WriteString(k.match())
	}
	b.WriteString(")")
	return b.String()
}

// column returns the column of an attribute by any name and case, nil if there is none.
func (k *Kind) column(name string) *Column {
	if c := k.columns[name]; c != nil {
		return c
	}
	return k.columns[strings.ToLower(name)]
}

// all returns the attributes to read of objects whose kind is not known yet.
func (s *Server) all() []string {
	list := []string{s.Anchor.Attribute, "objectClass", "modifyTimestamp"}
	for _, k := range s.kinds {
		list = append(list, k.request...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Attributes returns the attributes that an import reads.
func (s *Server) Attributes() []string { return s.all() }

// Has reports whether objects of a type have an attribute.
func (k *Kind) Has(attribute string) bool { return k.columns[strings.ToLower(attribute)] != nil }

// DerivesFrom reports whether the class of a type is another one or derived from it.
func (k *Kind) DerivesFrom(class string) bool { return k.classes[strings.ToLower(class)] }

func (s *Server) kind(objectType string) *Kind {
	for _, k := range s.kinds {
		if k.schema.Name == objectType {
			return k
		}
	}
	return nil
}

// Values returns an attribute of an entry, nil if it is absent.
func Values(e *ldapconn.Entry, name string) []string {
	var out []string
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, name) {
			for _, v := range a.Values {
				out = append(out, string(v))
			}
		}
	}
	return out
}

// Value returns the first value of an attribute of an entry, "" if it is absent.
func Value(e *ldapconn.Entry, name string) string {
	for i := range e.Attributes {
		if a := &e.Attributes[i]; len(a.Values) > 0 && strings.EqualFold(a.Name, name) {
			return string(a.Values[0])
		}
	}
	return ""
}

// learn asks a server what it is.
func (d *Directory) learn(ctx context.Context, c *ldapconn.Conn) (*Server, error) {
	root, err := c.Read(ctx, "", append([]string{"*", "+"}, d.dialect.Root()...), 0)
	if err != nil {
		return nil, d.Failed("no-start-connection", err)
	}
	if root == nil {
		return nil, d.Fault("no-start-ma", "the server does not say what it can do: its root entry cannot be read")
	}
	s := &Server{Root: root, Controls: Values(root, "supportedControl"), extensions: Values(root, "supportedExtension")}
	place := Value(root, "subschemaSubentry")
	if place == "" {
		return nil, d.Fault("no-start-database-schema-mismatch", "the server does not say where its schema is")
	}
	entry, err := c.Search(ctx, ldapconn.Search{
		Base: place, Scope: ldapconn.ScopeBase, Filter: "(objectClass=subschema)", Attributes: []string{"attributeTypes", "objectClasses", "dITContentRules"},
	})
	if err != nil || len(entry) == 0 {
		if err == nil || ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return nil, d.Fault("no-start-database-schema-mismatch", "the schema %q cannot be read", place)
		}
		return nil, d.Failed("no-start-connection", err)
	}
	s.Subschema = parseSubschema(Values(&entry[0], "attributeTypes"), Values(&entry[0], "objectClasses"), Values(&entry[0], "dITContentRules"))
	if err := d.dialect.Learn(ctx, c, s); err != nil {
		return nil, d.Failed("no-start-connection", err)
	}
	for i := range d.objects {
		k, err := d.newKind(s, &d.objects[i])
		if err != nil {
			return nil, err
		}
		s.kinds = append(s.kinds, k)
	}
	return s, nil
}

// newKind lays out an object type: the attributes of its classes, and those that the
// configuration names.
func (d *Directory) newKind(s *Server, o *agent.Object) (*Kind, error) {
	k := &Kind{ObjectSettings: objectKeys(o), columns: map[string]*Column{}}
	mismatch := func(attribute, format string, args ...any) error {
		err := d.Fault("no-start-database-schema-mismatch", format, args...)
		err.Position, err.Attribute = o.Position, attribute
		return err
	}
	classes := map[string]bool{}
	for _, name := range append([]string{k.Class}, k.Auxiliary...) {
		if s.Subschema.class(name) == nil {
			return nil, mismatch("", "object type %q: the server has no object class %q", o.Name, name)
		}
		s.Subschema.Superiors(classes, []string{name})
	}
	defined := make([]*objectClass, 0, 2*len(classes))
	if s.Exact {
		k.derived = s.Subschema.subclasses(s.Subschema.class(k.Class).name)
		for name := range maps.Clone(classes) {
			if rule := s.Subschema.content[name]; rule != nil {
				defined = append(defined, rule)
				s.Subschema.Superiors(classes, rule.sup)
			}
		}
	}
	for name := range classes {
		if c := s.Subschema.class(name); c != nil {
			defined = append(defined, c)
		}
	}
	k.classes = classes
	must, wanted := map[string]bool{}, []string{"objectClass"}
	for _, c := range defined {
		wanted = append(wanted, c.may...)
		wanted = append(wanted, c.must...)
		for _, name := range c.must {
			if a := s.Subschema.attribute(name); a != nil {
				must[a.name] = true
			}
		}
	}
	configured := map[string]agent.Attribute{}
	virtual := d.virtual(classes, o.Attributes)
	for _, described := range o.Attributes {
		a := s.Subschema.attribute(described.Name)
		if a == nil && slices.ContainsFunc(virtual, func(v identity.AttributeType) bool { return v.Name == described.Name }) {
			continue
		}
		if a == nil {
			err := mismatch(described.Name, "object type %q: the server has no attribute %q", o.Name, described.Name)
			return nil, err
		}
		configured[a.name] = described
		wanted = append(wanted, described.Name)
	}
	k.schema = identity.ObjectType{Name: o.Name, Anchor: []string{s.Anchor.Attribute}}
	names := map[string]bool{strings.ToLower(s.Anchor.Attribute): true}
	for _, name := range wanted {
		if a := s.Subschema.attribute(name); a != nil && !names[strings.ToLower(a.name)] {
			names[strings.ToLower(a.name)] = true
			if out, keep := d.attributeOf(s, k, a, configured[a.name], must[a.name]); keep {
				k.schema.Attributes = append(k.schema.Attributes, out)
			}
		}
	}
	k.schema.Attributes = append(k.schema.Attributes, virtual...)
	k.schema.Attributes = append(k.schema.Attributes, identity.AttributeType{Name: s.Anchor.Attribute, Type: identity.TypeString, ImportOnly: true})
	slices.SortFunc(k.schema.Attributes, func(a, b identity.AttributeType) int { return strings.Compare(a.Name, b.Name) })
	k.layOut(s, d.dialect)
	return k, nil
}

// attributeOf returns an attribute as the engine sees it. What the configuration says of
// its type and number of values counts, under the name that it writes.
func (d *Directory) attributeOf(s *Server, k *Kind, a *attributeType, described agent.Attribute, required bool) (out identity.AttributeType, keep bool) {
	out = identity.AttributeType{Name: a.name, Type: typeOf(s.Subschema.syntaxOf(a)), Multi: !a.single, ImportOnly: a.readOnly}
	if strings.EqualFold(a.name, d.settings.PasswordAttribute) {
		out.Type, out.Multi, out.ExportOnly = identity.TypeString, false, true
	}
	// A reference may have to wait for its object, and the name of an entry brings
	// its attribute along.
	out.Required = required && out.Type != identity.TypeReference && !out.ExportOnly && !out.ImportOnly &&
		!strings.EqualFold(a.name, "objectClass") && s.Subschema.attribute(k.RDN) != a && k.RDN != ""
	keep = true
	if m, ok := d.dialect.(Modeler); ok {
		keep = m.Attribute(s, k, s.Subschema.syntaxOf(a), described.Name != "", &out)
	}
	if described.Name != "" {
		out.Name, out.Confirm = described.Name, described.Confirm
		if described.Type != 0 {
			out.Type, out.Multi = described.Type, described.Multi
		}
	}
	return out, keep
}

// virtual returns the attributes that the dialect adds to those of some classes, under
// the names of the configuration.
func (d *Directory) virtual(classes map[string]bool, described []agent.Attribute) []identity.AttributeType {
	m, ok := d.dialect.(Modeler)
	if !ok {
		return nil
	}
	out := m.Virtual(classes)
	for i := range out {
		for _, a := range described {
			if strings.EqualFold(a.Name, out[i].Name) {
				out[i].Name, out[i].Confirm = a.Name, a.Confirm
			}
		}
	}
	return out
}

func (k *Kind) layOut(s *Server, dialect Dialect) {
	modeler, _ := dialect.(Modeler)
	for i := range k.schema.Attributes {
		a := &k.schema.Attributes[i]
		known := s.Subschema.attribute(a.Name)
		c := &Column{AttributeType: a, wire: a.Name}
		if modeler != nil && known != nil {
			c.codec = modeler.Codec(a, known.name, s.Subschema.syntaxOf(known))
		}
		if known != nil && isCertificate(s.Subschema.syntaxOf(known)) {
			c.wire += ";binary"
		}
		c.whole = known != nil && !s.Subschema.comparable(known)
		k.columns[strings.ToLower(a.Name)], k.columns[a.Name] = c, c
		if known != nil {
			k.columns[known.name] = c
		}
		for name, other := range s.Subschema.attributes {
			if known != nil && other == known {
				k.columns[name] = c
			}
		}
		if !a.ExportOnly && known != nil {
			k.request = append(k.request, c.wire)
		}
	}
}

// Schema implements agent.Agent: it asks the server.
func (d *Directory) Schema(ctx context.Context) (identity.Schema, error) {
	c, err := d.Connect(ctx)
	if err != nil {
		return identity.Schema{}, err
	}
	defer c.Close()
	s, err := d.learn(ctx, c)
	if err != nil {
		return identity.Schema{}, err
	}
	return s.schema(), nil
}

func (s *Server) schema() identity.Schema {
	var out identity.Schema
	for _, k := range s.kinds {
		out.Types = append(out.Types, k.schema)
	}
	return out
}
