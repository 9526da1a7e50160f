package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/internal/ldapconn"
)

// syncrepl is the tracker by content synchronization (RFC 4533).
type syncrepl struct {
	d    *directory
	s    *server
	base string
}

func (t *syncrepl) method() string { return "syncrepl" }

// filter matches objects, and containers: when one moves, nothing is told of what is in
// it.
func (t *syncrepl) filter() string { return "(|" + t.s.scope() + containerFilter + ")" }

// begin asks for the content of nothing, which comes with a cookie of now: cookies are
// of the server, not of a filter.
func (t *syncrepl) begin(ctx context.Context, c *ldapconn.Conn, w *watermark) error {
	r, err := t.refresh(ctx, c, ldap.ScopeBaseObject, "(!(objectClass=*))", nil)
	if err == nil && len(r.cookie) == 0 {
		err = t.d.fault("no-start-change-log-not-enabled", "the server gave no cookie (RFC 4533)")
	}
	w.Cookie = r.cookie
	return err
}

// since asks what changed since the cookie. A server that knows the cookie no more, or
// that can only list what is still there, as OpenLDAP after a restart without a log of
// its sessions, needs a full import.
func (t *syncrepl) since(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error) {
	r, err := t.refresh(ctx, c, ldap.ScopeWholeSubtree, t.filter(), w.Cookie)
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultSyncRefreshRequired, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultProtocolError):
		return changeSet{}, t.d.fullImportRequired("the server refuses the cookie: %s", err)
	case err != nil:
		return changeSet{}, err
	case r.present || !r.deletes && len(r.cookie) > 0 && !bytes.Equal(r.cookie, w.Cookie):
		return changeSet{}, t.d.fullImportRequired("the server has no log of what was deleted since the last import")
	}
	if len(r.cookie) > 0 { // none if nothing changed
		w.Cookie = r.cookie
	}
	return r.set, nil
}

// A refresh is the answer to one request of content synchronization.
type refresh struct {
	set     changeSet
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
			r.set.containers = append(r.set.containers, e.DN)
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
	t.s.subschema.superiors(classes, e.GetAttributeValues("objectClass"))
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
		r.set.add(control.EntryUUID.String())
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
					r.set.add(id.String())
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
