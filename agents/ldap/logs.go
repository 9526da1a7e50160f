package ldap

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// changelog is the tracker by a log of numbered changes (draft-good-ldap-changelog), as
// the plug-in Retro Changelog of 389 Directory Server keeps one.
type changelog struct {
	d           *dialect
	log         string // its name
	base        string
	first, last int64 // the numbers of its changes
}

// Method implements [directory.Tracker].
func (t *changelog) Method() string { return "changelog" }

// Begin implements [directory.Tracker].
func (t *changelog) Begin(_ context.Context, _ *ldapconn.Conn, w *directory.Watermark) error {
	w.Number = t.last
	return nil
}

// Since implements [directory.Tracker].
func (t *changelog) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	var set directory.ChangeSet
	switch {
	case w.Number > t.last:
		return set, t.d.FullImportRequired("the last change of the log is %d, and %d has been read", t.last, w.Number)
	case w.Number == t.last:
		return set, nil
	case t.first > w.Number+1:
		return set, t.d.FullImportRequired("the log begins with change %d, and %d was the last that has been read", t.first, w.Number)
	}
	filter := "(&(objectClass=changeLogEntry)(changeNumber>=" + strconv.FormatInt(w.Number+1, 10) + "))"
	attributes := []string{"changeNumber", "changeType", "targetDn", "targetUniqueId", "newRdn", "newSuperior"}
	last := w.Number
	err := directory.Records(ctx, c, t.log, filter, attributes, func(e *ldapconn.Entry) error {
		number, err := strconv.ParseInt(directory.Value(e, "changeNumber"), 10, 64)
		if err != nil {
			return t.d.Fault("no-start-change-log-not-enabled", "%q has no number", e.DN)
		}
		last = max(last, number)
		target, renamed := directory.Value(e, "targetDn"), ""
		if strings.EqualFold(directory.Value(e, "changeType"), "modrdn") {
			renamed = newName(target, directory.Value(e, "newRdn"), directory.Value(e, "newSuperior"))
		}
		if !directory.Within(target, t.base) && !directory.Within(renamed, t.base) {
			return nil
		}
		anchor := directory.Value(e, "targetUniqueId")
		if anchor == "" {
			err := t.d.FullImportRequired("change %d does not say which entry it is about", number)
			return err
		}
		set.Add(anchor)
		if directory.Within(renamed, t.base) {
			set.Containers = append(set.Containers, renamed)
		}
		return nil
	})
	w.Number = last
	return set, err
}

// newName returns the name of an entry after it was renamed.
func newName(dn, rdn, superior string) string {
	if superior == "" {
		superior = directory.ParentOf(dn)
	}
	return rdn + "," + superior
}

// accesslog is the tracker by OpenLDAP's log of operations (slapo-accesslog), which must
// log writes that succeed.
type accesslog struct {
	d    *dialect
	base string
}

// A record is written when its operation is done and bears the time at which it began:
// records that are written later may be older by as long as an operation takes.
const longestOperation = 30 * time.Second

const logTime = "20060102150405.000000Z"

// Method implements [directory.Tracker].
func (t *accesslog) Method() string { return "accesslog" }

// Begin implements [directory.Tracker].
func (t *accesslog) Begin(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) error {
	if e, err := c.Read(ctx, t.d.settings.AccessLog, []string{"1.1"}, 0); err != nil || e == nil {
		if err == nil {
			err = t.d.Fault("no-start-change-log-not-enabled", "the server shows no %q", t.d.settings.AccessLog)
		}
		return err
	}
	_, err := t.read(ctx, c, w)
	return err
}

// Since implements [directory.Tracker].
func (t *accesslog) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	if w.Last == "" {
		return directory.ChangeSet{}, t.d.FullImportRequired("the log held nothing at the last import, so nobody can say whether something is missing")
	}
	e, err := c.Search(ctx, ldapconn.Search{
		Base: t.d.settings.AccessLog, Scope: ldapconn.ScopeOne, Filter: "(reqStart=" + w.Last + ")", Attributes: []string{"1.1"},
	})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) || err == nil && len(e) == 0 {
		return directory.ChangeSet{}, t.d.FullImportRequired("the log does not reach back to the last import")
	}
	if err != nil {
		return directory.ChangeSet{}, err
	}
	return t.read(ctx, c, w)
}

// read reads the records from a time on that were not seen, and moves the watermark
// past them.
func (t *accesslog) read(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	var set directory.ChangeSet
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
	err := directory.Records(ctx, c, t.d.settings.AccessLog, filter, attributes, func(e *ldapconn.Entry) error {
		start := directory.Value(e, "reqStart")
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

func (t *accesslog) note(set *directory.ChangeSet, e *ldapconn.Entry) error {
	target, renamed := directory.Value(e, "reqDN"), ""
	if strings.EqualFold(directory.Value(e, "reqType"), "modrdn") {
		renamed = newName(target, directory.Value(e, "reqNewRDN"), directory.Value(e, "reqNewSuperior"))
	}
	if !directory.Within(target, t.base) && !directory.Within(renamed, t.base) {
		return nil
	}
	anchor := directory.Value(e, "reqEntryUUID")
	if anchor == "" {
		return t.d.FullImportRequired("record %q does not say which entry it is about", e.DN)
	}
	set.Add(anchor)
	if directory.Within(renamed, t.base) {
		set.Containers = append(set.Containers, renamed)
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
	d    *dialect
	s    *directory.Server
	base string
}

// Method implements [directory.Tracker].
func (t *timestamps) Method() string { return "timestamp" }

// Begin implements [directory.Tracker]. It lets the full import note the latest time: the
// clock is the server's.
func (t *timestamps) Begin(_ context.Context, _ *ldapconn.Conn, w *directory.Watermark) error {
	w.Full, w.Follow = time.Now().UTC(), true
	return nil
}

// Since implements [directory.Tracker].
func (t *timestamps) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	var set directory.ChangeSet
	w.Follow = true
	if age := time.Since(w.Full); age >= t.d.settings.FullImportEvery {
		return set, t.d.FullImportRequired("the last full import was %s ago, and times of changes do not tell what was deleted", age.Round(time.Second))
	}
	filter := t.s.Scope()
	if w.Since != "" {
		filter = "(&" + filter + "(modifyTimestamp>=" + w.Since + "))"
	}
	err := directory.Records(ctx, c, t.base, filter, []string{t.s.Anchor.Attribute}, func(e *ldapconn.Entry) error {
		set.Add(t.s.Anchor.Of(e))
		return nil
	})
	return set, err
}
