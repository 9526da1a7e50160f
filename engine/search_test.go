package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

const directories = `
metaverse:
  person: {attributes: {number: string, name: string, title: string, age: integer}}
agents:
  HR:
    type: memory
    objects:
      employee: {anchor: [id], strings: [name, title], attributes: {age: integer}}
      contractor: {anchor: [id], strings: [name, firm]}
  AD:
    type: memory
    names: ldap
    objects: {user: {anchor: [guid], strings: [cn, title, password], exportOnly: [password]}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id, name: name, title: title, age: age}}}
  - name: accounts
    agent: AD
    object: user
    metaverse: person
    outbound:
      provision: true
      flows:
        dn: ="cn=" + name + ",ou=" + title + ",dc=x"
        cn: name
        title: title
        password: {from: ="secret of " + name, initial: true}
`

// newDirectories returns a world with three employees, who have accounts, and a
// contractor.
func newDirectories(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, directories)
	for i, name := range []string{"Ada", "Bob", "Eve"} {
		o := agenttest.Object{Anchor: fmt.Sprint(i + 1), DN: fmt.Sprint(i + 1), Type: "employee"}
		o.Attributes = o.Attributes.Set("name", identity.String(name)).Set("age", identity.Integer(int64(30+i)))
		o.Attributes = o.Attributes.Set("title", identity.String([]string{"Boss", "Clerk", "Clerk"}[i]))
		w.systems["HR"].Put(o)
	}
	o := agenttest.Object{Anchor: "9", DN: "9", Type: "contractor"}
	o.Attributes = o.Attributes.Set("name", identity.String("Kim")).Set("firm", identity.String("Acme"))
	w.systems["HR"].Put(o)
	return w
}

func TestSearchConnectors(t *testing.T) {
	w := newDirectories(t)
	w.cycle()
	for _, tt := range []struct {
		query engine.ConnectorQuery
		want  string
	}{
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"age greater-than 30", "title equals clerk"}}, "2 3"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"age is-null"}}, "9"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"firm not-contains cm"}}, "1 2 3"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"firm present"}}, "9"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"object-type equals contractor"}}, "9"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"name ends a"}, State: "connector"}, "1"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"name starts k"}, State: "disconnector"}, "9"},
		{engine.ConnectorQuery{Agent: "HR", Anchor: "2"}, "2"},
		{engine.ConnectorQuery{Agent: "HR", Anchor: "2", Where: []string{"name equals Eve"}}, ""},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"name present"}, Limit: 2}, "1 2"},
		{engine.ConnectorQuery{Agent: "AD", DN: "CN=ada, OU=Boss,DC=X"}, "cn=Ada,ou=Boss,dc=x"},
		{engine.ConnectorQuery{Agent: "AD", Key: "CN=ada, OU=Boss,DC=X"}, "cn=Ada,ou=Boss,dc=x"},
		{engine.ConnectorQuery{Agent: "AD", Under: "OU=clerk, DC=x"}, "cn=Bob,ou=Clerk,dc=x cn=Eve,ou=Clerk,dc=x"},
		{engine.ConnectorQuery{Agent: "AD", Under: "cn=Ada,ou=Boss,dc=x"}, "cn=Ada,ou=Boss,dc=x"},
		{engine.ConnectorQuery{Agent: "AD", Under: "u=Clerk,dc=x"}, ""}, // no name ends in the middle of a component
		{engine.ConnectorQuery{Agent: "AD", Error: true}, ""},
	} {
		views, err := w.engine.Connectors(tt.query)
		if err != nil {
			t.Errorf("%+v: %v", tt.query, err)
			continue
		}
		var names []string
		for _, v := range views {
			names = append(names, v.DN)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%+v finds %q, want %q", tt.query, got, tt.want)
		}
	}
	w.systems["AD"].FailExport("cn=Ada,ou=Boss,dc=x", fault.New("permission-issue", "no"))
	o, _ := w.systems["HR"].object("1")
	o.Attributes = o.Attributes.Clone().Set("title", identity.String("Chief"))
	w.systems["HR"].Put(o)
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	w.run("AD", "export")
	views, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "AD", Error: true})
	if err != nil || len(views) != 1 || views[0].Error == nil {
		t.Errorf("objects with errors: %+v, %v", views, err)
	}
	for name, want := range map[string]int{"permission-issue": 1, "cd-error": 0} {
		if views, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "AD", Failure: name}); err != nil || len(views) != want {
			t.Errorf("objects that failed with %s: %+v, %v", name, views, err)
		}
	}
}

func TestSearchRefusals(t *testing.T) {
	w := newDirectories(t)
	for _, tt := range []struct {
		query engine.ConnectorQuery
		text  string
	}{
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"frim present"}}, `did you mean "firm"?`},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"xyz present"}}, "there are age anchor dn firm"},
		{engine.ConnectorQuery{Agent: "HR", Where: []string{"age equals old"}}, "old"},
		{engine.ConnectorQuery{Agent: "AD", Under: "no name"}, "dn-not-ldap-conformant"},
	} {
		_, err := w.engine.Connectors(tt.query)
		named := fault.As(err, "")
		if named == nil || named.Name != "invalid-search" || !strings.Contains(named.Error()+named.Hint, tt.text) {
			t.Errorf("%+v: %v, want %q", tt.query, err, tt.text)
		}
	}
}

func TestSearchObjects(t *testing.T) {
	w := newDirectories(t)
	w.cycle()
	for _, tt := range []struct {
		where []string
		want  int
	}{
		{[]string{"age less-than 32"}, 2},
		{[]string{"age less-than 32", "title not-contains o"}, 1},
		{[]string{"name not-present"}, 0},
		{[]string{"object-id equals 0000-000000000001"}, 1},
		{nil, 3},
	} {
		views, err := w.engine.Objects(engine.ObjectQuery{Type: "person", Where: tt.where})
		if err != nil || len(views) != tt.want {
			t.Errorf("%q finds %d objects, want %d: %v", tt.where, len(views), tt.want, err)
		}
	}
}

// The report says what the next exports do, and shows no secret.
func TestPendingExports(t *testing.T) {
	w := newDirectories(t)
	report := func(agent string) string {
		t.Helper()
		var b strings.Builder
		err := w.engine.PendingExports(t.Context(), agent, func(r engine.ExportRow) error {
			fmt.Fprintf(&b, "%s %s %s %s: %s %s %v -> %v", r.Agent, r.Object, r.DN, r.Operation, r.Attribute, r.AttributeOperation, r.Old, r.New)
			if r.Hidden {
				b.WriteString(" hidden")
			}
			b.WriteByte('\n')
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	text := report("")
	if strings.Contains(text, "secret of") || !strings.Contains(text, "AD user cn=Ada,ou=Boss,dc=x add: password add [] -> [] hidden\n") {
		t.Errorf("the report of adds:\n%s", text)
	}
	w.run("AD", "export")
	w.run("AD", "full-import")
	o, _ := w.systems["HR"].object("2")
	o.Attributes = o.Attributes.Clone().Set("title", identity.String("Chief"))
	w.systems["HR"].Put(o)
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	want := "AD user cn=Bob,ou=Clerk,dc=x update: dn replace [cn=Bob,ou=Clerk,dc=x] -> [cn=Bob,ou=Chief,dc=x]\n" +
		"AD user cn=Bob,ou=Clerk,dc=x update: title replace [Clerk] -> [Chief]\n"
	if diff := cmp.Diff(want, report("AD")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := report("HR"); got != "" {
		t.Errorf("of HR: %s", got)
	}
	if err := w.engine.PendingExports(t.Context(), "ADD", nil); fault.Name(err) != "unknown-agent" {
		t.Errorf("of nobody: %v", err)
	}
}

// A list of objects shows that there is a password to send, or sent, and not which.
func TestConnectorsShowNoPassword(t *testing.T) {
	w := newDirectories(t)
	shown := func() string {
		t.Helper()
		views, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "AD"})
		text, jsonErr := json.Marshal(views)
		if err := errors.Join(err, jsonErr); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	w.run("AD", "full-import")
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	for _, when := range []string{`"pendingExport":{"operation":"add"`, `"unconfirmedExport":{"operation":"add"`} {
		if text := shown(); !strings.Contains(text, when) || !strings.Contains(text, `"password":{"operation":"add","values":["(not shown)"]`) || strings.Contains(text, "secret of") {
			t.Errorf("want %s: %s", when, text)
		}
		w.run("AD", "export")
	}
}

// What does not fit is found, in both stores.
func TestVerify(t *testing.T) {
	w := newDirectories(t)
	w.cycle()
	if findings, err := w.engine.Verify(); err != nil || len(findings) != 0 {
		t.Fatalf("a sound store: %q, %v", findings, err)
	}
	damage := func(s store.Store, bucket store.Bucket) {
		t.Helper()
		err := s.Update(func(tx store.Tx) error {
			for key := range tx.Scan(bucket, nil, nil) {
				return tx.Delete(bucket, slices.Clone(key))
			}
			return fmt.Errorf("%s is empty", bucket)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	damage(w.state, "anchor")
	damage(w.history, "runs") // the number of the next run
	findings, err := w.engine.Verify()
	text := strings.Join(findings, "\n")
	if err != nil || !strings.Contains(text, "anchor index lacks") || !strings.Contains(text, "run record 1 is there") {
		t.Errorf("a damaged store: %q, %v", findings, err)
	}
}

// Agents that are no longer configured are no mistake of the store.
func TestVerifyForgottenAgent(t *testing.T) {
	w := newDirectories(t)
	w.cycle()
	i := strings.Index(directories, "  AD:")
	j := strings.Index(directories, "rules:")
	k := strings.Index(directories, "  - name: accounts")
	w.load(directories[:i] + directories[j:k])
	w.open()
	if findings, err := w.engine.Verify(); err != nil || len(findings) != 0 {
		t.Errorf("%q, %v", findings, err)
	}
}

// TestEachConnector: more objects than a page holds come once each, in their order,
// up to the limit; an error of the caller ends it.
func TestEachConnector(t *testing.T) {
	w := newWorld(t, directories)
	const n = 1300
	for i := range n {
		o := agenttest.Object{Anchor: fmt.Sprint(i), DN: fmt.Sprint(i), Type: "employee"}
		o.Attributes = o.Attributes.Set("name", identity.String(fmt.Sprint("P", i))).Set("title", identity.String([]string{"Even", "Odd"}[i%2]))
		w.systems["HR"].Put(o)
	}
	w.run("HR", "full-import")
	w.run("HR", "delta-sync")
	stop := errors.New("enough")
	for _, tt := range []struct {
		where       []string
		limit, stop int
		want        int
	}{{nil, 0, 0, n}, {nil, 500, 0, 500}, {nil, 501, 0, 501}, {nil, 0, 700, 700}, {[]string{"title equals odd"}, 0, 0, n / 2}, {[]string{"title equals odd"}, 600, 0, 600}} {
		seen, last := 0, identity.ID(0)
		err := w.engine.EachConnector(t.Context(), engine.ConnectorQuery{Agent: "HR", Where: tt.where, Limit: tt.limit}, func(v engine.ConnectorView) error {
			if v.ID <= last {
				t.Fatalf("%s comes after %s", v.ID, last)
			}
			if seen, last = seen+1, v.ID; seen == tt.stop {
				return stop
			}
			return nil
		})
		if seen != tt.want || (err != nil) != (tt.stop > 0) || err != nil && !errors.Is(err, stop) {
			t.Errorf("%+v: %d objects, %v", tt, seen, err)
		}
	}
	seen := 0
	err := w.engine.EachObject(t.Context(), engine.ObjectQuery{Type: "person"}, func(engine.ObjectView) error {
		seen++
		return nil
	})
	if err != nil || seen != n {
		t.Errorf("%d metaverse objects, %v, want %d", seen, err, n)
	}
}
