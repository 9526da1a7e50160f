package ldap

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Controls and extended operations.
const (
	oidSync      = "1.3.6.1.4.1.4203.1.9.1.1" // RFC 4533
	oidAssertion = "1.3.6.1.1.12"             // RFC 4528
	oidPassword  = "1.3.6.1.4.1.4203.1.11.1"  // RFC 3062
)

// A server is what a server says of itself, and the object types in its terms.
type server struct {
	controls    []string
	extensions  []string
	contexts    []string
	is389       bool
	changelog   string // the base of the change log, "" if there is none
	firstChange int64
	lastChange  int64

	anchor    string // the attribute that identifies entries for good
	subschema *subschema
	kinds     []*kind
}

// A kind is an object type in terms of the server.
type kind struct {
	ObjectSettings
	schema  identity.ObjectType
	columns map[string]*column // by every name of the attribute, in lower case
	request []string           // attributes to read
}

// A column is an attribute of a kind.
type column struct {
	*identity.AttributeType
	wire string // the name that the server is sent
}

// match returns the filter of a kind, without those before it.
func (k *kind) match() string {
	return "(&(objectClass=" + ldapconn.EscapeFilter(k.Class) + ")" + k.filterOr("") + ")"
}

// scope returns the filter that matches objects of every kind.
func (s *server) scope() string {
	var b strings.Builder
	b.WriteString("(|")
	for _, k := range s.kinds {
		b.WriteString(k.match())
	}
	b.WriteString(")")
	return b.String()
}

// all returns the attributes to read of objects whose kind is not known yet.
func (s *server) all() []string {
	list := []string{s.anchor, "objectClass", "modifyTimestamp"}
	for _, k := range s.kinds {
		list = append(list, k.request...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *server) kind(objectType string) *kind {
	for _, k := range s.kinds {
		if k.schema.Name == objectType {
			return k
		}
	}
	return nil
}

// values returns an attribute of an entry, nil if it is absent.
func values(e *ldapconn.Entry, name string) []string {
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

func value(e *ldapconn.Entry, name string) string {
	if all := values(e, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// learn asks a server what it is.
func (d *directory) learn(ctx context.Context, c *ldapconn.Conn) (*server, error) {
	root, err := c.Read(ctx, "", []string{"*", "+", "changelog", "firstchangenumber", "lastchangenumber"}, 0)
	if err != nil {
		return nil, d.failed("no-start-connection", err)
	}
	if root == nil {
		return nil, d.fault("no-start-ma", "the server does not say what it can do: its root entry cannot be read")
	}
	s := &server{
		controls: values(root, "supportedControl"), extensions: values(root, "supportedExtension"), contexts: values(root, "namingContexts"),
		is389: strings.Contains(value(root, "vendorName"), "389"), changelog: value(root, "changelog"),
	}
	s.firstChange, _ = strconv.ParseInt(value(root, "firstchangenumber"), 10, 64) // 0 if there is none
	s.lastChange, _ = strconv.ParseInt(value(root, "lastchangenumber"), 10, 64)
	place := value(root, "subschemaSubentry")
	if place == "" {
		return nil, d.fault("no-start-database-schema-mismatch", "the server does not say where its schema is")
	}
	entry, err := c.Search(ctx, ldapconn.Search{
		Base: place, Scope: ldapconn.ScopeBase, Filter: "(objectClass=subschema)", Attributes: []string{"attributeTypes", "objectClasses"},
	})
	if err != nil || len(entry) == 0 {
		if err == nil || ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return nil, d.fault("no-start-database-schema-mismatch", "the schema %q cannot be read", place)
		}
		return nil, d.failed("no-start-connection", err)
	}
	s.subschema = parseSubschema(values(&entry[0], "attributeTypes"), values(&entry[0], "objectClasses"))
	switch {
	case s.is389:
		s.anchor = "nsUniqueId"
	case s.subschema.attribute("entryUUID") != nil:
		s.anchor = "entryUUID"
	default:
		return nil, d.fault("no-start-database-schema-mismatch", "the server gives entries no entryUUID, so they could not be followed when they are renamed")
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
func (d *directory) newKind(s *server, o *agent.Object) (*kind, error) {
	k := &kind{ObjectSettings: objectKeys(o), columns: map[string]*column{}}
	mismatch := func(attribute, format string, args ...any) error {
		err := d.fault("no-start-database-schema-mismatch", format, args...)
		err.Position, err.Attribute = o.Position, attribute
		return err
	}
	classes := map[string]bool{}
	for _, name := range append([]string{k.Class}, k.Auxiliary...) {
		if s.subschema.class(name) == nil {
			return nil, mismatch("", "object type %q: the server has no object class %q", o.Name, name)
		}
		s.subschema.superiors(classes, []string{name})
	}
	must, wanted := map[string]bool{}, []string{"objectClass"}
	for name := range classes {
		c := s.subschema.class(name)
		if c == nil {
			continue
		}
		wanted = append(wanted, c.may...)
		wanted = append(wanted, c.must...)
		for _, name := range c.must {
			if a := s.subschema.attribute(name); a != nil {
				must[a.name] = true
			}
		}
	}
	configured := map[string]agent.Attribute{}
	for _, described := range o.Attributes {
		a := s.subschema.attribute(described.Name)
		if a == nil {
			err := mismatch(described.Name, "object type %q: the server has no attribute %q", o.Name, described.Name)
			return nil, err
		}
		configured[a.name] = described
		wanted = append(wanted, described.Name)
	}
	k.schema = identity.ObjectType{Name: o.Name, Anchor: []string{s.anchor}}
	names := map[string]bool{strings.ToLower(s.anchor): true}
	for _, name := range wanted {
		if a := s.subschema.attribute(name); a != nil && !names[strings.ToLower(a.name)] {
			names[strings.ToLower(a.name)] = true
			k.schema.Attributes = append(k.schema.Attributes, attributeOf(s, k, a, configured[a.name], must[a.name]))
		}
	}
	k.schema.Attributes = append(k.schema.Attributes, identity.AttributeType{Name: s.anchor, Type: identity.TypeString, ImportOnly: true})
	slices.SortFunc(k.schema.Attributes, func(a, b identity.AttributeType) int { return strings.Compare(a.Name, b.Name) })
	k.layOut(s)
	return k, nil
}

// passwordAttribute can only be written.
const passwordAttribute = "userPassword"

// attributeOf returns an attribute as the engine sees it. What the configuration says of
// its type and number of values counts, under the name that it writes.
func attributeOf(s *server, k *kind, a *attributeType, described agent.Attribute, required bool) identity.AttributeType {
	out := identity.AttributeType{Name: a.name, Type: typeOf(s.subschema.syntaxOf(a)), Multi: !a.single, ImportOnly: a.readOnly}
	if strings.EqualFold(a.name, passwordAttribute) {
		out.Type, out.Multi, out.ExportOnly = identity.TypeString, false, true
	}
	// A reference may have to wait for its object, and the name of an entry brings
	// its attribute along.
	out.Required = required && out.Type != identity.TypeReference && !out.ExportOnly && !out.ImportOnly &&
		!strings.EqualFold(a.name, "objectClass") && s.subschema.attribute(k.RDN) != a && k.RDN != ""
	if described.Name != "" {
		out.Name, out.Confirm = described.Name, described.Confirm
		if described.Type != 0 {
			out.Type, out.Multi = described.Type, described.Multi
		}
	}
	return out
}

func (k *kind) layOut(s *server) {
	for i := range k.schema.Attributes {
		a := &k.schema.Attributes[i]
		c := &column{a, a.Name}
		known := s.subschema.attribute(a.Name)
		if known != nil && isCertificate(s.subschema.syntaxOf(known)) {
			c.wire += ";binary"
		}
		k.columns[strings.ToLower(a.Name)] = c
		for name, other := range s.subschema.attributes {
			if known != nil && other == known {
				k.columns[name] = c
			}
		}
		if !a.ExportOnly {
			k.request = append(k.request, c.wire)
		}
	}
}

// Schema implements agent.Agent: it asks the server.
func (d *directory) Schema(ctx context.Context) (identity.Schema, error) {
	c, err := d.connect(ctx)
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

func (s *server) schema() identity.Schema {
	var out identity.Schema
	for _, k := range s.kinds {
		out.Types = append(out.Types, k.schema)
	}
	return out
}
