package ldapconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// A Watch is a part of a directory whose changes are asked for.
type Watch struct {
	Base   string
	Scope  Scope
	Filter string
	Cookie []byte // of the last answer; nil begins
}

// Changes say whether anything has changed since a cookie.
type Changes struct {
	Changed bool
	Cookie  []byte // for the next time
}

// ErrNoSync is wrapped by the error about a server that cannot say what changed.
var ErrNoSync = errors.New("the server cannot say what changed (RFC 4533)")

// Changes asks what changed since a cookie, by content synchronization in the mode
// refreshOnly (RFC 4533 §3.3). No change is ever missed; some may be told that are
// none:
//
//   - without a cookie, and with one that the server knows no more, all is new;
//   - where the server can only list what is still there, as OpenLDAP after a
//     restart without a log of its sessions, something may be gone;
//   - what changed and never matched the filter may be told as deleted.
func (c *Conn) Changes(ctx context.Context, w Watch) (Changes, error) {
	out, err := c.refresh(ctx, w)
	// A server that was restored from a backup refuses cookies of its future as one
	// that it is unwilling to answer.
	if len(w.Cookie) > 0 && isResult(err, ldap.LDAPResultSyncRefreshRequired, ldap.LDAPResultUnwillingToPerform) {
		w.Cookie = nil
		out, err = c.refresh(ctx, w)
	}
	switch {
	case isResult(err, ldap.LDAPResultUnavailableCriticalExtension):
		err = fmt.Errorf("%w: %w", ErrNoSync, err)
	case err == nil && len(w.Cookie) == 0:
		out.Changed = true
	}
	return out, ended(ctx, err)
}

func (c *Conn) refresh(ctx context.Context, w Watch) (Changes, error) {
	filter, err := checkedFilter(w.Filter)
	if err != nil {
		return Changes{}, err
	}
	defer c.endWith(ctx)()
	// Its goroutine ends with the context, also when we leave early.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request := ldap.NewSearchRequest(w.Base, int(w.Scope), ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil)
	answer := c.ldap.Syncrepl(ctx, request, 64, ldap.SyncRequestModeRefreshOnly, w.Cookie, false)
	s := session{cookie: w.Cookie}
	for answer.Next() {
		if answer.Entry() != nil {
			s.named = true // as changed, or as still there by one that cannot tell more
		}
		for _, control := range answer.Controls() {
			s.read(control)
		}
	}
	if err := answer.Err(); err != nil {
		return Changes{}, err
	}
	return s.changes(w.Cookie)
}

// A session is what the controls of one answer say.
type session struct {
	cookie  []byte // the last one that was given: none, if nothing changed
	named   bool   // some entry
	deletes bool   // what is gone is named, so nothing else is
	done    bool
}

// changes returns what the answer means, to whoever asked with a cookie.
func (s *session) changes(since []byte) (Changes, error) {
	switch {
	case !s.done:
		// Neither a success nor a failure: the connection ended, or the server does
		// not know the control and gave a list.
		return Changes{}, fmt.Errorf("%w: its answer has no end", ErrNoSync)
	case len(s.cookie) == 0:
		return Changes{}, fmt.Errorf("%w: it gave no cookie", ErrNoSync)
	}
	moved := !bytes.Equal(s.cookie, since)
	return Changes{Changed: s.named || moved && !s.deletes, Cookie: s.cookie}, nil
}

func (s *session) read(control ldap.Control) {
	switch control := control.(type) {
	case *ldap.ControlSyncState:
		s.named = true
		s.keep(control.Cookie)
	case *ldap.ControlSyncInfo:
		switch {
		case control.NewCookie != nil:
			s.keep(control.NewCookie.Cookie)
		case control.RefreshDelete != nil:
			s.keep(control.RefreshDelete.Cookie)
		case control.RefreshPresent != nil:
			s.keep(control.RefreshPresent.Cookie)
		case control.SyncIdSet != nil:
			s.named = true
			s.keep(control.SyncIdSet.Cookie)
		}
	case *ldap.ControlSyncDone:
		s.done, s.deletes = true, control.RefreshDeletes
		s.keep(control.Cookie)
	}
}

func (s *session) keep(cookie []byte) {
	if len(cookie) > 0 {
		s.cookie = bytes.Clone(cookie)
	}
}
