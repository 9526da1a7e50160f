package guard_test

import (
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// account is a type of objects whose creation needs something.
var account = identity.Schema{Types: []identity.ObjectType{{
	Name: "account", Anchor: []string{"id"},
	Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString},
		{Name: "name", Type: identity.TypeString, Required: true},
		{Name: "size", Type: identity.TypeInteger},
		{Name: "created", Type: identity.TypeString, ImportOnly: true},
	},
}}}

func openExport(t *testing.T, h *agenttest.Hostile) agent.Export {
	t.Helper()
	kept := new(guard.Keeper).Wrap("AD", h)
	x, err := kept.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{Schema: account})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestCreation checks that what the schema does not admit is not sent.
func TestCreation(t *testing.T) {
	sent := 0
	h := &agenttest.Hostile{Directory: agenttest.NewDirectory(account, agent.Capabilities{AnchorIsDN: true})}
	h.Answers = func(changes []agent.Change) ([]agent.Result, error) {
		sent += len(changes)
		return make([]agent.Result, len(changes)), nil
	}
	x := openExport(t, h)
	for _, tt := range []struct {
		what            string
		op              identity.Operation
		attributes      identity.Attributes
		want, attribute string
	}{
		{"all there", identity.Add, agenttest.Attrs("id", "1", "name", "Ann"), "", ""},
		{"without a name", identity.Add, agenttest.Attrs("id", "1"), "missing-provisioning-attribute", "name"},
		{"an update needs none", identity.Update, agenttest.Attrs("size", 3), "", ""},
		{"what only the system sets", identity.Add, agenttest.Attrs("name", "Ann", "created", "now"), "unexpected-provisioning-attribute", "created"},
		{"another type", identity.Add, agenttest.Attrs("name", "Ann", "size", "large"), "invalid-provisioning-attribute-value", "size"},
		{"two values for one", identity.Add, agenttest.Attrs("name", []string{"Ann", "Anne"}), "invalid-provisioning-attribute-value", "name"},
		{"what the schema does not know is up to the agent", identity.Add, agenttest.Attrs("name", "Ann", "new", "x"), "", ""},
	} {
		before := sent
		results, err := x.Put(t.Context(), []agent.Change{{Op: tt.op, ObjectType: "account", DN: "1", Changes: identity.Diff(nil, tt.attributes)}})
		if err != nil {
			t.Fatal(err)
		}
		name, attribute := "", ""
		if failure := results[0].Err; failure != nil {
			name, attribute = failure.Name, failure.Attribute
		}
		if name != tt.want || attribute != tt.attribute || (sent > before) != (tt.want == "") {
			t.Errorf("%s: %q of %q, %d sent", tt.what, name, attribute, sent-before)
		}
	}
}

// TestRefusedParts checks that an agent refuses only what it was sent.
func TestRefusedParts(t *testing.T) {
	h := &agenttest.Hostile{Directory: agenttest.NewDirectory(account, agent.Capabilities{AnchorIsDN: true})}
	for _, tt := range []struct {
		answer agent.Result
		want   string
	}{
		{agent.Result{Refused: []string{"name"}}, ""},
		{agent.Result{Refused: []string{"name"}, Err: fault.New("permission-issue", "no")}, ""},
		{agent.Result{Refused: []string{"size"}}, "stopped-ma"},
		{agent.Result{Refused: []string{"name"}, Action: agent.ProvisionParent}, "stopped-ma"},
	} {
		h.Answers = func([]agent.Change) ([]agent.Result, error) { return []agent.Result{tt.answer}, nil }
		_, err := openExport(t, h).Put(t.Context(), []agent.Change{{
			Op: identity.Update, ObjectType: "account", DN: "1", Anchor: "1", Changes: identity.Diff(nil, agenttest.Attrs("name", "Ann")),
		}})
		if fault.Name(err) != tt.want {
			t.Errorf("%+v: %v, want %q", tt.answer, err, tt.want)
		}
	}
}
