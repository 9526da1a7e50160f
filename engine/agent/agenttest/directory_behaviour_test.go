package agenttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

var errConnection = fault.New("stopped-connectivity", "the connection broke")

// read imports everything and writes the entries down.
func read(t *testing.T, d *agenttest.Directory, req agent.ImportRequest) (lines []string, watermark []byte) {
	t.Helper()
	imp, err := d.OpenImport(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for page := new(agent.Page); ; {
		err := imp.Next(t.Context(), page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			line := fmt.Sprintf("%s %s", e.Op, e.DN)
			if e.NewDN != "" {
				line += " to " + e.NewDN
			}
			if e.Err != nil {
				line += " " + e.Err.Name
			}
			for _, a := range e.Attributes {
				line += fmt.Sprintf(" %s=%v", a.Name, a.Values)
			}
			for _, c := range e.Changes {
				line += fmt.Sprintf(" %s %s+%v-%v", c.Op, c.Name, c.Values, c.Removed)
			}
			lines = append(lines, line)
		}
	}
	watermark, err = imp.Close(t.Context(), agent.Completed)
	if err != nil {
		t.Fatal(err)
	}
	return lines, watermark
}

// put exports changes and returns the names of their errors.
func put(t *testing.T, d *agenttest.Directory, changes ...agent.Change) []string {
	t.Helper()
	x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := x.Put(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(results))
	for i, r := range results {
		if r.Err != nil {
			names[i] = r.Err.Name
		}
	}
	if err := x.Close(t.Context(), agent.Completed); err != nil {
		t.Fatal(err)
	}
	return names
}

func addUser(dn string, pairs ...any) agent.Change {
	return agent.Change{Op: identity.Add, ObjectType: "user", DN: dn, Changes: identity.Diff(nil, agenttest.Attrs(pairs...))}
}

func updateUser(dn, newDN string, pairs ...any) agent.Change {
	c := agent.Change{Op: identity.Update, ObjectType: "user", DN: dn, NewDN: newDN}
	for _, a := range agenttest.Attrs(pairs...) {
		c.Changes = append(c.Changes, identity.Change{Name: a.Name, Op: identity.Replace, Values: a.Values})
	}
	return c
}

func expectLines(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDirectoryLogsWhatPeopleDo(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	_, empty := read(t, d, agent.ImportRequest{})
	d.Put(agenttest.Object{DN: "CN=a", Attributes: agenttest.Attrs("name", "A", "password", "secret")}, agenttest.Object{DN: "CN=b"})
	anchor := d.Objects()[0].Anchor
	d.Put(agenttest.Object{DN: "CN=a", Attributes: agenttest.Attrs("name", "B", "mail", []string{"x"})}) // found by its name
	d.Put(agenttest.Object{DN: "CN=c", Anchor: anchor, Attributes: agenttest.Attrs("name", "B", "mail", []string{"y", "z"})})
	number := d.ChangeNumber()
	d.Put(agenttest.Object{DN: "CN=c", Anchor: anchor, Attributes: agenttest.Attrs("name", "B", "mail", []string{"y", "z"})}) // changes nothing
	if d.ChangeNumber() != number {
		t.Error("the same object again counts as a change")
	}
	d.Remove(anchor)
	if _, found := d.Object(anchor); found || len(d.Objects()) != 1 {
		t.Errorf("objects after Remove: %v", d.Objects())
	}

	lines, _ := read(t, d, agent.ImportRequest{Delta: true, Watermark: empty})
	expectLines(t, []string{
		"add CN=a name=[A]", "add CN=b",
		"update CN=a add mail+[x]-[] replace name+[B]-[]",
		"update CN=a to CN=c update mail+[y z]-[x]",
		"delete CN=c",
	}, lines)

	d.TrimLog()
	for _, watermark := range [][]byte{nil, empty, []byte("nonsense"), []byte("99")} {
		if _, err := d.OpenImport(t.Context(), agent.ImportRequest{Delta: true, Watermark: watermark}); fault.Name(err) != "no-start-full-import-required" {
			t.Errorf("delta import from %q: %v", watermark, err)
		}
	}
	_, watermark := read(t, d, agent.ImportRequest{})
	if lines, _ := read(t, d, agent.ImportRequest{Delta: true, Watermark: watermark}); len(lines) > 0 {
		t.Errorf("nothing happened, but %q", lines)
	}
}

func TestDirectoryWithoutLogKnowsThatNothingChanged(t *testing.T) {
	d := agenttest.NewDirectory(people, agent.Capabilities{AnchorIsDN: true})
	d.Put(agenttest.Object{Attributes: agenttest.Attrs("id", "1")})
	_, watermark := read(t, d, agent.ImportRequest{})
	imp, err := d.OpenImport(t.Context(), agent.ImportRequest{Delta: true, Watermark: watermark})
	if err != nil || !imp.Complete() || !imp.Unchanged() {
		t.Errorf("%v, Complete %v, Unchanged %v", err, imp.Complete(), imp.Unchanged())
	}
	d.Put(agenttest.Object{Anchor: "2"})
	lines, _ := read(t, d, agent.ImportRequest{Delta: true, Watermark: watermark})
	expectLines(t, []string{"add 1 id=[1]", "add 2 id=[2]"}, lines)
}

func TestDirectoryTree(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	d.Check(agenttest.Checks{Suffix: "DC=x", References: true})
	expectLines(t, []string{"", "", "", "non-existent-parent", "non-existent-parent", "dn-attributes-failure", "invalid-dn", "cd-existing-object"}, put(
		t, d,
		addUser("OU=a,DC=x"), addUser("CN=1,OU=a,DC=x"),
		addUser("CN=g,DC=x", "member", []identity.Value{identity.Reference("cn=1, ou=A,dc=x"), identity.Reference("OU=a,DC=x")}),
		addUser("CN=2,OU=b,DC=x"), addUser("CN=2,DC=y"),
		addUser("CN=2,DC=x", "member", identity.Reference("CN=3,DC=x")),
		addUser("what"), addUser("cn=1,ou=A,dc=x"),
	))
	number := d.ChangeNumber()
	remove := agent.Change{Op: identity.Delete, ObjectType: "user", DN: "OU=a,DC=x"}
	expectLines(t, []string{"constraint-violation", "", "rename-to-existing-dn", "non-existent-parent"}, put(
		t, d, remove, updateUser("OU=a,DC=x", "OU=b,DC=x"), updateUser("OU=b,DC=x", "CN=g,DC=x"), updateUser("CN=g,DC=x", "CN=g,OU=a,DC=x"),
	))
	lines, watermark := read(t, d, agent.ImportRequest{})
	expectLines(t, []string{"add OU=b,DC=x", "add CN=1,OU=b,DC=x", "add CN=g,DC=x member=[CN=1,OU=b,DC=x OU=b,DC=x]"}, lines)
	if d.ChangeNumber() != number+1 {
		t.Error("the consequences of a rename are logged")
	}
	remove.DN = "CN=1,OU=b,DC=x"
	expectLines(t, []string{""}, put(t, d, remove))
	lines, _ = read(t, d, agent.ImportRequest{})
	expectLines(t, []string{"add OU=b,DC=x", "add CN=g,DC=x member=[OU=b,DC=x]"}, lines)
	lines, _ = read(t, d, agent.ImportRequest{Delta: true, Watermark: watermark})
	expectLines(t, []string{"delete CN=1,OU=b,DC=x"}, lines)
}

func TestDirectoryRefuses(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	d.Put(agenttest.Object{DN: "CN=a"})
	for _, test := range []struct {
		change agent.Change
		want   string
	}{
		{updateUser("CN=a", "", "name", 7), "type-mismatch"},
		{updateUser("CN=a", "", "name", []string{"x", "y"}), "constraint-violation"},
		{updateUser("CN=a", "", "created", "now"), "readonly-attribute"},
		{updateUser("CN=a", "", "member", identity.ReferenceTo(7)), "dn-attributes-failure"},
		{addUser(""), "invalid-dn"},
		{agent.Change{Op: identity.Obsolete, ObjectType: "user", DN: "CN=a"}, "unexpected-error"},
	} {
		if got := put(t, d, test.change)[0]; got != test.want {
			t.Errorf("%s %v: %q, want %q", test.change.Op, test.change.Changes, got, test.want)
		}
	}
	table := agenttest.NewDirectory(people, agent.Capabilities{AnchorIsDN: true})
	table.Put(agenttest.Object{Anchor: "1"})
	change := agent.Change{Op: identity.Update, ObjectType: "person", Anchor: "1", DN: "1", Changes: []identity.Change{{Name: "id", Op: identity.Replace, Values: []identity.Value{identity.String("2")}}}}
	if got := put(t, table, change)[0]; got != "modify-naming-attribute" {
		t.Errorf("anchor attribute: %q", got)
	}
}

func TestDirectoryGivesAnchors(t *testing.T) {
	for _, test := range []struct {
		name   string
		schema identity.Schema
		caps   agent.Capabilities
		change agent.Change
		want   agenttest.Object
	}{
		{"of its own", accounts, ldap, addUser("CN=a"), agenttest.Object{Type: "user", DN: "CN=a", Anchor: "1"}},
		{
			"in the anchor attribute", people,
			agent.Capabilities{AnchorIsDN: true},
			agent.Change{Op: identity.Add, ObjectType: "person"},
			agenttest.Object{Type: "person", DN: "1", Anchor: "1", Attributes: agenttest.Attrs("id", "1")},
		},
	} {
		d := agenttest.NewDirectory(test.schema, test.caps)
		x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
		if err != nil {
			t.Fatal(err)
		}
		results, err := x.Put(t.Context(), []agent.Change{test.change})
		if err != nil || results[0].Anchor != test.want.Anchor || results[0].DN != test.want.DN {
			t.Fatalf("%s: %+v, %v", test.name, results, err)
		}
		if got, _ := d.Object(test.want.Anchor); got.String() != test.want.String() {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestDirectoryFails(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	d.Put(agenttest.Object{DN: "CN=a", Anchor: "a", Attributes: agenttest.Attrs("name", "A")}, agenttest.Object{DN: "CN=b", Anchor: "b"})

	d.FailImport("a", fault.New("read-error", "unreadable"))
	lines, _ := read(t, d, agent.ImportRequest{})
	expectLines(t, []string{"add CN=a read-error", "add CN=b"}, lines)
	d.FailImport("a", nil)

	d.FailExport("CN=c", fault.New("permission-issue", "not allowed"))
	d.FailExport("b", fault.New("cd-error", "no"))
	byAnchor := updateUser("CN=b", "", "name", "B")
	byAnchor.Anchor = "b"
	expectLines(t, []string{"permission-issue", "cd-error", ""}, put(t, d, addUser("CN=c"), byAnchor, addUser("CN=d")))
	d.FailExport("CN=c", nil)
	expectLines(t, []string{""}, put(t, d, addUser("CN=c")))
	lines, _ = read(t, d, agent.ImportRequest{})
	expectLines(t, []string{"add CN=a name=[A]", "add CN=b", "add CN=d", "add CN=c"}, lines)
}

func TestDirectoryLosesConnection(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	d.Put(agenttest.Object{DN: "CN=a"}, agenttest.Object{DN: "CN=b"})
	d.FailCall(agenttest.CallSchema, 1, errConnection)
	if _, err := d.Schema(t.Context()); !errors.Is(err, errConnection) {
		t.Errorf("Schema: %v", err)
	}
	d.FailCall(agenttest.CallNext, 2, errConnection)
	imp, err := d.OpenImport(t.Context(), agent.ImportRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	page := new(agent.Page)
	for i, want := range []error{nil, errConnection, nil, io.EOF} {
		if err := imp.Next(t.Context(), page); !errors.Is(err, want) {
			t.Errorf("Next %d: %v, want %v", i, err, want)
		}
	}
	if got := d.Calls(agenttest.CallNext); got != 4 {
		t.Errorf("%d calls of Next", got)
	}

	x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d.FailCall(agenttest.CallPut, 1, errConnection)
	d.LoseAnswer(agenttest.CallPut, 2, errConnection)
	for i, want := range []int{2, 3} {
		if _, err := x.Put(t.Context(), []agent.Change{addUser(fmt.Sprintf("CN=new %d", i))}); !errors.Is(err, errConnection) || len(d.Objects()) != want {
			t.Errorf("Put %d: %v, %d objects", i, err, len(d.Objects()))
		}
	}
}

func TestDirectoryOnCall(t *testing.T) {
	d := agenttest.NewDirectory(accounts, ldap)
	ctx, cancel := context.WithCancel(t.Context())
	d.OnCall(func(call agenttest.Call) {
		if call == agenttest.CallOpenImport {
			d.Put(agenttest.Object{DN: "CN=late"})
		} else if call == agenttest.CallNext {
			cancel()
		}
	})
	imp, err := d.OpenImport(ctx, agent.ImportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := imp.Next(ctx, new(agent.Page)); !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v", err)
	}
	d.OnCall(nil)
	page := new(agent.Page)
	if err := imp.Next(t.Context(), page); err != nil || len(page.Entries) != 1 {
		t.Errorf("Next: %v, %d entries", err, len(page.Entries))
	}
	if _, err := imp.Close(t.Context(), agent.Aborted); err != nil {
		t.Fatal(err)
	}
	if err := imp.Next(t.Context(), page); err == nil {
		t.Error("Next after Close succeeds")
	}
}

func TestDirectoryAllOrNothingConflict(t *testing.T) {
	d := agenttest.NewDirectory(people, agent.Capabilities{AnchorIsDN: true, AllOrNothing: true})
	x, err := d.OpenExport(t.Context(), agent.ExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Put(t.Context(), []agent.Change{{Op: identity.Add, ObjectType: "person", DN: "1"}}); err != nil {
		t.Fatal(err)
	}
	d.Put(agenttest.Object{Anchor: "2"})
	if err := x.Close(t.Context(), agent.Completed); fault.Name(err) != "stopped-export-write" {
		t.Errorf("Close: %v", err)
	}
	if objects := d.Objects(); len(objects) != 1 || objects[0].Anchor != "2" {
		t.Errorf("objects %v", objects)
	}
	if _, err := x.Put(t.Context(), nil); err == nil {
		t.Error("Put after Close succeeds")
	}
}

func TestMistakesInTestsPanic(t *testing.T) {
	d := agenttest.NewDirectory(people, agent.Capabilities{AnchorIsDN: true})
	odd := make([]any, 1)
	for name, mistake := range map[string]func(){
		"unknown attribute": func() { d.Put(agenttest.Object{Anchor: "1", Attributes: agenttest.Attrs("mail", "x")}) },
		"unknown object":    func() { d.Remove("1") },
		"name alone":        func() { agenttest.Attrs(odd...) },
		"no value":          func() { agenttest.Attrs("name", 1.5) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "agenttest") {
					t.Errorf("%s: %s", name, text)
				}
			}()
			mistake()
		}()
	}
}
