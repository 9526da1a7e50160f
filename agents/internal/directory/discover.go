package directory

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// sampleSize is of how many entries of a class the values are looked at.
const sampleSize = 500

const oidPaging = "1.2.840.113556.1.4.319" // RFC 2696

// An Explainer is a [Dialect] that says why it goes the way that it goes.
type Explainer interface {
	// Explain returns how changes are told by a server, as the settings have it or as it
	// is chosen, and why; and whether [Dialect.Listen] hears of them.
	Explain(s *Server) (method, why string, listens bool)
}

// Discover implements discover.Discoverer for the settings: it asks the server what it is,
// counts the entries of each structural class below the bases, and looks at the values of
// some.
func (d *Directory) Discover(ctx context.Context) (*discover.Discovery, error) {
	l := &look{d: d, out: &discover.Discovery{Agent: d}, described: d.objects, classes: map[string]*lookedClass{}}
	d.objects = nil // what is described need not fit the server
	var err error
	if l.c, err = d.Connect(ctx); err != nil {
		return nil, err
	}
	defer func() { l.c.Close() }()
	if err := l.server(ctx); err != nil {
		return nil, d.Failed("no-start-connection", err)
	}
	if err := l.objects(ctx); err != nil {
		return nil, d.Failed("stopped-import-read", err)
	}
	return l.out, nil
}

// A look is one look at a server.
type look struct {
	d         *Directory
	c         *ldapconn.Conn
	s         *Server
	described []agent.Object
	out       *discover.Discovery
	places    discover.Places
	classes   map[string]*lookedClass // by the name of the class in lower case
	limited   bool                    // the server did not show everything
}

// A lookedClass is what was seen of the entries of one structural class.
type lookedClass struct {
	name    string
	entries int
	with    map[string]int // auxiliary classes
}

func (l *look) server(ctx context.Context) error {
	var err error
	if l.s, err = l.d.learn(ctx, l.c); err != nil {
		return err
	}
	contexts := Values(l.s.Root, "namingContexts")
	for _, base := range l.d.settings.Base {
		if err := l.d.Exists(ctx, l.c, base); err != nil {
			if named := fault.As(err, ""); named.Name == "no-start-partition-delete" && len(contexts) > 0 {
				named.Hint += "; the server has " + strings.Join(contexts, " and ")
				return named
			}
			return err
		}
	}
	l.out.System = systemOf(l.s.Root)
	l.fact("naming contexts", contexts...)
	l.fact("controls", named(l.s.Controls)...)
	l.fact("extended operations", named(l.s.extensions)...)
	l.fact("anchor", l.s.Anchor.Attribute)
	return l.capabilities(ctx)
}

func (l *look) fact(name string, values ...string) {
	if len(values) > 0 {
		l.out.Facts = append(l.out.Facts, discover.Fact{Name: name, Value: strings.Join(values, ", ")})
	}
}

// systemOf names a server, by what its root entry says.
func systemOf(root *ldapconn.Entry) string {
	name := strings.TrimSpace(Value(root, "vendorName") + " " + Value(root, "vendorVersion"))
	switch {
	case slices.Contains(Values(root, "supportedCapabilities"), "1.2.840.113556.1.4.800"):
		return strings.TrimSpace("Active Directory " + name)
	case name != "":
		return name
	case slices.Contains(Values(root, "objectClass"), "OpenLDAProotDSE"):
		return "OpenLDAP"
	}
	return "a directory server that does not say which"
}

// known are names of controls and extended operations.
var known = map[string]string{
	"1.3.6.1.4.1.4203.1.9.1.1": "content synchronization", oidAssertion: "assertion", oidPassword: "modify password", oidPaging: "paging",
	"1.3.6.1.4.1.1466.20037": "StartTLS", "1.3.6.1.4.1.4203.1.11.3": "who am I", "1.3.6.1.1.8": "cancel",
	"1.3.6.1.1.13.1": "pre-read", "1.3.6.1.1.13.2": "post-read", "1.3.6.1.1.22": "do not use copy", "1.3.6.1.1.21.1": "transactions",
	"1.2.840.113556.1.4.473": "server side sorting", "1.2.840.113556.1.4.805": "tree delete", "1.2.840.113556.1.4.841": "DirSync",
	"1.2.840.113556.1.4.417": "show deleted", "1.2.840.113556.1.4.528": "change notification",
	"2.16.840.1.113730.3.4.2": "manage DSA IT", "2.16.840.1.113730.3.4.3": "persistent search", "2.16.840.1.113730.3.4.9": "virtual list view",
	"2.16.840.1.113730.3.4.18": "proxied authorization", "1.3.6.1.4.1.42.2.27.8.5.1": "password policy",
	"1.3.6.1.4.1.4203.1.10.1": "subentries", "1.3.6.1.4.1.4203.666.5.12": "relax rules", "1.2.826.0.1.3344810.2.3": "matched values",
	"1.3.6.1.1.14": "modify increment",
}

// named returns controls by the names that people know; what has none comes last.
func named(oids []string) []string {
	var names, rest []string
	for _, oid := range oids {
		if name := known[oid]; name != "" {
			names = append(names, name)
		} else {
			rest = append(rest, oid)
		}
	}
	slices.Sort(names)
	slices.Sort(rest)
	return append(names, rest...)
}

// capabilities says which of the ways to hear of changes the server really goes.
func (l *look) capabilities(ctx context.Context) error {
	method, why, listens := "", "", false
	if e, ok := l.d.dialect.(Explainer); ok {
		method, why, listens = e.Explain(l.s)
	}
	for _, base := range l.d.settings.Base {
		t, err := l.d.dialect.Tracker(l.s, base)
		if err == nil && t != nil {
			method = t.Method()
			_, err = l.d.begin(ctx, l.c, l.s, t, base)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			l.out.Warnings = append(l.out.Warnings, base+": changes cannot be told by "+method+": "+fault.As(err, "").Detail())
			method, why, listens = "no", "changes: "+method+" does not work here, see the warnings", false
			l.reconnect(ctx)
			break
		}
		if t == nil {
			method, listens = "no", false
		}
	}
	notified := discover.Capability{Name: "change notification", Value: "no"}
	if listens {
		notified.Value, notified.Why = "yes", "a trigger with changes: true hears at once"
	}
	paged := discover.Capability{Name: "paging", Value: "no", Why: "the server does not list the control: a limit of its sizes ends an import"}
	if slices.Contains(l.s.Controls, oidPaging) {
		paged = discover.Capability{Name: "paging", Value: "yes"}
	}
	attribute := l.d.settings.PasswordAttribute
	passwords := discover.Capability{Name: "passwords", Value: "yes", Why: attribute + " is written, and never read"}
	if !l.d.secure {
		passwords.Value, passwords.Why = "no", attribute+" is written over encrypted connections only"
	}
	l.out.Capabilities = []discover.Capability{{Name: "delta import", Value: method, Why: why}, notified, paged, passwords}
	return nil
}

// reconnect opens the connection anew: an answer that was not what was expected may have
// ended it. Without one, what follows says so.
func (l *look) reconnect(ctx context.Context) {
	if c, err := l.d.Connect(ctx); err == nil {
		l.c.Close()
		l.c = c
	}
}

// objects counts the entries of each class and looks at some.
func (l *look) objects(ctx context.Context) error {
	err := l.search(ctx, "(objectClass=*)", []string{"objectClass", "structuralObjectClass"}, 0, func(e *ldapconn.Entry, base identity.DN) {
		l.count(e, base)
	})
	if err != nil {
		return err
	}
	described := map[string]bool{}
	for i := range l.described {
		o := &l.described[i]
		if err := l.describedType(ctx, o); err != nil {
			return err
		}
		described[strings.ToLower(objectKeys(o).Class)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(l.classes)) {
		if !described[key] {
			if err := l.classType(ctx, l.classes[key]); err != nil {
				return err
			}
		}
	}
	l.out.Containers = l.places.List()
	return nil
}

func (l *look) count(e *ldapconn.Entry, base identity.DN) {
	name := l.structural(e)
	key := strings.ToLower(name)
	c := l.classes[key]
	if c == nil {
		c = &lookedClass{name: name, with: map[string]int{}}
		l.classes[key] = c
	}
	c.entries++
	for _, class := range Values(e, "objectClass") {
		if known := l.s.Subschema.class(class); known != nil && known.auxiliary {
			c.with[known.name]++
		}
	}
	if dn, err := identity.ParseDN(e.DN); err == nil {
		l.places.Add(name, dn, base)
	}
}

// structural returns the structural class of an entry: what the server says, else the
// class that no other one of the entry is derived from.
func (l *look) structural(e *ldapconn.Entry) string {
	// Active Directory gives all classes here.
	if class := Values(e, "structuralObjectClass"); len(class) == 1 {
		return class[0]
	}
	classes := Values(e, "objectClass")
	above := map[string]bool{}
	for _, class := range classes {
		if c := l.s.Subschema.class(class); c != nil {
			l.s.Subschema.Superiors(above, c.sup)
		}
	}
	found := ""
	for _, class := range classes {
		c := l.s.Subschema.class(class)
		if c == nil || !c.auxiliary && !c.abstract && !above[strings.ToLower(c.name)] {
			found = class
		}
	}
	return cmp.Or(found, "top")
}

// search delivers the entries below all bases, at most so many of each, 0 is any number.
// A limit of the server is a warning, and what it shows is all that there is to see.
func (l *look) search(ctx context.Context, filter string, attributes []string, most int, entry func(*ldapconn.Entry, identity.DN)) error {
	for i, base := range l.d.bases {
		pages, err := l.c.Pages(ldapconn.Search{Base: l.d.settings.Base[i], Scope: ldapconn.ScopeSub, Filter: filter, Attributes: attributes},
			min(cmp.Or(most, defaultPageSize), defaultPageSize), true)
		if err != nil {
			return err
		}
		for seen := 0; most == 0 || seen < most; {
			found, err := pages.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded) {
				if !l.limited {
					l.out.Warnings = append(l.out.Warnings, "a limit of the server cut the counts short: give bindDN the right to read without limits")
				}
				l.limited = true
				break
			}
			if err != nil {
				return err
			}
			for j := range found {
				entry(&found[j], base)
			}
			seen += len(found)
		}
	}
	return nil
}

// describedType adds an object type of the configuration.
func (l *look) describedType(ctx context.Context, o *agent.Object) error {
	t := discover.Type{Configured: true, Objects: discover.Uncounted}
	t.Name = o.Name
	err := l.d.checkObject(o)
	var k *Kind
	if err == nil {
		k, err = l.d.newKind(l.s, o)
	}
	if err != nil {
		l.out.Warnings = append(l.out.Warnings, err.Error())
		l.out.Types = append(l.out.Types, t)
		return nil
	}
	t.ObjectType, t.Objects = k.schema, 0
	if err := l.search(ctx, k.match(), []string{"1.1"}, 0, func(*ldapconn.Entry, identity.DN) { t.Objects++ }); err != nil {
		return err
	}
	seen, err := l.sample(ctx, k.match())
	if err != nil {
		return err
	}
	l.fill(&t, k, seen)
	l.out.Types = append(l.out.Types, t)
	return nil
}

// classType adds a class that the configuration does not describe.
func (l *look) classType(ctx context.Context, c *lookedClass) error {
	t := discover.Type{Objects: c.entries}
	t.Name = c.name
	if l.s.Subschema.class(c.name) == nil {
		l.out.Warnings = append(l.out.Warnings, "class "+strconv.Quote(c.name)+" is not in the schema of the server")
		l.out.Types = append(l.out.Types, t)
		return nil
	}
	seen, err := l.sample(ctx, l.only(c.name))
	if err != nil {
		return err
	}
	o := &agent.Object{Name: c.name}
	keys := &ObjectSettings{}
	for _, class := range slices.Sorted(maps.Keys(c.with)) {
		if c.with[class] == c.entries {
			keys.Auxiliary = append(keys.Auxiliary, class)
		}
	}
	keys.RDN = seen.rdn
	o.Settings = keys
	if len(keys.Auxiliary) > 0 {
		t.Keys = append(t.Keys, discover.Key{Name: "auxiliary", Values: keys.Auxiliary, List: true})
	}
	if keys.RDN != "" {
		t.Keys = append(t.Keys, discover.Key{Name: "rdn", Values: []string{keys.RDN}})
	}
	plain, err := l.d.newKind(l.s, o)
	if err != nil {
		return err
	}
	o.Attributes = l.describe(plain, seen)
	k, err := l.d.newKind(l.s, o)
	if err != nil {
		return err
	}
	for _, a := range o.Attributes {
		t.Describe = append(t.Describe, a.Name)
	}
	t.ObjectType = k.schema
	t.Holders = isHolder(c.name)
	l.fill(&t, k, seen)
	l.out.Types = append(l.out.Types, t)
	return nil
}

// only matches the entries of a structural class, without those of classes that are in
// use and derived from it.
func (l *look) only(class string) string {
	filter := "(objectClass=" + ldapconn.EscapeFilter(class) + ")"
	for _, key := range slices.Sorted(maps.Keys(l.classes)) {
		above := map[string]bool{}
		if c := l.s.Subschema.class(key); c != nil {
			l.s.Subschema.Superiors(above, c.sup)
		}
		if above[strings.ToLower(class)] {
			filter += "(!(objectClass=" + ldapconn.EscapeFilter(l.classes[key].name) + "))"
		}
	}
	return "(&" + filter + ")"
}

// isHolder reports whether entries of a class usually are only there for others.
func isHolder(class string) bool {
	return strings.Contains(strings.ToLower(ContainerFilter), "(objectclass="+strings.ToLower(class)+")")
}

// A sample is what some entries hold.
type sample struct {
	entries int
	values  map[string]*discover.Values // by the attribute as the server writes it, in lower case
	rdn     string                      // what their names begin with, "" if that differs
}

// memberOf is worth a look although it is not an attribute of users: it tells of groups.
const memberOf = "memberOf"

func (l *look) sample(ctx context.Context, filter string) (*sample, error) {
	out := &sample{values: map[string]*discover.Values{}}
	first := true
	err := l.search(ctx, filter, []string{"*", memberOf, l.s.Anchor.Attribute}, sampleSize, func(e *ldapconn.Entry, _ identity.DN) {
		out.entries++
		for _, a := range e.Attributes {
			key, _ := strings.CutSuffix(strings.ToLower(a.Name), ";binary")
			if out.values[key] == nil {
				out.values[key] = &discover.Values{}
			}
			texts := make([]string, len(a.Values))
			for i, v := range a.Values {
				texts[i] = string(v)
			}
			out.values[key].Add(texts...)
		}
		rdn := ""
		if dn, err := identity.ParseDN(e.DN); err == nil && len(dn) > 0 && len(dn[0]) == 1 {
			rdn = dn[0][0].Type
		}
		if first {
			out.rdn, first = rdn, false
		} else if !strings.EqualFold(rdn, out.rdn) {
			out.rdn = ""
		}
	})
	return out, err
}

// describe lists what the configuration has to say of attributes that are in use: those
// that no class of all entries has, and texts of which none has several although it could.
func (l *look) describe(k *Kind, seen *sample) []agent.Attribute {
	var list []agent.Attribute
	for _, key := range slices.Sorted(maps.Keys(seen.values)) {
		if strings.EqualFold(key, "objectClass") || strings.EqualFold(key, l.d.settings.PasswordAttribute) {
			continue
		}
		a, c := l.s.Subschema.attribute(key), k.columns[key]
		switch {
		case a == nil:
		case c == nil:
			list = append(list, agent.Attribute{Name: a.name, Type: typeOf(l.s.Subschema.syntaxOf(a)), Multi: !a.single})
		case c.Multi && c.Type == identity.TypeString && seen.values[key].Use().Values == 1:
			list = append(list, agent.Attribute{Name: c.Name, Type: identity.TypeString})
		}
	}
	return list
}

func (l *look) fill(t *discover.Type, k *Kind, seen *sample) {
	t.Read, t.AtLeast = seen.entries, l.limited
	used := map[string]*discover.Values{}
	for key, v := range seen.values {
		if c := k.columns[key]; c != nil {
			used[c.Name] = v
		}
	}
	t.Looked(used)
	t.Candidates = slices.DeleteFunc(t.Candidates, func(name string) bool { return strings.EqualFold(name, "objectClass") || name == l.s.Anchor.Attribute })
}
