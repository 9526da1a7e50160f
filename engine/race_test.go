package engine_test

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
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
