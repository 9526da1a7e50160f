package ldif

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// awkward are files as people have them.
var awkward = []string{
	"", "\n", "version: 1\n", base, "# c\n d\nversion:1\ndn:uid=a\nobjectclass:inetorgperson\n\n\n\n",
	"\xEF\xBB\xBFdn: uid=a\r\nobjectClass: inetOrgPerson\r\ntitle:\r\n\r\n",
	"dn: uid=a\nobjectClass: inetOrgPerson\ntitle:: w6k\n =\n#x\nmail:<file:///x\n\n", "dn: uid=a\n-\n\n", "dn:\n\n", "dn: uid=a\nx;;y: 1\n\n",
	"dn: uid=a\nchangetype: modify\nreplace: title\n-\n\n", "dn: uid=a\nobjectClass: inetOrgPerson\n\ndn: UID=A\nobjectClass: inetOrgPerson\n\n# end",
}

// FuzzScanner cuts any bytes into records: they add up to the file, and what is written
// of a line reads back the same.
func FuzzScanner(f *testing.F) {
	for _, content := range awkward {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s, r := newScanner("f.ldif", bytes.NewReader(content)), new(record)
		var all []byte
		for {
			more, err := s.next(r)
			if err != nil {
				return
			}
			all = append(all, r.raw...)
			if !more {
				break
			}
			var out []byte
			for _, l := range r.lines {
				if l.desc == "-" || l.form == '<' {
					return
				}
				out = appendLine(out, l.desc, l.value, "\n")
			}
			again := new(record)
			if ok, err := newScanner("again", bytes.NewReader(append(out, '\n'))).next(again); !ok || err != nil || len(again.lines) != len(r.lines) {
				t.Fatalf("%q was written as %q: %v", r.raw, out, err)
			}
			for i, l := range again.lines {
				if l.desc != r.lines[i].desc || l.value != r.lines[i].value {
					t.Fatalf("%q: %q was read back as %q", l.desc, r.lines[i].value, l.value)
				}
			}
			_, _ = s.change(r)
		}
		if !bytes.Equal(all, content) {
			t.Fatalf("the records %q are not the content %q", all, content)
		}
	})
}

// FuzzFile imports any bytes, and exports over them.
func FuzzFile(f *testing.F) {
	for _, content := range awkward {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "fuzz.ldif")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, Settings{File: agent.Path(path)}, person)
		before, _, _, err := importAll(t, a, agent.ImportRequest{PageSize: 3})
		if err != nil {
			if _, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{}); err == nil {
				t.Error("an export would write to a file that cannot be imported")
			}
			return
		}
		const dn = "uid=new one,ou=fuzz"
		names, err := export(t, a, agent.Change{Op: identity.Add, ObjectType: "person", DN: dn, Changes: identity.Diff(nil, agenttest.Attrs("title", " x\n"))})
		if err != nil || names[0] == "cd-existing-object" {
			return
		}
		got := readFile(t, path)
		if !strings.HasPrefix(got, string(content)) {
			t.Fatalf("added to %q: %q", content, got)
		}
		after, _, _, err := importAll(t, a, agent.ImportRequest{})
		if err != nil || len(after) != len(before)+1 || after[len(before)] != `add `+dn+` title=" x\n" uid="new one"` {
			t.Fatalf("%q became %q: %v", before, after, err)
		}
		mustExport(t, a, agent.Change{Op: identity.Delete, ObjectType: "person", DN: dn, Anchor: dn})
		if rest := strings.TrimPrefix(readFile(t, path), string(content)); strings.TrimSpace(rest) != "" {
			t.Fatalf("removed from %q: %q is left", content, rest)
		}
	})
}
