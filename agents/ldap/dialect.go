package ldap

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

const oidSync = "1.3.6.1.4.1.4203.1.9.1.1" // RFC 4533

// A dialect is how these servers tell what changed.
type dialect struct {
	*directory.Directory
	settings Settings
}

// Root implements [directory.Dialect].
func (t *dialect) Root() []string {
	return []string{"changelog", "firstchangenumber", "lastchangenumber"}
}

// Learn implements [directory.Dialect].
func (t *dialect) Learn(_ context.Context, _ *ldapconn.Conn, s *directory.Server) error {
	switch {
	case is389(s):
		s.Anchor.Attribute = "nsUniqueId"
	case s.Subschema.HasAttribute("entryUUID"):
		s.Anchor.Attribute = "entryUUID"
	default:
		return t.Fault("no-start-database-schema-mismatch", "the server gives entries no entryUUID, so they could not be followed when they are renamed")
	}
	return nil
}

func is389(s *directory.Server) bool {
	return strings.Contains(directory.Value(s.Root, "vendorName"), "389")
}

// Tracker implements [directory.Dialect].
func (t *dialect) Tracker(s *directory.Server, base string) (directory.Tracker, error) {
	method := t.settings.Changes
	syncs := slices.Contains(s.Controls, oidSync)
	log := directory.Value(s.Root, "changelog")
	if method == "auto" {
		method, _ = automatic(s)
	}
	switch method {
	case "none":
		return nil, nil
	case "syncrepl":
		if !syncs || is389(s) {
			return nil, t.Fault("no-start-change-log-not-enabled", "the server has no content synchronization (RFC 4533) that an import can go on from")
		}
		return &syncrepl{t, s, base}, nil
	case "changelog":
		if log == "" {
			return nil, t.Fault("no-start-change-log-not-enabled", "the server names no change log in its root entry")
		}
		first, _ := strconv.ParseInt(directory.Value(s.Root, "firstchangenumber"), 10, 64) // 0 if there is none
		last, _ := strconv.ParseInt(directory.Value(s.Root, "lastchangenumber"), 10, 64)
		return &changelog{t, log, base, first, last}, nil
	case "accesslog":
		return &accesslog{t, base}, nil
	}
	return &timestamps{t, s, base}, nil
}
