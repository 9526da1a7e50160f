package ad

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// dirSync is the tracker by the control DirSync (MS-ADTS §3.1.1.3.4.1.3), which tells
// what changed in a naming context and needs the right "Replicating Directory Changes".
// Its cookie is good at every controller of the domain.
type dirSync struct {
	d    *dialect
	s    *directory.Server
	base string
	nc   string
}

// answerBytes is how much one answer of DirSync may hold.
const answerBytes = 1 << 20

// Method implements [directory.Tracker].
func (t *dirSync) Method() string { return byDirSync }

// Begin implements [directory.Tracker]: it lets the server walk past everything that is
// there, and tell nothing of it.
func (t *dirSync) Begin(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) error {
	cookie, err := t.walk(ctx, c, "(!(objectClass=*))", []string{"objectGUID"}, nil, func(*ldap.Entry) {})
	if isDenied(err) && t.d.changes == byDirSync {
		refused := t.d.Fault("no-start-change-log-not-enabled", "the server refuses DirSync: %s", err)
		refused.Hint = `give bindDN the right "Replicating Directory Changes", or write changes: usn`
		return refused
	}
	w.Cookie = cookie
	return err
}

// Since implements [directory.Tracker].
func (t *dirSync) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	var set directory.ChangeSet
	cookie, err := t.walk(ctx, c, "(objectClass=*)", t.attributes(), w.Cookie, func(e *ldap.Entry) { t.note(&set, e) })
	switch {
	case directory.IsCode(err, ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultProtocolError):
		return set, t.d.FullImportRequired("the server refuses the cookie: %s", err)
	case err != nil:
		return set, err
	}
	w.Cookie = cookie
	return set, nil
}

// attributes are those whose changes are asked for: what objects have, and what tells of
// moves and deletions. An entry that has changed in none of them is not told. What is
// computed, or the other end of a link, is not replicated, so it never changes here.
func (t *dirSync) attributes() []string {
	native, _ := t.s.Native.(schema) // Learn has set it
	list := slices.DeleteFunc(t.s.Attributes(), func(name string) bool {
		name = strings.ToLower(name)
		return native.constructed[name] || native.backLinks[name]
	})
	list = append(list, "objectGUID", "objectClass", "name", "parentGUID", "isDeleted", "lastKnownParent")
	slices.Sort(list)
	return slices.Compact(list)
}

// note adds what an answer tells of an entry. It holds the attributes that changed, so
// the class is told of new entries alone, and the name of those that were renamed or
// moved as well: these are told wherever they are now, as they may come from the base.
func (t *dirSync) note(set *directory.ChangeSet, e *ldap.Entry) {
	anchor := guidText(e.GetEqualFoldAttributeValue("objectGUID"))
	switch {
	case strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "TRUE"):
		if mayHaveBeenIn(e.GetEqualFoldAttributeValue("lastKnownParent"), t.base) {
			set.Add(anchor)
		}
	case has(e, "name"):
		set.Add(anchor)
		if !has(e, "objectClass") {
			set.Containers = append(set.Containers, e.DN)
		}
	case directory.Within(e.DN, t.base):
		set.Add(anchor)
	}
}

func has(e *ldap.Entry, name string) bool {
	return len(e.GetEqualFoldAttributeValues(name)) > 0
}

// mayHaveBeenIn reports whether a deleted entry may have been below a base: its last
// parent, which may have been deleted itself, is shown with or without its GUID.
func mayHaveBeenIn(lastParent, base string) bool {
	if strings.HasPrefix(lastParent, "<") {
		_, lastParent, _ = strings.Cut(lastParent, ";")
	}
	return lastParent == "" || strings.Contains(lastParent, `\0A`) || strings.Contains(lastParent, "\n") || directory.Within(lastParent, base)
}

// walk asks what changed since a cookie until there is no more, and returns the next
// cookie.
func (t *dirSync) walk(ctx context.Context, c *ldapconn.Conn, filter string, attributes []string, cookie []byte, f func(*ldap.Entry)) ([]byte, error) {
	defer c.EndWith(ctx)()
	for {
		found, err := c.LDAP().DirSync(ldap.NewSearchRequest(t.nc, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil),
			0, answerBytes, cookie)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		for _, e := range found.Entries {
			f(e)
		}
		next, ok := ldap.FindControl(found.Controls, oidDirSync).(*ldap.ControlDirSync)
		if !ok || len(next.Cookie) == 0 {
			return nil, t.d.Fault("no-start-change-log-not-enabled", "the server gave no cookie for DirSync")
		}
		cookie = bytes.Clone(next.Cookie)
		if next.Flags == 0 {
			return cookie, nil
		}
	}
}

// isDenied reports whether an answer is that a right is missing, or DirSync itself.
func isDenied(err error) bool {
	return directory.IsCode(err, ldap.LDAPResultInsufficientAccessRights)
}
