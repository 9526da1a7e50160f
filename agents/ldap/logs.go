package ldap

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/internal/ldapconn"
)

// changelog is the tracker by a log of numbered changes (draft-good-ldap-changelog), as
// the plug-in Retro Changelog of 389 Directory Server keeps one.
type changelog struct {
	d    *directory
	s    *server
	base string
}

func (t *changelog) method() string { return "changelog" }

func (t *changelog) begin(_ context.Context, _ *ldapconn.Conn, w *watermark) error {
	w.Number = t.s.lastChange
	return nil
}

func (t *changelog) since(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error) {
	var set changeSet
	switch {
	case w.Number > t.s.lastChange:
		return set, t.d.fullImportRequired("the last change of the log is %d, and %d has been read", t.s.lastChange, w.Number)
	case w.Number == t.s.lastChange:
		return set, nil
	case t.s.firstChange > w.Number+1:
		return set, t.d.fullImportRequired("the log begins with change %d, and %d was the last that has been read", t.s.firstChange, w.Number)
	}
	filter := "(&(objectClass=changeLogEntry)(changeNumber>=" + strconv.FormatInt(w.Number+1, 10) + "))"
	attributes := []string{"changeNumber", "changeType", "targetDn", "targetUniqueId", "newRdn", "newSuperior"}
	last := w.Number
	err := records(ctx, c, t.s.changelog, filter, attributes, func(e *ldapconn.Entry) error {
		number, err := strconv.ParseInt(value(e, "changeNumber"), 10, 64)
		if err != nil {
			return t.d.fault("no-start-change-log-not-enabled", "%q has no number", e.DN)
		}
		last = max(last, number)
		target, renamed := value(e, "targetDn"), ""
		if strings.EqualFold(value(e, "changeType"), "modrdn") {
			renamed = newName(target, value(e, "newRdn"), value(e, "newSuperior"))
		}
		if !within(target, t.base) && !within(renamed, t.base) {
			return nil
		}
		anchor := value(e, "targetUniqueId")
		if anchor == "" {
			err := t.d.fullImportRequired("change %d does not say which entry it is about", number)
			return err
		}
		set.add(anchor)
		if within(renamed, t.base) {
			set.containers = append(set.containers, renamed)
		}
		return nil
	})
	w.Number = last
	return set, err
}

// newName returns the name of an entry after it was renamed.
func newName(dn, rdn, superior string) string {
	if superior == "" {
		superior = parentOf(dn)
	}
	return rdn + "," + superior
}

// records calls f for every record of a log, page by page, in the order of the server.
func records(ctx context.Context, c *ldapconn.Conn, base, filter string, attributes []string, f func(*ldapconn.Entry) error) error {
	paging := ldap.NewControlPaging(defaultPageSize)
	for {
		page, err := search(ctx, c, ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, attributes, []ldap.Control{paging}))
		if err != nil {
			return err
		}
		for i := range page.entries {
			if err := f(&page.entries[i]); err != nil {
				return err
			}
		}
		if len(page.cookie) == 0 {
			return nil
		}
		paging.SetCookie(page.cookie)
	}
}

// accesslog is the tracker by OpenLDAP's log of operations (slapo-accesslog), which must
// log writes that succeed.
type accesslog struct {
	d    *directory
	s    *server
	base string
}

// A record is written when its operation is done and bears the time at which it began:
// records that are written later may be older by as long as an operation takes.
const longestOperation = 30 * time.Second

const logTime = "20060102150405.000000Z"

func (t *accesslog) method() string { return "accesslog" }

func (t *accesslog) begin(ctx context.Context, c *ldapconn.Conn, w *watermark) error {
	if e, err := c.Read(ctx, t.d.settings.AccessLog, []string{"1.1"}, 0); err != nil || e == nil {
		if err == nil {
			err = t.d.fault("no-start-change-log-not-enabled", "the server shows no %q", t.d.settings.AccessLog)
		}
		return err
	}
	_, err := t.read(ctx, c, w)
	return err
}

func (t *accesslog) since(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error) {
	if w.Last == "" {
		return changeSet{}, t.d.fullImportRequired("the log held nothing at the last import, so nobody can say whether something is missing")
	}
	e, err := c.Search(ctx, ldapconn.Search{
		Base: t.d.settings.AccessLog, Scope: ldapconn.ScopeOne, Filter: "(reqStart=" + w.Last + ")", Attributes: []string{"1.1"},
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) || err == nil && len(e) == 0 {
		return changeSet{}, t.d.fullImportRequired("the log does not reach back to the last import")
	}
	if err != nil {
		return changeSet{}, err
	}
	return t.read(ctx, c, w)
}

// read reads the records from a time on that were not seen, and moves the watermark
// past them.
func (t *accesslog) read(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error) {
	var set changeSet
	filter := "(&(objectClass=auditWriteObject)(reqResult=0))"
	if w.Since != "" {
		filter = "(&(objectClass=auditWriteObject)(reqResult=0)(reqStart>=" + w.Since + "))"
	}
	seen := map[string]bool{}
	for _, start := range w.Seen {
		seen[start] = true
	}
	first := w.Since == ""
	all := w.Seen
	attributes := []string{"reqStart", "reqType", "reqDN", "reqEntryUUID", "reqNewRDN", "reqNewSuperior"}
	err := records(ctx, c, t.d.settings.AccessLog, filter, attributes, func(e *ldapconn.Entry) error {
		start := value(e, "reqStart")
		if seen[start] {
			return nil
		}
		w.Last = max(w.Last, start)
		all = append(all, start)
		if len(all) >= 1<<16 {
			all = recent(all, w.Last)
		}
		if first {
			return nil // what is in the log already is in the full import
		}
		return t.note(&set, e)
	})
	w.Seen, w.Since = recent(all, w.Last), horizon(w.Last)
	return set, err
}

func (t *accesslog) note(set *changeSet, e *ldapconn.Entry) error {
	target, renamed := value(e, "reqDN"), ""
	if strings.EqualFold(value(e, "reqType"), "modrdn") {
		renamed = newName(target, value(e, "reqNewRDN"), value(e, "reqNewSuperior"))
	}
	if !within(target, t.base) && !within(renamed, t.base) {
		return nil
	}
	anchor := value(e, "reqEntryUUID")
	if anchor == "" {
		return t.d.fullImportRequired("record %q does not say which entry it is about", e.DN)
	}
	set.add(anchor)
	if within(renamed, t.base) {
		set.containers = append(set.containers, renamed)
	}
	return nil
}

// horizon returns the time from which on records may still be written.
func horizon(last string) string {
	at, err := time.Parse(logTime, last)
	if err != nil {
		return "" // nothing was in the log
	}
	return at.Add(-longestOperation).Format(logTime)
}

// recent returns the records that are not before the horizon.
func recent(all []string, last string) []string {
	from := horizon(last)
	var out []string
	for _, start := range all {
		if start >= from {
			out = append(out, start)
		}
	}
	return out
}

// timestamps is the tracker by modifyTimestamp. It sees what was changed, not what was
// deleted or renamed with its container, nor what has left the filter: it asks for a full
// import from time to time.
type timestamps struct {
	d    *directory
	s    *server
	base string
}

func (t *timestamps) method() string { return "timestamp" }

// begin lets the full import note the latest time: the clock is the server's.
func (t *timestamps) begin(_ context.Context, _ *ldapconn.Conn, w *watermark) error {
	w.Full, w.follow = time.Now().UTC(), true
	return nil
}

func (t *timestamps) since(ctx context.Context, c *ldapconn.Conn, w *watermark) (changeSet, error) {
	var set changeSet
	w.follow = true
	if age := time.Since(w.Full); age >= t.d.settings.FullImportEvery {
		return set, t.d.fullImportRequired("the last full import was %s ago, and times of changes do not tell what was deleted", age.Round(time.Second))
	}
	filter := t.s.scope()
	if w.Since != "" {
		filter = "(&" + filter + "(modifyTimestamp>=" + w.Since + "))"
	}
	err := records(ctx, c, t.base, filter, []string{t.s.anchor}, func(e *ldapconn.Entry) error {
		set.add(value(e, t.s.anchor))
		return nil
	})
	return set, err
}
