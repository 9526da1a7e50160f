package guard_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func text(values ...string) []identity.Value {
	list := make([]identity.Value, len(values))
	for i, v := range values {
		list[i] = identity.String(v)
	}
	return list
}

// strange is a value of a type that does not exist, as a later version or
// corrupted memory might have it.
func strange() identity.Value {
	v := identity.String("x")
	*(*byte)(unsafe.Pointer(&v)) = 99
	return v
}

func TestEntries(t *testing.T) {
	add := func(pairs ...any) agent.Entry {
		return agent.Entry{Op: identity.Add, ObjectType: "thing", DN: "CN=1", Anchor: "1", Attributes: agenttest.Attrs(pairs...)}
	}
	changed := func(changes ...identity.Change) agent.Entry {
		return agent.Entry{Op: identity.Update, ObjectType: "thing", Anchor: "1", Changes: changes}
	}
	raw := func(attributes ...identity.Attribute) agent.Entry {
		e := add()
		e.Attributes = attributes
		return e
	}
	with := func(e agent.Entry, change func(*agent.Entry)) agent.Entry {
		change(&e)
		return e
	}
	huge := strings.Repeat("x", guard.MaxValue+1)
	tests := []struct {
		what  string
		entry agent.Entry
		want  string // the name of the error
	}{
		{"whole", add("id", "1", "n", 3, "list", []string{"a", "b"}, "peer", identity.Reference("CN=2")), ""},
		{"nothing but an anchor", add(), ""},
		{"operation left out", with(add("id", "1"), func(e *agent.Entry) { e.Op = identity.None }), ""},
		{"a deletion of something unknown", agent.Entry{Op: identity.Delete, ObjectType: "other", Anchor: "1"}, ""},
		{"a change without a type", with(changed(identity.Change{Name: "n", Op: identity.Delete}), func(e *agent.Entry) { e.ObjectType = "" }), ""},
		{"an error of the agent's own", with(add(), func(e *agent.Entry) { e.Err = fault.New("parse-error", "") }), "parse-error"},
		{"an error without a name", with(add(), func(e *agent.Entry) { e.Err = fault.New("", "") }), "read-error"},

		{"no anchor", with(add(), func(e *agent.Entry) { e.Anchor = "" }), "missing-anchor-component"},
		{"398 characters", with(add(), func(e *agent.Entry) { e.Anchor = strings.Repeat("ä", 398) }), ""},
		{"399 characters", with(add(), func(e *agent.Entry) { e.Anchor = strings.Repeat("x", 399) }), "anchor-too-long"},
		{"an anchor of two", with(add(), func(e *agent.Entry) { e.ObjectType, e.Anchor = "pair", strings.Repeat("x", 397) }), "anchor-too-long"},
		{"a garbled anchor", with(add(), func(e *agent.Entry) { e.Anchor = "\xff" }), "invalid-attribute-value"},
		{"no name", with(add(), func(e *agent.Entry) { e.DN = "" }), "missing-dn"},
		{"no LDAP name", with(add(), func(e *agent.Entry) { e.DN = "one" }), "dn-not-ldap-conformant"},
		{"a change to no LDAP name", with(changed(), func(e *agent.Entry) { e.NewDN = "one" }), "dn-not-ldap-conformant"},
		{"a garbled name", with(add(), func(e *agent.Entry) { e.DN = "CN=\xff" }), "invalid-dn"},
		{"a huge name", with(add(), func(e *agent.Entry) { e.DN = "CN=" + strings.Repeat("x", 10000) }), "invalid-dn"},
		{"no type", with(add(), func(e *agent.Entry) { e.ObjectType = "" }), "missing-object-type"},
		{"an unknown type", with(add(), func(e *agent.Entry) { e.ObjectType = "other" }), "unmappable-object-type"},
		{"an operation of records", with(add(), func(e *agent.Entry) { e.Op = identity.Obsolete }), "invalid-change-type"},
		{"an operation of nobody", with(add(), func(e *agent.Entry) { e.Op = 99 }), "invalid-change-type"},
		{"an object with changes", with(add(), func(e *agent.Entry) { e.Changes = []identity.Change{{Name: "n", Op: identity.Delete}} }), "conflicting-modification-types"},
		{"an object with a new name", with(add(), func(e *agent.Entry) { e.NewDN = "CN=2" }), "conflicting-modification-types"},
		{"a change with an object", with(changed(), func(e *agent.Entry) { e.Attributes = agenttest.Attrs("n", 1) }), "conflicting-modification-types"},

		{"an unknown attribute", add("other", "x"), "invalid-attribute-value"},
		{"an attribute that cannot be read", add("secret", "x"), "invalid-attribute-value"},
		{"a wrong type", add("n", "three"), "invalid-attribute-value"},
		{"a type of nobody", add("n", strange()), "unsupported-value-type"},
		{"two values for one", add("n", []identity.Value{identity.Integer(1), identity.Integer(2)}), "multi-single-mismatch"},
		{"two values for an anchor", add("id", []string{"1", "2"}), "multi-valued-anchor-component"},
		{"garbled text", add("id", "\xff"), "invalid-attribute-value"},
		{"a huge value", add("id", huge), "invalid-attribute-value"},
		{"many large values", add("list", []string{huge[:guard.MaxValue], huge[2:], huge[3:], huge[4:], huge[5:]}), "invalid-attribute-value"},
		{"an empty reference", add("peer", identity.Reference("")), "invalid-reference-value"},
		{"a reference that is resolved", add("peer", identity.ReferenceTo(5)), "invalid-reference-value"},
		{"a garbled reference", add("peer", identity.Reference("CN=\xff")), "invalid-reference-value"},
		{"a reference to no LDAP name", add("peer", identity.Reference("two")), "reference-value-not-ldap-conformant"},

		{"a change of an unknown attribute", changed(identity.Change{Name: "other", Op: identity.Delete}), "invalid-attribute-value"},
		{"a change of nobody", changed(identity.Change{Name: "n", Op: 99}), "invalid-modification-type"},
		{"no change", changed(identity.Change{Name: "n"}), "invalid-modification-type"},
		{"two changes of one attribute", changed(identity.Change{Name: "n", Op: identity.Delete}, identity.Change{Name: "n", Op: identity.Delete}), "conflicting-modification-types"},
		{"a deletion with values", changed(identity.Change{Name: "list", Op: identity.Delete, Values: text("a")}), "conflicting-modification-types"},
		{"a replacement that removes", changed(identity.Change{Name: "list", Op: identity.Replace, Values: text("a"), Removed: text("b")}), "conflicting-modification-types"},
		{"a value that comes and goes", changed(identity.Change{Name: "list", Op: identity.Update, Values: text("a", "b"), Removed: text("b")}), "conflicting-modification-types"},
		{"a change to a wrong type", changed(identity.Change{Name: "n", Op: identity.Replace, Values: text("a")}), "invalid-attribute-value"},
		{"a removal of a wrong type", changed(identity.Change{Name: "n", Op: identity.Update, Removed: text("a")}), "invalid-attribute-value"},
		{"a change to two values", changed(identity.Change{Name: "n", Op: identity.Replace, Values: []identity.Value{identity.Integer(1), identity.Integer(2)}}), "multi-single-mismatch"},

		{"attributes in no order", raw(identity.Attribute{Name: "n", Values: []identity.Value{identity.Integer(1)}}, identity.Attribute{Name: "id", Values: text("1")}), ""},
		{"values in no order", raw(identity.Attribute{Name: "list", Values: text("b", "a", "b")}), ""},
		{"no values", raw(identity.Attribute{Name: "list"}), ""},
		{"values that are none", raw(identity.Attribute{Name: "list", Values: []identity.Value{{}, identity.String("a")}}), ""},
		{"an attribute twice", raw(identity.Attribute{Name: "id", Values: text("1")}, identity.Attribute{Name: "id", Values: text("2")}), "multi-valued-anchor-component"},
		{"changes in no order", changed(identity.Change{Name: "n", Op: identity.Delete}, identity.Change{Name: "list", Op: identity.Update, Values: text("b", "a")}), ""},
	}
	schema := identity.Schema{Types: append([]identity.ObjectType{{
		Name: "pair", Anchor: []string{"a", "b"},
		Attributes: []identity.AttributeType{{Name: "a", Type: identity.TypeString}, {Name: "b", Type: identity.TypeString}},
	}}, things.Types...)}
	c := guard.NewChecker(schema, agent.Capabilities{LDAPNames: true})
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			e := tt.entry
			given := e.Attributes.Clone()
			c.Check(&e)
			got := ""
			if e.Err != nil {
				got = e.Err.Name
			}
			if got != tt.want {
				t.Fatalf("%q (%v), want %q", got, e.Err, tt.want)
			}
			if !given.Equal(tt.entry.Attributes) {
				t.Error("what the agent holds was changed")
			}
			if tt.want != "" {
				return
			}
			ordered := e.Attributes.Clone()
			for i := range ordered {
				ordered[i].Values = append([]identity.Value(nil), ordered[i].Values...)
			}
			if ordered = identity.SortAttributes(ordered); !ordered.Equal(e.Attributes) {
				t.Errorf("not in order: %v", e.Attributes)
			}
			for i := 1; i < len(e.Changes); i++ {
				if e.Changes[i-1].Name >= e.Changes[i].Name {
					t.Errorf("not in order: %v", e.Changes)
				}
			}
		})
	}
}

// TestNamesAsAnchors: where the anchor is the name, they are the same.
func TestNamesAsAnchors(t *testing.T) {
	c := guard.NewChecker(things, agent.Capabilities{AnchorIsDN: true})
	e := agent.Entry{ObjectType: "thing", Anchor: "1", DN: "2"}
	if c.Check(&e); e.Err == nil || e.Err.Name != "invalid-dn" {
		t.Errorf("%v", e.Err)
	}
}

// TestRecordable: what is wrong with an entry can be written into a run record.
func TestRecordable(t *testing.T) {
	c := guard.NewChecker(things, agent.Capabilities{})
	e := agent.Entry{ObjectType: "thing", Anchor: strings.Repeat("\xff", 1<<20), DN: strings.Repeat("x", 1<<20)}
	if c.Check(&e); e.Err == nil || len(e.Anchor) > 20000 || len(e.DN) > 20000 || strings.Contains(e.Anchor, "\xff") {
		t.Errorf("%v: anchor of %d bytes, name of %d", e.Err, len(e.Anchor), len(e.DN))
	}
}

func TestImage(t *testing.T) {
	c := guard.NewChecker(things, agent.Capabilities{})
	image := agenttest.Attrs("list", []string{"a", "b"}, "n", []identity.Value{identity.Integer(1), identity.Integer(2)})
	if err := c.Image("thing", image, []identity.Change{{Name: "list"}}); err != nil {
		t.Error(err)
	}
	if err := c.Image("thing", image, []identity.Change{{Name: "n"}}); err == nil || err.Name != "multi-single-mismatch" {
		t.Errorf("%v", err)
	}
}

func BenchmarkCheck(b *testing.B) {
	c := guard.NewChecker(things, agent.Capabilities{})
	e := agent.Entry{
		ObjectType: "thing", Anchor: "0000001", DN: "0000001",
		Attributes: agenttest.Attrs("id", "0000001", "n", 5, "list", []string{"one", "two"}, "peer", identity.Reference("0000002")),
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Check(&e)
	}
}
