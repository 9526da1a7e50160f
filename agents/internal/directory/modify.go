package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// errMissing is the answer that there is no such object.
func errMissing() error {
	return fault.New("cd-missing-object", "the directory has no entry with the anchor of the object")
}

// IsCode reports whether an error is an answer of the server with one of the codes.
func IsCode(err error, codes ...uint16) bool { return ldap.IsErrorAnyOf(err, codes...) }

// ParentOf returns the name of the entry above, "" if there is none.
func ParentOf(name string) string {
	dn, _ := identity.ParseDN(name) // "" for what is no name
	return dn.Parent().String()
}

// SameName reports whether two texts are one distinguished name.
func SameName(a, b string) bool {
	x, err := identity.ParseDN(a)
	y, bad := identity.ParseDN(b)
	return err == nil && bad == nil && x.Fold() == y.Fold()
}

// at calls f with the name of the entry that has the anchor, and controls that make
// the server refuse any other; it returns the name. The entry is looked for if the name
// of the object leads nowhere, or to another one. Without an anchor the name has to do.
func (w *writer) at(ctx context.Context, dn, anchor string, f func(dn string, controls []ldap.Control) error) (string, error) {
	if anchor == "" {
		return dn, f(dn, nil)
	}
	var controls []ldap.Control
	if w.asserts {
		packet, err := ldap.CompileFilter(w.server.Anchor.filter(anchor))
		if err != nil {
			return dn, fault.Wrap("invalid-dn", err)
		}
		controls = []ldap.Control{ldap.NewControlString(oidAssertion, true, string(packet.Bytes()))}
	} else {
		is, err := w.anchorAt(ctx, dn)
		if err != nil {
			return dn, err
		}
		if is != anchor {
			return w.elsewhere(ctx, dn, anchor, nil, nil, f)
		}
	}
	err := f(dn, controls)
	if IsCode(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultAssertionFailed) {
		return w.elsewhere(ctx, dn, anchor, controls, err, f)
	}
	return dn, err
}

// elsewhere looks for the entry with an anchor that is not where it should be.
func (w *writer) elsewhere(ctx context.Context, dn, anchor string, controls []ldap.Control, why error, f func(string, []ldap.Control) error) (string, error) {
	for _, base := range w.d.settings.Base {
		found, err := w.c.Search(ctx, ldapconn.Search{
			Base: base, Scope: ldapconn.ScopeSub, Filter: w.server.Anchor.filter(anchor), Attributes: []string{"1.1"},
		})
		switch {
		case err != nil && !IsCode(err, ldap.LDAPResultNoSuchObject):
			return dn, err
		case len(found) == 0:
		case SameName(found[0].DN, dn) && why != nil:
			return dn, why // something else was missing
		default:
			return found[0].DN, f(found[0].DN, controls)
		}
	}
	return dn, errMissing()
}

// anchorAt returns the anchor of the entry with a name, "" if there is none.
func (w *writer) anchorAt(ctx context.Context, dn string) (string, error) {
	e, err := w.c.Read(ctx, dn, []string{w.server.Anchor.Attribute}, 0)
	if err != nil || e == nil {
		if IsCode(err, ldap.LDAPResultInvalidDNSyntax) {
			err = nil
		}
		return "", err
	}
	return w.server.Anchor.Of(e), nil
}

// update renames or moves an object and then modifies it.
func (w *writer) update(ctx context.Context, c *agent.Change, k *Kind) (agent.Result, error) {
	mods, password, err := w.modifications(c, k)
	if err != nil {
		return agent.Result{}, err
	}
	var after After
	rewriter, ok := w.d.dialect.(Rewriter)
	if ok {
		if mods, after, err = rewriter.Update(k, mods); err != nil {
			return agent.Result{}, err
		}
	}
	r, dn := agent.Result{}, c.DN
	if c.NewDN != "" {
		if _, err := k.admits(c.NewDN); err != nil {
			return r, err
		}
		if _, err := w.at(ctx, dn, c.Anchor, func(dn string, controls []ldap.Control) error { return w.rename(ctx, dn, c.NewDN, controls) }); err != nil {
			return r, err
		}
		dn = c.NewDN
	}
	if len(mods) > 0 {
		at, err := w.at(ctx, dn, c.Anchor, func(dn string, controls []ldap.Control) error {
			mods, err := w.whole(ctx, dn, k, mods)
			if err != nil {
				return err
			}
			return w.modify(ctx, k, dn, mods, controls)
		})
		if err != nil {
			if password != "" && IsCode(err, ldap.LDAPResultConstraintViolation) {
				err = fault.Wrap("password-policy-violation", err)
			}
			return r, err
		}
		if !SameName(at, dn) {
			r.DN, dn = at, at
		}
	}
	if after != nil {
		at, err := w.at(ctx, dn, c.Anchor, func(dn string, _ []ldap.Control) error { return w.follow(ctx, &r, dn, after) })
		if err != nil {
			return r, err
		}
		if !SameName(at, dn) {
			r.DN, dn = at, at
		}
	}
	return r, w.setPassword(ctx, &r, dn, password)
}

// follow writes what follows the modifications of an entry. If the server does not take
// it, these attributes alone are refused: everything else of the change is done.
func (w *writer) follow(ctx context.Context, r *agent.Result, dn string, after After) error {
	refused, err := after(ctx, w.c, dn)
	if err == nil || len(refused) == 0 {
		return err
	}
	w.refuse(r, dn, refused, err)
	return nil
}

// refuse notes attributes that the server did not take, and why.
func (w *writer) refuse(r *agent.Result, dn string, refused []string, why error) {
	for _, name := range refused {
		if !slices.Contains(r.Refused, name) {
			r.Refused = append(r.Refused, name)
		}
	}
	if r.Err == nil {
		r.Err = w.named(dn, why)
		r.Err.Attribute = refused[0]
	}
}

// rename gives an entry another name, and moves it if that is elsewhere. One that
// bears it already is left as it is.
func (w *writer) rename(ctx context.Context, dn, to string, controls []ldap.Control) error {
	if dn == to {
		return nil
	}
	target, err := identity.ParseDN(to)
	if err != nil || len(target) == 0 {
		return fault.New("invalid-dn", "%q cannot be a name", to)
	}
	superior := ""
	if parent := target.Parent().String(); !SameName(parent, ParentOf(dn)) {
		superior = parent
	}
	err = w.c.LDAP().ModifyDN(ldap.NewModifyDNWithControlsRequest(dn, target[0].String(), true, superior, controls))
	switch {
	case IsCode(err, ldap.LDAPResultEntryAlreadyExists):
		return fault.Wrap("rename-to-existing-dn", err)
	case superior != "" && IsCode(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultOther, ldap.LDAPResultUnwillingToPerform):
		if is, lost := w.anchorAt(ctx, superior); lost != nil || is != "" {
			return err
		}
		if is, lost := w.anchorAt(ctx, dn); lost != nil || is == "" {
			return err // the object is missing
		}
		if !w.d.settings.CreateParents {
			return fault.New("non-existent-parent", "there is no %q", superior)
		}
		if err := w.createAbove(ctx, to); err != nil {
			return err
		}
		err = w.c.LDAP().ModifyDN(ldap.NewModifyDNWithControlsRequest(dn, target[0].String(), true, superior, controls))
	}
	return err
}

// A Modification is one change of an attribute as the protocol has it.
type Modification struct {
	Op     uint // ldap.AddAttribute, ldap.DeleteAttribute, ldap.ReplaceAttribute
	Name   string
	Values []string
}

// modifications returns what an update does, without a password that is written by an
// operation of its own.
func (w *writer) modifications(c *agent.Change, k *Kind) (mods []Modification, password string, err error) {
	mods = make([]Modification, 0, len(c.Changes)+2) // and what belongs to a new entry in any case
	for i := range c.Changes {
		change := &c.Changes[i]
		column := k.column(change.Name)
		if problem := refusal(column, change); problem != nil {
			return nil, "", problem
		}
		come, err := formatValues(column, change, change.Values)
		if err != nil {
			return nil, "", err
		}
		gone, err := formatValues(column, change, change.Removed)
		if err != nil {
			return nil, "", err
		}
		if w.d.isPassword(column) && len(come) > 0 {
			password = come[0]
			if !w.d.secure || w.exop {
				continue
			}
		}
		switch change.Op {
		case identity.Update:
			// Those that come are first: a group that must have a member keeps one.
			if len(come) > 0 {
				mods = append(mods, Modification{ldap.AddAttribute, column.wire, come})
			}
			if len(gone) > 0 {
				mods = append(mods, Modification{ldap.DeleteAttribute, column.wire, gone})
			}
		default:
			// Without values it deletes, also what is not there.
			mods = append(mods, Modification{ldap.ReplaceAttribute, column.wire, come})
		}
	}
	return mods, password, nil
}

func (d *Directory) isPassword(c *Column) bool {
	return strings.EqualFold(c.Name, d.settings.PasswordAttribute)
}

func refusal(c *Column, change *identity.Change) *fault.Error {
	var out *fault.Error
	switch {
	case c == nil:
		out = fault.New("schema-violation", "the object type has no such attribute")
	case c.ImportOnly:
		out = fault.New("readonly-attribute", "only the server writes it")
	default:
		return nil
	}
	out.Attribute = change.Name
	return out
}

func formatValues(c *Column, change *identity.Change, list []identity.Value) ([]string, error) {
	out := make([]string, len(list))
	for i, v := range list {
		text, err := c.format(v)
		if err != nil {
			named := fault.As(err, "type-mismatch")
			named.Attribute = change.Name
			return nil, named
		}
		out[i] = text
	}
	return out, nil
}

// modify changes an entry. Values that are there already, or gone already, are no
// errors: then the values are halved until those are found, and the others take effect.
func (w *writer) modify(ctx context.Context, k *Kind, dn string, mods []Modification, controls []ldap.Control) error {
	req := ldap.NewModifyRequest(dn, controls)
	for _, m := range mods {
		switch m.Op {
		case ldap.AddAttribute:
			req.Add(m.Name, m.Values)
		case ldap.DeleteAttribute:
			req.Delete(m.Name, m.Values)
		default:
			req.Replace(m.Name, m.Values)
		}
	}
	err := w.c.LDAP().Modify(req)
	settled := IsCode(err, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchAttribute)
	rewriter, ok := w.d.dialect.(Rewriter)
	if err == nil || !settled && (!ok || !IsCode(err, ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultUnwillingToPerform)) {
		return err
	}
	first, second := halves(mods)
	if len(second) == 0 {
		switch {
		case ok && !rewriter.Settled(ctx, w.c, k, dn, first[0], err):
			return err
		case len(first) == 1 && first[0].Op == ldap.ReplaceAttribute && len(first[0].Values) > 0:
			return err // the server holds two of the values for the same
		}
		return nil
	}
	if err := w.modify(ctx, k, dn, first, controls); err != nil {
		return err
	}
	return w.modify(ctx, k, dn, second, controls)
}

// halves divides modifications, and the values of a single one. What replaces is not
// divided.
func halves(mods []Modification) (first, second []Modification) {
	if len(mods) > 1 {
		return mods[:len(mods)/2], mods[len(mods)/2:]
	}
	m := mods[0]
	if m.Op == ldap.ReplaceAttribute || len(m.Values) < 2 {
		return mods, nil
	}
	n := len(m.Values) / 2
	return []Modification{{m.Op, m.Name, m.Values[:n]}}, []Modification{{m.Op, m.Name, m.Values[n:]}}
}

// errClear is why a password is withheld.
func errClear() error {
	problem := fault.New("encryption-not-enabled", "a password is written over an encrypted connection only")
	problem.Hint = "use ldaps:// or startTLS"
	return problem
}

// setPassword writes a password that is written apart. If that fails, the attribute
// alone is refused: everything else of the change is done.
func (w *writer) setPassword(_ context.Context, r *agent.Result, dn, password string) error {
	if password == "" || w.d.secure && !w.exop {
		return nil
	}
	var err error
	if !w.d.secure {
		err = errClear()
	} else if _, err = w.c.LDAP().PasswordModify(ldap.NewPasswordModifyRequest(dn, "", password)); err == nil {
		return nil
	} else if !ldapconn.Answered(err) {
		return err
	}
	named := *fault.As(err, "cd-error")
	if IsCode(err, ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform) {
		named.Name = "password-policy-violation"
	}
	named.Agent, named.Object, named.Attribute = w.d.name, dn, w.d.settings.PasswordAttribute
	r.Refused, r.Err = append(r.Refused, w.d.settings.PasswordAttribute), &named
	return nil
}

// delete deletes an object; one that is gone already only if the change may have been
// carried out before.
func (w *writer) delete(ctx context.Context, c *agent.Change) error {
	_, err := w.at(ctx, c.DN, c.Anchor, func(dn string, controls []ldap.Control) error {
		if w.server.Anchor.Name != nil && c.Anchor != "" {
			dn = w.server.Anchor.Name(c.Anchor) // which nobody can give to another entry meanwhile
		}
		if w.server.TreeDelete && w.d.settings.DeleteSubtree {
			return w.deleteTree(dn, controls)
		}
		err := w.c.LDAP().Del(ldap.NewDelRequest(dn, controls))
		if !w.d.settings.DeleteSubtree || !IsCode(err, ldap.LDAPResultNotAllowedOnNonLeaf) {
			return err
		}
		if c.Anchor != "" {
			if is, lost := w.anchorAt(ctx, dn); lost != nil || is != c.Anchor {
				return err
			}
		}
		if err := w.deleteBelow(ctx, dn); err != nil {
			return err
		}
		return w.c.LDAP().Del(ldap.NewDelRequest(dn, controls))
	})
	if c.Repeated && (fault.Name(err) == "cd-missing-object" || IsCode(err, ldap.LDAPResultNoSuchObject)) {
		return nil
	}
	return err
}

// deleteTree deletes an entry and everything below it with one request, which the server
// may carry out in parts.
func (w *writer) deleteTree(dn string, controls []ldap.Control) error {
	controls = append(slices.Clip(controls), ldap.NewControlSubtreeDelete())
	for {
		err := w.c.LDAP().Del(ldap.NewDelRequest(dn, controls))
		if !IsCode(err, ldap.LDAPResultAdminLimitExceeded) {
			return err
		}
	}
}

// deleteBelow deletes everything below an entry, leaves first.
func (w *writer) deleteBelow(ctx context.Context, dn string) error {
	found, err := w.c.Search(ctx, ldapconn.Search{Base: dn, Scope: ldapconn.ScopeSub, Attributes: []string{"1.1"}})
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b ldapconn.Entry) int { return depth(b.DN) - depth(a.DN) })
	for i := range found {
		if SameName(found[i].DN, dn) {
			continue
		}
		if err := w.c.LDAP().Del(ldap.NewDelRequest(found[i].DN, nil)); err != nil && !IsCode(err, ldap.LDAPResultNoSuchObject) {
			return err
		}
	}
	return nil
}
