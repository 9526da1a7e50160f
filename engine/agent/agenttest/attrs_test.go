package agenttest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

func TestAttrs(t *testing.T) {
	got := agenttest.Attrs("sn", "Berg", "age", 7, "active", true, "phones", []string{"2", "1", "2"},
		"manager", identity.Reference("boss"))
	want := identity.Attributes{
		{Name: "active", Values: []identity.Value{identity.Boolean(true)}},
		{Name: "age", Values: []identity.Value{identity.Integer(7)}},
		{Name: "manager", Values: []identity.Value{identity.Reference("boss")}},
		{Name: "phones", Values: []identity.Value{identity.String("1"), identity.String("2")}},
		{Name: "sn", Values: []identity.Value{identity.String("Berg")}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b identity.Value) bool { return a == b })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
