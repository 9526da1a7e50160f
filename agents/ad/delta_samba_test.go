//go:build unix && samba

package ad

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// What changes behind the agent's back comes with a delta import as a full one shows it,
// and keeps its anchor: also what moves from one base into another, or out of all, and
// what is in a container that moves.
func TestDelta(t *testing.T) {
	for _, method := range []string{byDirSync, byUSN} {
		t.Run(method, func(t *testing.T) {
			base, elsewhere, admin := place(t), place(t), administrator(t)
			staff, leavers := "OU=Staff,"+base, "OU=Leavers,"+elsewhere
			create(t, admin, staff, "organizationalUnit")
			create(t, admin, leavers, "organizationalUnit")
			add := func(cn, parent string) string {
				return create(t, admin, "CN="+cn+","+parent, "user", "sAMAccountName", cn+method, "employeeID", "1", "title", "Dr")
			}
			ada, grace, joan, mary, jean := add("ada", staff), add("grace", staff), add("joan", staff), add("mary", staff), add("jean", leavers)
			create(t, admin, "CN=guest,"+staff, "user", "sAMAccountName", "guest"+method)
			s := settings(t, base)
			s.Changes = method
			numbered := user
			numbered.Settings = &ObjectSettings{Filter: "(employeeID=*)"}
			d := open(t, s, numbered)
			full, err := read(t, d, agent.ImportRequest{PageSize: 2})
			must(t, err)
			full.Expect(t, "full", "user "+ada, "user "+grace, "user "+joan, "user "+mary)
			anchor := func(dn string) string { return full.Entry(t, dn).Anchor }

			must(t, admin.Del(goldap.NewDelRequest(ada, nil)))
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(grace, "CN=hopper", true, base)))
			modify(t, admin, joan, "employeeID")
			modify(t, admin, mary, "title")
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(jean, "CN=jean", true, staff)))
			delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark})
			must(t, err)
			hopper := "CN=hopper," + base
			delta.Expect(t, "delta", "gone", "gone", "user "+hopper, "user "+mary, "user CN=jean,"+staff)
			if delta.Entry(t, hopper).Anchor != anchor(grace) {
				t.Errorf("the rename changed the anchor of %s", grace)
			}
			if e := delta.Entry(t, mary); len(e.Attributes.Get("title")) > 0 || len(e.Attributes.Get("employeeID")) == 0 {
				t.Errorf("%v", e.Attributes)
			}
			for _, e := range delta.Entries {
				if e.Op == identity.Delete && e.Anchor != anchor(ada) && e.Anchor != anchor(joan) {
					t.Errorf("%s is gone, which is neither of the two", e.Anchor)
				}
			}
			quiet, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: delta.Watermark})
			must(t, err)
			quiet.Expect(t, "nothing changed")

			// Containers are no objects, and told as gone; what is in them moves all the same.
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest(staff, "OU=People", true, "")))
			moved, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: delta.Watermark})
			must(t, err)
			moved.Expect(t, "a container was renamed", "gone", "user CN=jean,OU=People,"+base, "user CN=mary,OU=People,"+base)
			must(t, admin.ModifyDN(goldap.NewModifyDNRequest("OU=People,"+base, "OU=People", true, elsewhere)))
			away, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: moved.Watermark})
			must(t, err)
			away.Expect(t, "a container has left the base", "gone", "gone", "gone")

			// All that is below is deleted with one request.
			create(t, admin, staff, "organizationalUnit")
			create(t, admin, "CN=one,"+staff, "user", "sAMAccountName", "one"+method, "employeeID", "1")
			back, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: away.Watermark})
			must(t, err)
			back.Expect(t, "a new container", "gone", "user CN=one,"+staff)
			must(t, admin.Del(goldap.NewDelRequest(staff, []goldap.Control{goldap.NewControlSubtreeDelete()})))
			last, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: back.Watermark})
			must(t, err)
			last.Expect(t, "a container was deleted", "gone", "gone")
		})
	}
}

// What cannot be told any more is an error by the name that makes the scheduler run a
// full import, never an import without changes.
func TestLostWatermarks(t *testing.T) {
	base := place(t)
	for name, test := range map[string]struct {
		method string
		spoil  func(w *directory.Watermark)
	}{
		"a cookie that the server does not know": {byDirSync, func(w *directory.Watermark) { w.Cookie = []byte("garbage") }},
		"another controller":                     {byUSN, func(w *directory.Watermark) { w.Server = "00000000-0000-0000-0000-000000000000" }},
		"a controller that was set back":         {byUSN, func(w *directory.Watermark) { w.Number = 1 << 40 }},
		"deleted objects that are hidden":        {byUSN, func(w *directory.Watermark) { w.Full = time.Now().Add(-48 * time.Hour) }},
		"another way":                            {byUSN, func(w *directory.Watermark) { w.Method = byDirSync }},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t, base)
			s.Changes = test.method
			d := open(t, s, user)
			full, err := read(t, d, agent.ImportRequest{})
			must(t, err)
			w := new(directory.Watermark)
			must(t, json.Unmarshal(full.Watermark, w))
			text, err := w.Bytes()
			must(t, err)
			if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: text}); err != nil {
				t.Errorf("as it was: %v", err)
			}
			test.spoil(w)
			text, err = w.Bytes()
			must(t, err)
			if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: text}); fault.Name(err) != "no-start-full-import-required" {
				t.Errorf("%v", err)
			}
		})
	}
}

// Without the right for DirSync changes are told by their numbers, and a right that is
// gone is noticed.
func TestWithoutTheRightForDirSync(t *testing.T) {
	base, admin := place(t), administrator(t)
	ada := create(t, admin, "CN=ada,"+base, "user", "sAMAccountName", "ada-norights")
	create(t, admin, "CN=reader,"+base, "user", "sAMAccountName", "ad-reader", "userPrincipalName", "ad-reader@ad.example.org",
		"userAccountControl", "512", "unicodePwd", quoted(t, "Secret123!"))
	s := settings(t, base)
	before := open(t, s, user)
	full, err := read(t, before, agent.ImportRequest{})
	must(t, err)
	s.BindDN, s.Password = "ad-reader@ad.example.org", "Secret123!"
	d := open(t, s, user)
	if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark}); fault.Name(err) != "no-start-full-import-required" {
		t.Errorf("with the cookie of somebody else: %v", err)
	}
	full, err = read(t, d, agent.ImportRequest{})
	must(t, err)
	if bytes.Contains(full.Watermark, []byte(`"cookie"`)) || !bytes.Contains(full.Watermark, []byte(`"number"`)) {
		t.Errorf("%s", full.Watermark)
	}
	modify(t, admin, ada, "title", "Countess")
	delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark})
	must(t, err)
	if !slices.Contains(delta.Lines, "user "+ada) {
		t.Errorf("%q", delta.Lines)
	}
	s.Changes = byDirSync
	if _, err := read(t, open(t, s, user), agent.ImportRequest{}); fault.Name(err) != "no-start-change-log-not-enabled" {
		t.Errorf("%v", err)
	}
}

func quoted(t testing.TB, password string) string {
	t.Helper()
	text, err := formatPassword(identity.String(password))
	must(t, err)
	return text
}
