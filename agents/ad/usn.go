package ad

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// usnTracker is the tracker by uSNChanged: a controller numbers the changes that it makes,
// its own and those that it replicates. The numbers are good at that controller alone,
// which is known by its invocationId.
type usnTracker struct {
	d    *dialect
	s    *directory.Server
	base string
	nc   string
}

// deletedObjects is the container of deleted objects, by its well-known GUID.
const deletedObjects = "18E2EA80684F11D2B9AA00C04F79F805"

// Method implements [directory.Tracker].
func (t *usnTracker) Method() string { return byUSN }

// Begin implements [directory.Tracker]. Who may not see deleted objects learns of
// deletions by full imports alone, so the time of this one counts.
func (t *usnTracker) Begin(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) error {
	var err error
	if w.Number, err = t.highest(); err != nil {
		return err
	}
	if w.Server, err = t.controller(ctx, c); err != nil {
		return err
	}
	sees, err := t.seesDeleted(ctx, c)
	if err == nil && !sees {
		w.Full = time.Now().UTC()
	}
	return err
}

// Since implements [directory.Tracker].
func (t *usnTracker) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	var set directory.ChangeSet
	highest, err := t.highest()
	if err != nil {
		return set, err
	}
	controller, err := t.controller(ctx, c)
	switch age := time.Since(w.Full); {
	case err != nil:
		return set, err
	case controller != w.Server:
		return set, t.d.FullImportRequired("another controller answers than at the last import, or this one was restored")
	case highest < w.Number:
		return set, t.d.FullImportRequired("the last change of the controller is %d, and %d has been read", highest, w.Number)
	case !w.Full.IsZero() && age >= t.d.fullEvery:
		return set, t.d.FullImportRequired("the last full import was %s ago, and bindDN sees no deleted objects", age.Round(time.Second))
	}
	filter := "(uSNChanged>=" + strconv.FormatInt(w.Number+1, 10) + ")"
	attributes := []string{"objectGUID", "objectClass", "uSNCreated", "isDeleted", "lastKnownParent", metadataAttribute}
	err = directory.Records(ctx, c, t.nc, filter, attributes, func(e *ldapconn.Entry) error {
		t.note(&set, e, w.Number)
		return nil
	}, oidShowDeleted)
	w.Number = highest
	return set, err
}

// note adds an entry that has changed after a number.
func (t *usnTracker) note(set *directory.ChangeSet, e *ldapconn.Entry, after int64) {
	anchor := t.s.Anchor.Of(e)
	if strings.EqualFold(directory.Value(e, "isDeleted"), "TRUE") {
		if mayHaveBeenIn(directory.Value(e, "lastKnownParent"), t.base) {
			set.Add(anchor)
		}
		return
	}
	changed, known := changedSince(directory.Value(e, metadataAttribute), after)
	if known && isNoise(changed) {
		return
	}
	created, _ := strconv.ParseInt(directory.Value(e, "uSNCreated"), 10, 64) // 0 is old
	renamed := !known || slices.Contains(changed, idName)
	if renamed || directory.Within(e.DN, t.base) {
		set.Add(anchor)
	}
	if renamed && created <= after && (known || isContainer(e)) {
		set.Containers = append(set.Containers, e.DN)
	}
}

// isContainer reports whether an entry is of a class that others are usually below.
func isContainer(e *ldapconn.Entry) bool {
	return slices.ContainsFunc(directory.Values(e, "objectClass"), func(class string) bool {
		switch strings.ToLower(class) {
		case "organizationalunit", "container", "domain", "organization", "locality", "country", "builtindomain":
			return true
		}
		return false
	})
}

// highest returns the number of the last change, as of when the server was asked.
func (t *usnTracker) highest() (int64, error) {
	n, err := strconv.ParseInt(directory.Value(t.s.Root, "highestCommittedUSN"), 10, 64)
	if err != nil {
		return 0, t.d.Fault("no-start-change-log-not-enabled", "the server does not number its changes")
	}
	return n, nil
}

// controller returns the invocationId of the controller, which changes when it is
// restored from a backup.
func (t *usnTracker) controller(ctx context.Context, c *ldapconn.Conn) (string, error) {
	settings := directory.Value(t.s.Root, "dsServiceName")
	e, err := c.Read(ctx, settings, []string{"invocationId"}, 0)
	if err != nil {
		return "", err
	}
	if e == nil || directory.Value(e, "invocationId") == "" {
		return "", t.d.Fault("no-start-change-log-not-enabled", "the server does not say which controller it is: invocationId of %q cannot be read", settings)
	}
	return guidText(directory.Value(e, "invocationId")), nil
}

// seesDeleted reports whether whoever is bound may see deleted objects.
func (t *usnTracker) seesDeleted(ctx context.Context, c *ldapconn.Conn) (bool, error) {
	defer c.EndWith(ctx)()
	found, err := c.LDAP().Search(ldap.NewSearchRequest(
		"<WKGUID="+deletedObjects+","+t.nc+">", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"1.1"}, []ldap.Control{ldap.NewControlString(oidShowDeleted, true, "")},
	))
	if err != nil && !ldapconn.Answered(err) {
		return false, err
	}
	return err == nil && len(found.Entries) > 0, nil
}
