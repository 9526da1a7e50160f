package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// admits reads a name, and refuses one that does not begin with the attribute of the
// object type.
func (k *Kind) admits(name string) (identity.DN, error) {
	dn, err := identity.ParseDN(name)
	if err != nil || len(dn) == 0 {
		return nil, fault.New("invalid-dn", "%q cannot be a name", name)
	}
	if k.RDN == "" || slices.ContainsFunc(dn[0], func(a identity.AVA) bool { return strings.EqualFold(a.Type, k.RDN) }) {
		return dn, nil
	}
	return nil, fault.New("invalid-dn", "the name %q does not begin with %s, as the object type demands", name, k.RDN)
}

// add creates an object, and reads the anchor that the server has given it.
func (w *writer) add(ctx context.Context, c *agent.Change, k *Kind) (agent.Result, error) {
	dn, err := k.admits(c.DN)
	if err != nil {
		return agent.Result{}, err
	}
	content, password, err := w.content(c, k, dn)
	if err != nil {
		return agent.Result{}, err
	}
	var r agent.Result
	var refused []string
	if rewriter, ok := w.d.dialect.(Rewriter); ok {
		if content, refused, err = rewriter.NewEntry(k, content, password != "" && !w.d.secure); err != nil {
			return r, err
		}
	}
	req := ldap.NewAddRequest(c.DN, nil)
	req.Attributes = make([]ldap.Attribute, 0, len(content))
	for _, m := range content {
		req.Attribute(m.Name, m.Values)
	}
	anchor, err := w.create(ctx, req)
	if w.lacksParent(ctx, c.DN, err) {
		if !w.d.settings.CreateParents {
			return agent.Result{}, fault.New("non-existent-parent", "there is no %q", ParentOf(c.DN))
		}
		if err := w.createAbove(ctx, c.DN); err != nil {
			return agent.Result{}, err
		}
		anchor, err = w.create(ctx, req)
	}
	if c.Repeated && IsCode(err, ldap.LDAPResultEntryAlreadyExists) {
		err = w.again(ctx, c, k, content, err)
	}
	if err != nil {
		if password != "" && IsCode(err, ldap.LDAPResultConstraintViolation) {
			err = fault.Wrap("password-policy-violation", err)
		}
		return agent.Result{}, err
	}
	r.Anchor = anchor
	switch {
	case anchor != "":
	case w.later:
		w.created = true
	default:
		if r.Anchor, err = w.anchorAt(ctx, c.DN); err != nil {
			return r, err
		}
	}
	if len(refused) > 0 {
		w.refuse(&r, c.DN, refused, errClear())
	}
	return r, w.setPassword(ctx, &r, c.DN, password)
}

// create creates an entry, and returns the anchor if the server tells it along.
func (w *writer) create(ctx context.Context, req *ldap.AddRequest) (anchor string, err error) {
	read := ""
	if w.tells && !w.later {
		read = w.server.Anchor.Attribute
	}
	told, err := w.c.Add(ctx, req, read)
	if err != nil || told == nil {
		return "", err
	}
	return w.server.Anchor.Of(told), nil
}

// content returns the attributes of a new entry: the classes of its type and what its
// name says belong to it in any case.
func (w *writer) content(c *agent.Change, k *Kind, dn identity.DN) (content []Modification, password string, err error) {
	content, password, err = w.modifications(c, k)
	if err != nil {
		return nil, "", err
	}
	content = slices.DeleteFunc(content, func(m Modification) bool { return len(m.Values) == 0 })
	for _, class := range append([]string{k.Class}, k.Auxiliary...) {
		content = with(content, "objectClass", class)
	}
	for _, a := range dn[0] {
		name := a.Type
		if known := k.column(a.Type); known != nil {
			name = known.wire
		}
		content = with(content, name, a.Value)
	}
	return content, password, nil
}

// with returns a content with a value, which may be there already.
func with(content []Modification, name, value string) []Modification {
	for i := range content {
		m := &content[i]
		if !strings.EqualFold(m.Name, name) {
			continue
		}
		if !slices.ContainsFunc(m.Values, func(v string) bool { return strings.EqualFold(v, value) }) {
			m.Values = append(m.Values, value)
		}
		return content
	}
	return append(content, Modification{ldap.ReplaceAttribute, name, []string{value}})
}

// again gives an object that an interrupted export has created all its values. An entry
// of another class is not the one.
func (w *writer) again(ctx context.Context, c *agent.Change, k *Kind, content []Modification, exists error) error {
	e, err := w.c.Read(ctx, c.DN, []string{"objectClass"}, 0)
	if err != nil || e == nil {
		return exists
	}
	classes := map[string]bool{}
	w.server.Subschema.Superiors(classes, Values(e, "objectClass"))
	if !classes[strings.ToLower(w.server.Subschema.class(k.Class).name)] {
		return exists
	}
	dn, _ := identity.ParseDN(c.DN) // admits has read it
	content = slices.DeleteFunc(slices.Clone(content), func(m Modification) bool {
		// What the name says is there, and some servers let nobody write it.
		inName := slices.ContainsFunc(dn[0], func(a identity.AVA) bool {
			return strings.EqualFold(a.Type, m.Name) && len(m.Values) == 1 && m.Values[0] == a.Value
		})
		return inName || strings.EqualFold(m.Name, "objectClass")
	})
	return w.modify(ctx, k, c.DN, content, nil)
}

// lacksParent reports whether an entry was refused because there is nothing above it.
func (w *writer) lacksParent(ctx context.Context, name string, err error) bool {
	if !IsCode(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultReferral, ldap.LDAPResultUnwillingToPerform) {
		return false
	}
	if IsCode(err, ldap.LDAPResultNoSuchObject) {
		return true
	}
	dn, _ := identity.ParseDN(name) // admits has read it
	if !w.d.inBase(dn) {
		return false
	}
	is, lost := w.anchorAt(ctx, ParentOf(name))
	return lost == nil && is == ""
}

// containerClasses are the classes of containers that can be made of their name alone.
var containerClasses = map[string]string{"ou": "organizationalUnit", "o": "organization", "l": "locality", "c": "country", "dc": "domain"}

// createAbove creates the containers that are missing above a name, within the bases.
func (w *writer) createAbove(ctx context.Context, name string) error {
	dn, _ := identity.ParseDN(name) // it was read before
	var missing []identity.DN
	for up := dn.Parent(); w.d.inBase(up); up = up.Parent() {
		is, err := w.anchorAt(ctx, up.String())
		if err != nil {
			return err
		}
		if is != "" {
			break
		}
		missing = append(missing, up)
	}
	for _, container := range slices.Backward(missing) {
		rdn := container[0]
		class := containerClasses[strings.ToLower(rdn[0].Type)]
		if len(rdn) != 1 || class == "" {
			return fault.New("non-existent-parent", "there is no %q, and nobody knows what kind of container it should be", container)
		}
		req := ldap.NewAddRequest(container.String(), nil)
		req.Attribute("objectClass", []string{class})
		req.Attribute(rdn[0].Type, []string{rdn[0].Value})
		// Another connection may create it at the same time.
		if err := w.c.LDAP().Add(req); err != nil && !IsCode(err, ldap.LDAPResultEntryAlreadyExists) {
			return err
		}
	}
	return nil
}
