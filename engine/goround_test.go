package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// release carries out the command of that name.
func (s *script) release(args []string) (string, error) {
	parked, err := s.engine.Release(args[0], args[1])
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err), nil
	}
	out := fmt.Sprintf("%s was sent %d times\n", parked.Name(), parked.Count)
	for _, a := range parked.Attributes {
		out += fmt.Sprintf("  %s: %q instead of %q, by %s from %q\n", a.Name, a.Wanted, a.Found, a.Rule, a.Contributors)
	}
	return out, nil
}

// contacts is a world of a source and a target; the target may have a say in what
// it gets.
const contacts = `
metaverse:
  person: {attributes: {number: string, phone: string, shown: string}}
agents:
  HR: {type: memory, objects: {employee: {anchor: [id], strings: [phone]}}}
  App: {type: memory, objects: {user: {anchor: [id], strings: [phone]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id, phone: phone}}}
  - name: users
    agent: App
    object: user
    metaverse: person
    join: [{id: number}]
    inbound: {flows: {shown: phone}}
    outbound: {provision: true, flows: {id: number, phone: %s}}
`

func contactsWorld(t *testing.T, phone string) *script {
	t.Helper()
	s := &script{world: newWorld(t, fmt.Sprintf(contacts, phone))}
	for _, key := range []string{"1", "2"} {
		if err := s.put(s.systems["HR"], key, []string{"phone=0"}, false); err != nil {
			t.Fatal(err)
		}
	}
	s.once()
	return s
}

func (s *script) parked(agent string) []engine.ParkedView {
	s.t.Helper()
	parked, err := s.engine.Parked(agent)
	if err != nil {
		s.t.Fatal(err)
	}
	return parked
}

// What a source switches to and fro is no circle, however often it does.
func TestSwitchedIsNotParked(t *testing.T) {
	s := contactsWorld(t, "phone")
	for i := range 30 {
		for _, key := range []string{"1", "2"} {
			if err := s.put(s.systems["HR"], key, []string{fmt.Sprintf("phone=%d", i%2+1)}, true); err != nil {
				t.Fatal(err)
			}
		}
		if _, summary := s.once(); summary.Errors || summary.Failed {
			t.Fatalf("time %d: %+v", i, summary)
		}
	}
	if parked := s.parked("App"); len(parked) != 0 {
		t.Errorf("%+v", parked)
	}
}

// Values that grow each time they come round are noticed by the attribute. What they
// are when the object is parked, the record says.
func TestGrowingIsParked(t *testing.T) {
	s := contactsWorld(t, `'=IIF(IsPresent(shown), shown + "x", phone)'`)
	_, summary := s.once()
	if !summary.Errors || len(summary.Left) != 0 {
		t.Fatalf("%+v", summary)
	}
	parked := s.parked("App")
	if len(parked) != 2 {
		t.Fatalf("%+v", parked)
	}
	p := parked[0]
	if !p.Growing || p.Count != 8 || !p.Until.Equal(p.Since.Add(24*time.Hour)) || len(p.Attributes) != 1 {
		t.Errorf("%+v", p)
	}
	a := p.Attributes[0]
	if a.Name != "phone" || len(a.Wanted) != 1 || len(a.Found) != 1 || a.Wanted[0] != a.Found[0]+"x" || a.Rule != "users" || strings.Join(a.Contributors, " ") != "App HR" {
		t.Errorf("%+v", a)
	}
	views, err := s.engine.Connectors(engine.ConnectorQuery{Agent: "App", Failure: space.ChangesGoRound})
	if err != nil || len(views) != 2 || views[0].Parked == nil || views[0].Parked.Count != 8 {
		t.Errorf("%+v, %v", views, err)
	}
	if got, _, err := s.engine.Statistics(); err != nil || got[1].Count["parked"] != 2 {
		t.Errorf("%+v, %v", got, err)
	}

	// A run by hand leaves them out, too, and does not count them anew.
	record, err := s.tryRun(t.Context(), "App", "export")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(record.Steps[0].ExportErrors); record.Result != run.CompletedExportErrors || n != 2 || len(record.Steps[0].Parked()) != 0 {
		t.Errorf("%s", showRecord(record))
	}

	// Who leaves takes the record along.
	if err := s.engine.Space().Check(); err != nil {
		t.Fatal(err)
	}
	s.systems["App"].Remove("1")
	s.world.run("App", "full-import")
	s.world.run("App", "full-sync")
	if parked := s.parked("App"); len(parked) != 1 || parked[0].Anchor != "2" {
		t.Errorf("%+v", parked)
	}
}
