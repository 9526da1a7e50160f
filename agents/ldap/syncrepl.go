package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// syncrepl is the tracker by content synchronization (RFC 4533).
type syncrepl struct {
	d    *dialect
	s    *directory.Server
	base string
}

// Method implements [directory.Tracker].
func (t *syncrepl) Method() string { return "syncrepl" }

// filter matches objects, and containers: when one moves, nothing is told of what is in
// it.
func (t *syncrepl) filter() string { return "(|" + t.s.Scope() + directory.ContainerFilter + ")" }

// Begin implements [directory.Tracker]. It asks for the content of nothing, which comes with a cookie of now: cookies are
// of the server, not of a filter.
func (t *syncrepl) Begin(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) error {
	r, err := t.refresh(ctx, c, ldap.ScopeBaseObject, "(!(objectClass=*))", nil)
	if err == nil && len(r.cookie) == 0 {
		err = t.d.Fault("no-start-change-log-not-enabled", "the server gave no cookie (RFC 4533)")
	}
	w.Cookie = r.cookie
	return err
}

// Since implements [directory.Tracker]: what changed since the cookie. A server that knows the cookie no more, or
// that can only list what is still there, as OpenLDAP after a restart without a log of
// its sessions, needs a full import.
func (t *syncrepl) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	r, err := t.refresh(ctx, c, ldap.ScopeWholeSubtree, t.filter(), w.Cookie)
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultSyncRefreshRequired, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultProtocolError):
		return directory.ChangeSet{}, t.d.FullImportRequired("the server refuses the cookie: %s", err)
	case err != nil:
		return directory.ChangeSet{}, err
	case r.present || !r.deletes && len(r.cookie) > 0 && !bytes.Equal(r.cookie, w.Cookie):
		return directory.ChangeSet{}, t.d.FullImportRequired("the server has no log of what was deleted since the last import")
	}
	if len(r.cookie) > 0 { // none if nothing changed
		w.Cookie = r.cookie
	}
	return r.set, nil
}

// A refresh is the answer to one request of content synchronization.
type refresh struct {
	set     directory.ChangeSet
	cookie  []byte
	present bool // what is still there is listed
	deletes bool // what is gone is named, so nothing else is
	done    bool
}

func (t *syncrepl) refresh(ctx context.Context, c *ldapconn.Conn, scope int, filter string, cookie []byte) (*refresh, error) {
	defer c.EndWith(ctx)()
	// The goroutine of the answer ends with the context, also when we leave early.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	req := ldap.NewSearchRequest(t.base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"objectClass"}, nil)
	answer := c.LDAP().Syncrepl(inner, req, 64, ldap.SyncRequestModeRefreshOnly, cookie, false)
	r := new(refresh)
	for answer.Next() {
		if e := answer.Entry(); e != nil && t.isContainer(e) {
			r.set.Containers = append(r.set.Containers, e.DN)
		}
		for _, control := range answer.Controls() {
			r.read(control)
		}
	}
	err := answer.Err()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && !r.done {
		err = errors.New("the answer to a request of content synchronization has no end")
	}
	if err != nil {
		return r, fmt.Errorf("content synchronization of %q: %w", t.base, err)
	}
	return r, nil
}

// isContainer reports whether an entry is of none of the classes of objects, so that it
// was asked for as a container. Those that are objects the engine itself renames
// together with what is below them, and yet it is right to look.
func (t *syncrepl) isContainer(e *ldap.Entry) bool {
	classes := map[string]bool{}
	t.s.Subschema.Superiors(classes, e.GetAttributeValues("objectClass"))
	for _, class := range []string{"organizationalunit", "organization", "domain", "dcobject", "locality", "country", "container", "nscontainer"} {
		if classes[class] {
			return true
		}
	}
	return false
}

func (r *refresh) read(control ldap.Control) {
	switch control := control.(type) {
	case *ldap.ControlSyncState:
		r.set.Add(control.EntryUUID.String())
		r.keep(control.Cookie)
	case *ldap.ControlSyncInfo:
		switch {
		case control.NewCookie != nil:
			r.keep(control.NewCookie.Cookie)
		case control.RefreshDelete != nil:
			r.keep(control.RefreshDelete.Cookie)
		case control.RefreshPresent != nil:
			r.present = true
			r.keep(control.RefreshPresent.Cookie)
		case control.SyncIdSet != nil:
			r.present = r.present || !control.SyncIdSet.RefreshDeletes
			for _, id := range control.SyncIdSet.SyncUUIDs {
				if control.SyncIdSet.RefreshDeletes {
					r.set.Add(id.String())
				}
			}
			r.keep(control.SyncIdSet.Cookie)
		}
	case *ldap.ControlSyncDone:
		r.done, r.deletes = true, control.RefreshDeletes
		r.keep(control.Cookie)
	}
}

func (r *refresh) keep(cookie []byte) {
	if len(cookie) > 0 {
		r.cookie = bytes.Clone(cookie)
	}
}

// Listen implements [directory.Dialect] by content synchronization that goes on
// (RFC 4533, refreshAndPersist).
func (t *dialect) Listen(ctx context.Context, c *ldapconn.Conn, s *directory.Server, base string, heard func()) error {
	by, err := t.Tracker(s, base)
	if err != nil {
		return err
	}
	sync, ok := by.(*syncrepl)
	if !ok {
		return t.Fault("no-start-change-log-not-enabled", "%s: its changes are told by %q", ldapconn.ErrNoSync, methodOf(by))
	}
	w := new(directory.Watermark)
	if err := sync.Begin(ctx, c, w); err != nil {
		return err
	}
	defer c.EndWith(ctx)()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	req := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, sync.filter(), []string{"1.1"}, nil)
	answer := c.LDAP().Syncrepl(inner, req, 64, ldap.SyncRequestModeRefreshAndPersist, w.Cookie, false)
	heard()
	for answer.Next() {
		news := answer.Entry() != nil
		for _, control := range answer.Controls() {
			info, ok := control.(*ldap.ControlSyncInfo)
			news = news || ok && info.SyncIdSet != nil
		}
		if news {
			heard()
		}
	}
	return answer.Err()
}

func methodOf(t directory.Tracker) string {
	if t == nil {
		return "none"
	}
	return t.Method()
}
