package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// TestCutWhileSent: a synchronization cuts a link while the change of its object
// is on its way, and the change fails. It is not tried again.
func TestCutWhileSent(t *testing.T) {
	w := newWorld(t, strings.NewReplacer("deprovision: delete", "deprovision: disconnect", "exportOnly: [password]", "").Replace(shop))
	s := &script{world: w, sections: map[string]string{}}
	s.play("> put AD CN=stray\n> put HR 1 name=Ada kind=staff\n> run AD full-import\n> run HR full-import full-sync\n")
	ad := w.systems["AD"]
	ad.FailExport("CN=Ada", fault.New("permission-issue", "not today"))
	done := false
	ad.OnCall(func(call agenttest.Call) {
		if call == agenttest.CallPut && !done {
			done = true
			s.play("> put HR 1 name=Ada kind=external\n> run HR full-import delta-sync\n")
		}
	})
	s.play("> run AD export\n")
	if !done {
		t.Fatal("nothing was sent")
	}
	ad.FailExport("CN=Ada", nil)
	s.play("> run AD export\n> cycle\n")
	if _, found := ad.object("CN=Ada"); found {
		t.Errorf("the account was created after all:\n%s", w)
	}
}

// narrowed is a system of which an agent no longer sees one type.
type narrowed struct {
	*system
	without string
}

func (n narrowed) Schema(ctx context.Context) (identity.Schema, error) {
	schema, err := n.system.Schema(ctx)
	schema.Types = slices.DeleteFunc(slices.Clone(schema.Types), func(t identity.ObjectType) bool { return t.Name == n.without })
	return schema, err
}

// TestTypeNoLongerRead: an object type is taken out of what an agent reads. That
// imports no longer show its objects does not mean that they are gone.
func TestTypeNoLongerRead(t *testing.T) {
	const both = `
metaverse:
  person: {attributes: {number: string}}
agents:
  HR: {type: memory, objects: {employee: {anchor: [id]}, guest: {anchor: [id]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id}}}
`
	w := newWorld(t, both+"  - {name: guests, agent: HR, object: guest, metaverse: person, inbound: {project: true, flows: {number: id}}}\n")
	w.edit("HR", "1", "employee")
	w.edit("HR", "2", "guest")
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	w.load(both)
	w.instead["HR"] = narrowed{w.systems["HR"], "guest"}
	w.open()
	w.drop("HR", "2") // the agent does not deliver it
	if r := w.run("HR", "full-import"); r.Steps[0].Staging["stage-delete"] != 0 {
		t.Errorf("the object was taken for gone:\n%s", showRecord(r))
	}
}
