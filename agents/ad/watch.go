package ad

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Listen implements [directory.Dialect] by change notifications (MS-ADTS
// §3.1.1.3.4.1.9). They come for every entry of the naming context and do not say what
// has changed, so the metadata of the entry decides: what logons write is no news
// (autosync §4.1).
func (t *dialect) Listen(ctx context.Context, c *ldapconn.Conn, s *directory.Server, base string, heard func()) error {
	if t.changes == byNone {
		return t.Fault("no-start-change-log-not-enabled", "changes: none, so the directory is not listened to")
	}
	if !slices.Contains(s.Controls, oidNotification) {
		return t.Fault("no-start-change-log-not-enabled", "the server has no change notifications")
	}
	nc, err := t.namingContext(s, base)
	if err != nil {
		return err
	}
	begun, _ := strconv.ParseInt(directory.Value(s.Root, "highestCommittedUSN"), 10, 64) // 0: everything is new
	n := news{base: base, begun: begun, seen: map[string]int64{}}
	defer c.EndWith(ctx)()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := c.LDAP().SearchAsync(inner, ldap.NewSearchRequest(
		nc, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"objectGUID", "uSNChanged", "isDeleted", "lastKnownParent", metadataAttribute},
		[]ldap.Control{ldap.NewControlMicrosoftNotification(), ldap.NewControlMicrosoftShowDeleted()},
	), 64)
	// The server has the request for notifications once it has answered a later one.
	if _, err := c.Read(ctx, "", []string{"highestCommittedUSN"}, 0); err != nil {
		return err
	}
	heard()
	for answer.Next() {
		if e := answer.Entry(); e != nil && n.is(e) {
			heard()
		}
	}
	return answer.Err()
}

// news tells which notifications are about something that an import may show.
type news struct {
	base  string
	begun int64            // the number of the last change before it was listened
	seen  map[string]int64 // the number of the last change of an entry, by GUID
}

// maxSeen bounds what is remembered of entries. What was forgotten may be heard again.
const maxSeen = 1 << 16

func (n *news) is(e *ldap.Entry) bool {
	guid := e.GetEqualFoldAttributeValue("objectGUID")
	usn, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("uSNChanged"), 10, 64)
	if err != nil {
		return true // it may not be seen, so nobody knows
	}
	before := max(n.begun, n.seen[guid])
	if usn <= before {
		return false // only something that is not replicated has changed
	}
	if len(n.seen) >= maxSeen {
		clear(n.seen)
	}
	n.seen[guid] = usn
	if strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "TRUE") {
		return mayHaveBeenIn(e.GetEqualFoldAttributeValue("lastKnownParent"), n.base)
	}
	changed, known := changedSince(e.GetEqualFoldAttributeValue(metadataAttribute), before)
	switch {
	case !known || slices.Contains(changed, idName):
		return true
	case isNoise(changed):
		return false
	}
	return directory.Within(e.DN, n.base)
}
