package ldif

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func update(dn string, changes ...identity.Change) agent.Change {
	return agent.Change{Op: identity.Update, ObjectType: "person", DN: dn, Anchor: dn, Changes: changes}
}

func replace(name string, values ...identity.Value) identity.Change {
	if len(values) == 0 {
		return identity.Change{Name: name, Op: identity.Delete}
	}
	return identity.Change{Name: name, Op: identity.Replace, Values: values}
}

// Only what a change is about becomes another.
func TestExportKeepsTheRest(t *testing.T) {
	before := "# top\nversion: 1\n\n# about p\ndn: ou=p\nobjectClass: organizationalUnit\n\n# about a\ndn: uid=a,ou=p\nobjectClass: inetOrgPerson\nuid: a\n# mails\nMAIL: x\nmail;x-old: kept\nMAIL:: eQ==\ntitle: a long\n  title\nunknown: z\n# end of a\n\n# about b\ndn: uid=b,ou=p\nobjectClass: inetOrgPerson\nuid: b\n\n# the end\n"
	path := writeFile(t, "p.ldif", before)
	a := open(t, Settings{File: agent.Path(path)}, person)
	mustExport(t, a, update("UID=a, ou=p", identity.Change{Name: "mail", Op: identity.Update, Removed: []identity.Value{identity.String("x")}, Values: []identity.Value{identity.String("z")}}))
	after := "# top\nversion: 1\n\n# about p\ndn: ou=p\nobjectClass: organizationalUnit\n\n# about a\ndn: uid=a,ou=p\nobjectClass: inetOrgPerson\nuid: a\n# mails\nmail;x-old: kept\nMAIL:: eQ==\nMAIL: z\ntitle: a long\n  title\nunknown: z\n# end of a\n\n# about b\ndn: uid=b,ou=p\nobjectClass: inetOrgPerson\nuid: b\n\n# the end\n"
	if diff := cmp.Diff(after, readFile(t, path)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	mustExport(t, a, update("uid=a,ou=p", replace("title", identity.String("a long title"))))
	if now, err := os.Stat(path); err != nil || !os.SameFile(info, now) || now.Mode().Perm() != 0o640 {
		t.Errorf("nothing changed, but the file was written: %v", err)
	}
	mustExport(t, a, agent.Change{Op: identity.Delete, ObjectType: "person", DN: "uid=b,ou=p", Anchor: "uid=b,ou=p"},
		agent.Change{Op: identity.Update, ObjectType: "person", DN: "uid=a,ou=p", Anchor: "uid=a,ou=p", NewDN: "uid=c,ou=p", Changes: []identity.Change{replace("title"), replace("mail")}},
		agent.Change{Op: identity.Add, ObjectType: "person", DN: "uid=n,ou=p", Changes: identity.Diff(nil, agenttest.Attrs("title", "é"))})
	after = "# top\nversion: 1\n\n# about p\ndn: ou=p\nobjectClass: organizationalUnit\n\n# about a\ndn: uid=c,ou=p\nobjectClass: inetOrgPerson\n# mails\nmail;x-old: kept\nunknown: z\nuid: c\n# end of a\n\n# the end\n\ndn: uid=n,ou=p\nobjectClass: inetOrgPerson\ntitle:: w6k=\nuid: n\n\n"
	if diff := cmp.Diff(after, readFile(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestExportCreates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.ldif")
	a := open(t, Settings{File: agent.Path(path)}, person)
	if _, err := export(t, a); fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("without create: %v", err)
	}
	object := person
	object.Settings = &ObjectSettings{Class: "inetOrgPerson", Auxiliary: []string{"posixAccount"}}
	a = open(t, Settings{File: agent.Path(path), Create: true}, object)
	if lines, complete, _, err := importAll(t, a, agent.ImportRequest{}); err != nil || complete || len(lines) > 0 {
		t.Errorf("import of nothing: %q %v %v", lines, complete, err)
	}
	mustExport(t, a, agent.Change{Op: identity.Add, ObjectType: "person", DN: "uid=a", Changes: identity.Diff(nil, identity.Attributes(nil).Set("userCertificate", identity.Binary([]byte{0xff})))})
	if diff := cmp.Diff("version: 1\n\ndn: uid=a\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuserCertificate;binary:: /w==\nuid: a\n\n", readFile(t, path)); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, a); fault.Name(err) != "no-start-file-not-found" {
		t.Errorf("a file that was taken away: %v", err)
	}
}

// Changes for somebody else to apply, which can be read as a log again.
func TestExportChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ldif")
	a := open(t, Settings{ExportChanges: agent.Path(path)}, person)
	if lines, complete, _, err := importAll(t, a, agent.ImportRequest{}); len(lines) > 0 || complete || err != nil || a.Capabilities().Confirmation != agent.NoConfirmation {
		t.Error("nothing can be read from a file of changes to apply, nor concluded from that", lines, complete, err)
	}
	changes := []agent.Change{
		{Op: identity.Add, ObjectType: "person", DN: "uid=a,ou=p", Changes: identity.Diff(nil, agenttest.Attrs("title", "T", "mail", []string{"x", "y"}))},
		update("uid=a,ou=p", identity.Change{Name: "mail", Op: identity.Update, Removed: []identity.Value{identity.String("x")}, Values: []identity.Value{identity.String("z")}}, replace("title")),
	}
	mustExport(t, a, changes...)
	moved := update("uid=a,ou=p", replace("title", identity.String("U")))
	moved.NewDN = "uid=b,ou=q"
	mustExport(t, a, moved)
	mustExport(t, a)
	want := "version: 1\n\ndn: uid=a,ou=p\nchangetype: add\nobjectClass: inetOrgPerson\nmail: x\nmail: y\ntitle: T\nuid: a\n\n" +
		"dn: uid=a,ou=p\nchangetype: modify\ndelete: mail\nmail: x\n-\nadd: mail\nmail: z\n-\nreplace: title\n-\n\n" +
		"dn: uid=a,ou=p\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 1\nnewsuperior: ou=q\n\ndn: uid=b,ou=q\nchangetype: modify\nreplace: title\ntitle: U\n-\n\n"
	if diff := cmp.Diff(want, readFile(t, path)); diff != "" {
		t.Error(diff)
	}
	reader := open(t, Settings{File: agent.Path(writeFile(t, "p.ldif", "version: 1\n")), Changes: agent.Path(path)}, person)
	lines, _, _, err := importAll(t, reader, agent.ImportRequest{})
	if diff := cmp.Diff([]string{`add uid=b,ou=q mail="y","z" title="U" uid="b"`}, lines); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.WriteFile(path, []byte("dn: uid=b\nchangetype: del"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, a, changes...); fault.Name(err) != malformed {
		t.Errorf("appended to a torn file: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(files) > 0 {
		t.Errorf("left behind: %q", files)
	}
}
