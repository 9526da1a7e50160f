package ldif

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const base = "version: 1\n\n" +
	"# the people\ndn: ou=p\nobjectClass: organizationalUnit\nou: p\n\n" +
	"dn: uid=a,ou=p\nobjectClass: person\nobjectClass: inetOrgPerson\nuid: a\nentryUUID: 1\ntitle: T\n elephone\nmail: x\nmail: y\ncn;lang-de: \nunknown: z\n\n" +
	"dn:: dWlkPWIsb3U9cA==\nobjectclass: INETORGPERSON\nUID: b\nentryuuid: 2\nmanager: UID=a,ou=p\nmember: uid=x\nuserCertificate;binary:: AAE=\n\n"

func TestImport(t *testing.T) {
	a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", strings.ReplaceAll(base, "\n", "\r\n")))}, anchored(person, "entryUUID"))
	lines, complete, watermark, err := importAll(t, a, agent.ImportRequest{PageSize: 1})
	want := []string{
		`add uid=a,ou=p #1 cn;lang-de="" entryUUID="1" mail="x","y" title="Telephone" uid="a"`,
		`add uid=b,ou=p #2 entryUUID="2" manager="UID=a,ou=p" member="uid=x" uid="b" userCertificate="AAE="`,
	}
	if diff := cmp.Diff(want, lines); diff != "" || err != nil || !complete {
		t.Errorf("%v\n%s", err, diff)
	}
	imp, err := a.(agent.Importer).OpenImport(t.Context(), agent.ImportRequest{Delta: true, Watermark: watermark})
	if err != nil || !imp.Unchanged() {
		t.Errorf("the same file is not unchanged: %v", err)
	}
	if _, err := imp.Close(t.Context(), agent.Completed); err != nil {
		t.Error(err)
	}
}

// A file that is cut off anywhere but between two records ends the import, with the
// place.
func TestTornFile(t *testing.T) {
	for n := 1; n < len(base); n++ {
		path := writeFile(t, "p.ldif", base[:n])
		a := open(t, Settings{File: agent.Path(path)}, person)
		_, _, _, err := importAll(t, a, agent.ImportRequest{})
		atBoundary := base[n-1] == '\n' && (n < 12 || strings.HasSuffix(base[:n], "\n\n") || strings.HasSuffix(base[:n], "people\n"))
		if (err == nil) != atBoundary {
			t.Errorf("cut at %d (%.20q): %v", n, base[max(0, n-20):n], err)
		}
		if err != nil && (fault.Name(err) != malformed || fault.As(err, "").Position.Line == 0 || fault.As(err, "").Position.File != path) {
			t.Errorf("cut at %d: %v", n, err)
		}
		if _, exportErr := export(t, a); (exportErr == nil) != (err == nil) {
			t.Errorf("cut at %d: import %v, export %v", n, err, exportErr)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, tt := range []struct{ content, want string }{
		{"", "p.ldif:1:1: stopped-parsing-errors: agent \"Dir\": the file is empty"},
		{"version: 2\n", "p.ldif:1:9: stopped-parsing-errors: agent \"Dir\": version \"2\" of LDIF is not known, only 1"},
		{"dn: cn=a\ncn a\n\n", "p.ldif:2:1: stopped-parsing-errors: agent \"Dir\": there is no colon behind the name of an attribute"},
		{"cn: a\ndn: cn=a\n\n", "p.ldif:1:1: stopped-parsing-errors: agent \"Dir\": a record begins with \"cn\", not with dn"},
		{"dn: cn=a\ncn:: a\n\n", "p.ldif:2:5: stopped-parsing-errors: agent \"Dir\", attribute \"cn\": the value is not base64"},
		{"dn: cn=a\ncn: a\ndn: cn=b\n\n", "p.ldif:3:1: stopped-parsing-errors: agent \"Dir\": a second dn in the record of line 1"},
		{"dn: cn=a\n\n x\n", "p.ldif:3:1: stopped-parsing-errors: agent \"Dir\": a line begins with a space"},
		{"dn: cn=a\nchangetype: delete\n\n", "p.ldif:2:1: stopped-parsing-errors: agent \"Dir\": a change in a file of entries"},
		{"dn: cn=a\ncn: \x00\n\n", "p.ldif:2:5: stopped-file-embedded-nulls: agent \"Dir\": a null byte"},
	} {
		_, _, _, err := importAll(t, open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", tt.content))}, person), agent.ImportRequest{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.content, err, tt.want)
		}
	}
}

// Errors of an entry stay with it.
func TestBadEntries(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "photo.jpg"), []byte{0xff, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	head := func(n string) string { return "dn: uid=" + n + "\nobjectClass: inetOrgPerson\n" }
	path := filepath.Join(folder, "p.ldif")
	content := "dn: nobody\nobjectClass: inetOrgPerson\n\n" + "dn: uid=1\nuid: 1\n\n" + head("2") + "age: old\n\n" + head("3") + "title: \xe9\n\n" +
		head("4") + "jpegPhoto:< file://" + folder + "/photo.jpg\n\n" + head("5") + "jpegPhoto:< file://" + secret + "\n\n" +
		head("6") + "jpegPhoto:< file://" + folder + "/link\n\n" + head("7") + "jpegPhoto:< http://x/y\n\n" + head("8") + "title: ok\n\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, _, _, err := importAll(t, open(t, Settings{File: agent.Path(path), URLs: agent.Path(folder)}, person), agent.ImportRequest{})
	want := []string{
		"dn-not-ldap-conformant at p.ldif:1:0", "missing-object-type at p.ldif:4:0", "invalid-numeric-value at p.ldif:9:0 age",
		"code-page-conversion at p.ldif:13:0 title", `add uid=4 jpegPhoto="/wA="`, "invalid-attribute-value at p.ldif:21:0 jpegPhoto",
		"invalid-attribute-value at p.ldif:25:0 jpegPhoto", "invalid-attribute-value at p.ldif:29:0 jpegPhoto", `add uid=8 title="ok"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	lines, _, _, err = importAll(t, open(t, Settings{File: agent.Path(path), Charset: "iso-8859-1"}, person), agent.ImportRequest{})
	if err != nil || lines[3] != `add uid=3 title="é"` || lines[4] != "invalid-attribute-value at p.ldif:17:0 jpegPhoto" {
		t.Errorf("%q %v", lines, err)
	}
}

// The first type fits whose classes an entry has.
func TestObjectTypes(t *testing.T) {
	content := "dn: cn=1\nobjectClass: user\n\ndn: cn=2\nobjectClass: user\nobjectClass: computer\n\ndn: cn=3\nobjectClass: user\nobjectClass: mailbox\n\n"
	a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", content))},
		agent.Object{Name: "mailUser", Settings: &ObjectSettings{Class: "user", Auxiliary: []string{"mailBox"}}},
		agent.Object{Name: "user", Settings: &ObjectSettings{Exclude: []string{"Computer"}}})
	imp, err := a.(agent.Importer).OpenImport(t.Context(), agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	page := new(agent.Page)
	if err := imp.Next(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range page.Entries {
		got = append(got, e.DN+" "+e.ObjectType)
	}
	if diff := cmp.Diff([]string{"cn=1 user", "cn=3 mailUser"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := imp.Close(t.Context(), agent.Completed); err != nil {
		t.Fatal(err)
	}
}

func TestHierarchy(t *testing.T) {
	content := "dn: dc=x,dc=y\nobjectClass: dcObject\n\ndn: ou=e,dc=x,dc=y\nobjectClass: organizationalUnit\n\ndn: uid=1,ou=p,dc=x,dc=y\nobjectClass: person\n\n"
	a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", content))}, person).(agent.Hierarchical)
	for parent, want := range map[string][]agent.Container{
		"": {{DN: "dc=x,dc=y"}}, "DC=x, dc=Y": {{DN: "ou=e,dc=x,dc=y", IsLeaf: true}, {DN: "ou=p,dc=x,dc=y", IsLeaf: true}}, "ou=e,dc=x,dc=y": nil,
	} {
		got, err := a.Hierarchy(t.Context(), parent)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", parent, err, diff)
		}
	}
}

// A log of changes laid over a file.
func TestChanges(t *testing.T) {
	for _, objects := range []agent.Object{anchored(person, "entryUUID"), person} {
		folder := t.TempDir()
		file, log := filepath.Join(folder, "p.ldif"), filepath.Join(folder, "log.ldif")
		write := func(path, content string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(file, base)
		first := "version: 1\n\ndn: uid=a,ou=p\nchangetype: modify\nreplace: title\ntitle: Boss\n-\ndelete: mail\nmail: X\n-\nadd: telephoneNumber\ntelephoneNumber: 1\n\n"
		write(log, first)
		a := open(t, Settings{File: agent.Path(file), Changes: agent.Path(log)}, objects)
		name := func(dn, id string) string {
			if a.Capabilities().AnchorIsDN {
				return dn
			}
			return dn + " #" + id
		}
		check := func(what string, watermark []byte, wantComplete bool, want ...string) []byte {
			t.Helper()
			lines, complete, watermark, err := importAll(t, a, agent.ImportRequest{Delta: watermark != nil, Watermark: watermark})
			if diff := cmp.Diff(want, lines); diff != "" || err != nil || complete != wantComplete {
				t.Errorf("%s: complete %v, %v\n%s", what, complete, err, diff)
			}
			return watermark
		}
		one := `cn;lang-de="" entryUUID="1" mail="y" telephoneNumber="1" title="Boss" uid="a"`
		two := ` entryUUID="2" manager="UID=a,ou=p" member="uid=x" uid="b" userCertificate="AAE="`
		w := check("full", nil, true, "add "+name("uid=a,ou=p", "1")+" "+one, "add "+name("uid=b,ou=p", "2")+two)
		check("nothing new", w, false)

		write(log, first+"dn: ou=p\nchangetype: modrdn\nnewrdn: ou=q\ndeleteoldrdn: 1\n\ndn: uid=b,ou=q\nchangetype: delete\n\n"+
			"dn: uid=c,ou=q\nchangetype: add\nobjectClass: inetOrgPerson\nuid: c\nentryUUID: 3\n\ndn: uid=c,ou=q\nchangetype: moddn\nnewrdn: uid=d\ndeleteoldrdn: 1\nnewsuperior: ou=r\n\n")
		var want []string
		if a.Capabilities().AnchorIsDN {
			want = []string{"delete uid=a,ou=p", "add uid=a,ou=q " + one, "delete uid=b,ou=p", `add uid=d,ou=r entryUUID="3" uid="d"`}
		} else {
			want = []string{"add uid=a,ou=q #1 " + one, "delete uid=b,ou=p #2", `add uid=d,ou=r #3 entryUUID="3" uid="d"`}
		}
		w2 := check("delta", w, false, want...)
		check("the same again", w2, false)
		check("full after", nil, true, "add "+name("uid=a,ou=q", "1")+" "+one, "add "+name("uid=d,ou=r", "3")+` entryUUID="3" uid="d"`)

		write(log, readFile(t, log)+"dn: uid=nobody\nchangetype: modify\nreplace: title\n-\n\n")
		check("about nobody", w2, false, "need-full-object at log.ldif:34:0")

		// A log that was begun anew, and a new file, are read whole.
		write(log, "version: 1\n\n")
		check("another log", w2, true, "add "+name("uid=a,ou=p", "1")+` cn;lang-de="" entryUUID="1" mail="x","y" title="Telephone" uid="a"`, "add "+name("uid=b,ou=p", "2")+two)

		// What has no end yet is not taken.
		write(log, "dn: uid=a,ou=p\nchangetype: modify\nreplace: title\n")
		if _, _, _, err := importAll(t, a, agent.ImportRequest{}); fault.Name(err) != malformed {
			t.Errorf("torn log: %v", err)
		}
		if _, err := export(t, a); fault.Name(err) != "no-start-bad-ma-configuration" {
			t.Errorf("export below a log: %v", err)
		}
	}
}

// A file that was written after the changes of the log holds them already.
func TestNewerFile(t *testing.T) {
	log := "dn: uid=a\nchangetype: add\nobjectClass: inetOrgPerson\nuid: a\ntitle: 1\n\ndn: uid=a\nchangetype: modify\nreplace: title\ntitle: 2\n-\n\n" +
		"dn: uid=a\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 1\n\ndn: uid=x\nchangetype: modify\ndelete: title\n-\n\ndn: uid=x\nchangetype: delete\n\n"
	for _, file := range []string{"version: 1\n", "dn: uid=b\nobjectClass: inetOrgPerson\nuid: b\ntitle: 2\n\n"} {
		a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", file)), Changes: agent.Path(writeFile(t, "log.ldif", log))}, person)
		lines, _, _, err := importAll(t, a, agent.ImportRequest{})
		if err != nil || len(lines) == 0 || lines[len(lines)-1] != `add uid=b title="2" uid="b"` {
			t.Errorf("%q: %q %v", file, lines, err)
		}
	}
}

func TestMalformedChanges(t *testing.T) {
	for content, want := range map[string]string{
		"dn: cn=a\ncn: a\n\n":                                                 "log.ldif:1:1",
		"dn: cn=a\nchangetype: burn\n\n":                                      "log.ldif:2:1",
		"dn: cn=a\nchangetype: modify\n\n":                                    "log.ldif:1:1",
		"dn: cn=a\nchangetype: modify\nreplace: cn\nsn: x\n-\n\n":             "log.ldif:4:1",
		"dn: cn=a\nchangetype: modify\n-\n\n":                                 "log.ldif:3:1",
		"dn: cn=a\nchangetype: modify\nadd: cn\n-\n\n":                        "log.ldif:3:1",
		"dn: cn=a\nchangetype: delete\ncn: a\n\n":                             "log.ldif:3:1",
		"dn: cn=a\nchangetype: modrdn\ndeleteoldrdn: 1\n\n":                   "log.ldif:1:1",
		"dn: cn=a\nchangetype: modrdn\nnewrdn: cn=b,cn=c\n\n":                 "log.ldif:3:1",
		"dn: cn=a\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: maybe\n\n": "log.ldif:4:1",
		"dn: x\nchangetype: delete\n\n":                                       "log.ldif:1:1",
	} {
		a := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", "version: 1\n")), Changes: agent.Path(writeFile(t, "log.ldif", content))}, person)
		_, _, _, err := importAll(t, a, agent.ImportRequest{})
		if fault.Name(err) != malformed || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		settings Settings
		objects  []agent.Object
		want     string
	}{
		{Settings{}, []agent.Object{person}, "file is missing"},
		{Settings{File: "a", ExportChanges: "b"}, []agent.Object{person}, "exportChanges excludes file"},
		{Settings{File: "a", Changes: "a"}, []agent.Object{person}, "are the same"},
		{Settings{File: "a", Changes: "b", Create: true}, []agent.Object{person}, "create has no meaning"},
		{Settings{File: "a", Charset: "ebcdic"}, []agent.Object{person}, "ebcdic"},
		{Settings{File: "a"}, nil, "no object type"},
		{Settings{File: "a"}, []agent.Object{anchored(person, "dn")}, "cannot be an anchor"},
		{Settings{File: "a"}, []agent.Object{person, anchored(agent.Object{Name: "group"}, "cn")}, "either all"},
		{Settings{File: "a"}, []agent.Object{{Name: "x", Attributes: []agent.Attribute{{Name: "a b"}}}}, "no such attribute"},
		{Settings{File: "a"}, []agent.Object{{Name: "x", Attributes: []agent.Attribute{{Name: "a", Type: identity.TypeString, Multi: true, Separator: "|"}}}}, "need no separator"},
		{Settings{File: "a"}, []agent.Object{{Name: "x", Settings: &ObjectSettings{Exclude: []string{"X"}}}}, "is excluded"},
	} {
		_, err := tt.settings.Open(agent.Env{Name: "Dir", Objects: tt.objects})
		if fault.Name(err) != "no-start-bad-ma-configuration" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}
