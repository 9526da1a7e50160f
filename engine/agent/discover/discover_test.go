package discover_test

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestValues(t *testing.T) {
	for _, test := range []struct {
		texts  string // a blank is between objects, a bar between values of one
		typ    identity.Type
		unique bool
		names  bool
	}{
		{"", identity.TypeString, false, false},
		{"a b c", identity.TypeString, true, false},
		{"a b a", identity.TypeString, false, false},
		{"a|b c", identity.TypeString, false, false},
		{"1 20 20", identity.TypeInteger, false, false},
		{"1 20 3", identity.TypeString, true, false}, // may identify objects
		{"10115 10117 10117", identity.TypeString, false, false},
		{"01 2 2", identity.TypeString, false, false},
		{"+1 2 2", identity.TypeString, false, false},
		{"7 7 8", identity.TypeInteger, false, false},
		{"1 0 1", identity.TypeInteger, false, false},
		{"true FALSE true", identity.TypeBoolean, false, false},
		{"2026-01-31 2026-01-31T10:00:00Z 2026-01-31", identity.TypeDateTime, false, false},
		{"cn=a,dc=x cn=b,dc=x", identity.TypeString, true, true},
		{"cn=a cn=b,dc=x", identity.TypeString, true, false},
	} {
		var v discover.Values
		objects := strings.Fields(test.texts)
		for _, object := range objects {
			v.Add(strings.Split(object, "|")...)
		}
		v.Add() // an object without the attribute
		if got := v.Type(len(objects)); got != test.typ || v.Unique(len(objects)) != test.unique || v.Names() != test.names {
			t.Errorf("%q: %v, unique %v, names %v", test.texts, got, v.Unique(len(objects)), v.Names())
		}
		if v.Unique(len(objects) + 1) {
			t.Errorf("%q: unique although one object lacks it", test.texts)
		}
	}
}

func TestRefersTo(t *testing.T) {
	var ids, managers, strangers, one, many discover.Values
	for i := range 60000 {
		ids.Add(strconv.Itoa(i))
		managers.Add(strconv.Itoa(i / 100))
		strangers.Add("x" + strconv.Itoa(i/100))
		one.Add("1")
		many.Add(strconv.Itoa(i/2*2), strconv.Itoa(i/2*2+1))
	}
	for _, test := range []struct {
		name string
		v    *discover.Values
		want bool
	}{
		{"managers", &managers, true},
		{"values that are no anchors", &strangers, false},
		{"a single value, which may be anything", &one, false},
		{"more values than are remembered", &many, false},
		{"the anchor itself", &ids, false},
	} {
		if got := test.v.RefersTo(&ids); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestPlaces(t *testing.T) {
	var p discover.Places
	base := dn(t, "dc=x")
	for _, name := range []string{"dc=x", "cn=a,dc=x", "cn=b,ou=People,dc=x", "cn=c,OU=people,DC=x", "cn=d,ou=deeper,ou=people,dc=x"} {
		p.Add("person", dn(t, name), base)
	}
	p.Add("group", dn(t, "cn=g,dc=x"), base)
	want := []discover.Container{{"dc=x", "group", 1}, {"dc=x", "person", 2}, {"ou=People,dc=x", "person", 3}}
	if diff := cmp.Diff(want, p.List()); diff != "" {
		t.Error(diff)
	}
	for i := range 5000 {
		p.Add("person", dn(t, "cn=x,ou="+strconv.Itoa(i)+",dc=x"), base)
	}
	sum := 0
	for _, c := range p.List() {
		sum += c.Objects
	}
	if n := len(p.List()); n > 1002 || sum != 5006 {
		t.Errorf("%d places with %d objects", n, sum)
	}
}

func dn(t *testing.T, text string) identity.DN {
	t.Helper()
	dn, err := identity.ParseDN(text)
	if err != nil {
		t.Fatal(err)
	}
	return dn
}

// settings opens an agent that was made already; without object types it is another one.
type settings struct{ described, plain agent.Agent }

func (s *settings) Open(env agent.Env) (agent.Agent, error) {
	if len(env.Objects) == 0 && s.plain != nil {
		return s.plain, nil
	}
	return s.described, nil
}

// Any agent is asked for what all can tell, and its objects are counted.
func TestSystem(t *testing.T) {
	person := identity.ObjectType{Name: "person", Anchor: []string{"id"}, Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString}, {Name: "mail", Type: identity.TypeString, Multi: true}, {Name: "title", Type: identity.TypeString},
	}}
	team := identity.ObjectType{Name: "team", Anchor: []string{"id"}, Attributes: []identity.AttributeType{{Name: "id", Type: identity.TypeString}}}
	known := &listed{schema: identity.Schema{Types: []identity.ObjectType{person}}, entries: map[string][]agent.Entry{
		"north": {entry("1", "a", "b"), entry("2")},
		"south": {entry("3", "c"), {Err: fault.New("parse-error", "torn")}},
	}}
	all := &listed{schema: identity.Schema{Types: []identity.ObjectType{person, team}}}
	env := agent.Env{Name: "A", Objects: []agent.Object{{Name: "person"}}}
	d, err := discover.System(t.Context(), &settings{known, all}, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Types) != 2 || !d.Types[0].Configured || d.Types[1].Configured || d.Types[1].Name != "team" || d.Types[1].Objects != discover.Uncounted {
		t.Fatalf("%+v", d.Types)
	}
	p := d.Types[0]
	if diff := cmp.Diff(map[string]discover.Use{"id": {3, 1}, "mail": {2, 2}}, p.Use); diff != "" || p.Objects != 3 || !slices.Equal(p.Candidates, []string{"id"}) {
		t.Errorf("%+v %s", p, diff)
	}
	if diff := cmp.Diff([]discover.Container{{"north", "person", 2}, {"south", "person", 1}}, d.Containers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"1 object has an error and was not counted: an import tells which"}, d.Warnings); diff != "" {
		t.Error(diff)
	}
	if c := capability(d, "delta import"); c.Value != "no" {
		t.Errorf("%+v", c)
	}

	// What ends an import is a warning, and the numbers are the least there is.
	known.fails = true
	if d, err = discover.System(t.Context(), &settings{described: known}, env); err != nil {
		t.Fatal(err)
	}
	if p = d.Types[0]; !p.AtLeast || p.Objects != 3 || len(p.Candidates) > 0 || !strings.Contains(strings.Join(d.Warnings, ""), "stopped-connectivity") {
		t.Errorf("%+v %q", p, d.Warnings)
	}
}

func capability(d *discover.Discovery, name string) discover.Capability {
	i := slices.IndexFunc(d.Capabilities, func(c discover.Capability) bool { return c.Name == name })
	return d.Capabilities[max(i, 0)]
}

func entry(id string, mails ...string) agent.Entry {
	e := agent.Entry{ObjectType: "person", DN: id, Anchor: id, Attributes: identity.Attributes{}.Set("id", identity.String(id))}
	var values []identity.Value
	for _, mail := range mails {
		values = append(values, identity.String(mail))
	}
	if len(values) > 0 {
		e.Attributes = e.Attributes.Set("mail", values...)
	}
	return e
}

// listed is an agent with entries in two partitions. It is not told of the end of a run
// in a way that would count.
type listed struct {
	schema  identity.Schema
	entries map[string][]agent.Entry
	fails   bool
}

func (l *listed) Schema(context.Context) (identity.Schema, error) { return l.schema, nil }
func (l *listed) Capabilities() agent.Capabilities                { return agent.Capabilities{AnchorIsDN: true} }

func (l *listed) Partitions(context.Context) ([]agent.Partition, error) {
	return []agent.Partition{{Name: "north"}, {Name: "south"}}, nil
}

func (l *listed) OpenImport(_ context.Context, req agent.ImportRequest) (agent.Import, error) {
	return &listing{l.entries[req.Partition], l.fails}, nil
}

type listing struct {
	left  []agent.Entry
	fails bool
}

func (l *listing) Complete() bool  { return true }
func (l *listing) Unchanged() bool { return false }

func (l *listing) Next(_ context.Context, page *agent.Page) error {
	page.Reset()
	if len(l.left) == 0 {
		if l.fails {
			return fault.New("stopped-connectivity", "the line is cut")
		}
		return io.EOF
	}
	*page.Add() = l.left[0]
	l.left = l.left[1:]
	return nil
}

func (l *listing) Close(context.Context, agent.Outcome) ([]byte, error) { return nil, nil }
