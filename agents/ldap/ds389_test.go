//go:build unix && ds389

package ldap

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/servers"
)

func init() { each["389"] = func(t *testing.T) { use389(t) } }

// use389 makes 389 Directory Server the server of a test.
func use389(t *testing.T) *servers.DS389Server {
	t.Helper()
	s, err := ds389()
	must(t, err)
	target = testServer{s.URL, s.Suffix, s.Admin, s.Password}
	return s
}

var ds389 = sync.OnceValues(func() (*servers.DS389Server, error) {
	s, err := servers.DS389()
	if err == nil {
		stops = append(stops, s.Stop)
	}
	return s, err
})

func Test389Conformance(t *testing.T) {
	use389(t)
	conformance(t, func(*Settings) {})
}

func Test389ConformanceOverTLS(t *testing.T) {
	s := use389(t)
	ca := agent.Path(s.CA)
	t.Run("ldaps", func(t *testing.T) {
		conformance(t, func(settings *Settings) { settings.URL, settings.CA = s.SecureURL, ca })
	})
	t.Run("StartTLS", func(t *testing.T) {
		conformance(t, func(settings *Settings) { settings.StartTLS, settings.CA = true, ca })
	})
}

// The change log tells what others did, also that a container has moved which is no
// object; numbers that it does not reach any more need a full import.
func Test389Delta(t *testing.T) {
	use389(t)
	base := place(t)
	admin := administrator(t)
	staff, former := "ou=staff,"+base, "ou=former,"+base
	container(t, admin, staff)
	ada := someone(t, admin, "ada", staff)
	grace := someone(t, admin, "grace", staff)
	d := open(t, settings(base), person)
	full, err := read(t, d, agent.ImportRequest{PageSize: 1})
	must(t, err)
	full.Expect(t, "full", "person "+ada, "person "+grace)
	if !bytes.Contains(full.Watermark, []byte(`"method":"changelog"`)) {
		t.Errorf("%s", full.Watermark)
	}

	must(t, admin.Del(goldap.NewDelRequest(ada, nil)))
	must(t, admin.ModifyDN(goldap.NewModifyDNRequest(staff, "ou=former", true, "")))
	delta, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: full.Watermark})
	must(t, err)
	if !slices.Contains(delta.Lines, "person uid=grace,"+former) || !slices.Contains(delta.Lines, "gone") {
		t.Errorf("%q", delta.Lines)
	}
	for _, e := range delta.Entries {
		if e.DN == "uid=grace,"+former && !slices.ContainsFunc(full.Entries, func(f agent.Entry) bool { return f.DN == grace && f.Anchor == e.Anchor }) {
			t.Errorf("the move changed the anchor to %s", e.Anchor)
		}
	}
	for name, number := range map[string]int64{"cut": -1, "set back": 1 << 40} {
		w := directory.Watermark{Method: "changelog", Base: base, Settings: d.Digest(), Number: number}
		text, err := w.Bytes()
		must(t, err)
		if _, err := read(t, d, agent.ImportRequest{Delta: true, Watermark: text}); fault.Name(err) != "no-start-full-import-required" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
