package directory

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// elsewhere returns which of the entries that are not in this base are in another one.
// Such an entry has moved, or was never here: servers tell of what changed outside of what
// they are asked for, too. The import of the other base delivers it, and it is not gone.
func (m *directoryImport) elsewhere(ctx context.Context, anchors []string, here map[string]bool) (map[string]bool, error) {
	var missing []string
	for _, anchor := range anchors {
		if !here[anchor] {
			missing = append(missing, anchor)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	out := map[string]bool{}
	for _, base := range m.d.settings.Base {
		if base == m.base {
			continue
		}
		entries, kinds, err := m.d.fetch(ctx, m.c, m.server, base, missing)
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			continue // whoever imports that base is told
		}
		if err != nil {
			return nil, err
		}
		for i := range entries {
			if kinds[i] != nil {
				out[m.server.Anchor.Of(&entries[i])] = true
			}
		}
	}
	return out, nil
}
