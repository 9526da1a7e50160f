package daemon_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/notify"
)

// circle is a configuration in which names go round: each of two systems takes the name
// from the other, and one shows the family name first.
const circle = `
metaverse:
  person: {attributes: {number: string, name: string, shown: string}}
notify: {webhooks: [{url: "http://127.0.0.1:1/"}]}
agents:
  HR:
    type: csv
    file: hr.csv
    objects: {user: {anchor: [id]}}
  B:
    type: csv
    file: b.csv
    columns: [id, name]
    objects: {account: {anchor: [id]}}
rules:
  - name: users
    agent: HR
    object: user
    metaverse: person
    inbound: {project: true, flows: {number: id, name: name}}
    outbound: {flows: {name: shown}}
  - name: accounts
    agent: B
    object: account
    metaverse: person
    join: [{id: number}]
    inbound: {flows: {shown: name}}
    outbound: {provision: true, flows: {id: number, name: '=Word(name, 2, " ") + " " + Word(name, 1, " ")'}}
`

// An object that is parked is told of once and stands as an incident, over a restart,
// until somebody releases it.
func TestParkedIsTold(t *testing.T) {
	const heard = `on("object.parked", e => log.warn("heard of " + e.agent + " " + e.object));`
	o, _, output := folder(t, map[string]string{
		"metasync.yaml": circle, "hr.csv": "id,name\n1,Ada Lovelace\n", "scripts/names.js": heard,
	})
	d, stop := work(t, o)
	open := func(d *daemon.Daemon) (list []notify.Incident) {
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(s.Notify.Incidents, func(i notify.Incident) bool { return i.Kind != notify.Parked })
	}
	eventually(t, "an incident", func() bool { return len(open(d)) == 1 })
	incident := open(d)[0]
	if incident.Name != "1" || incident.State != notify.StateParked {
		t.Errorf("%+v", incident)
	}
	eventually(t, "one parked object, and nothing to be done", func() bool {
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(s.Agents, func(a daemon.AgentStatus) bool {
			return a.Count["parked"] != map[bool]int{true: 1}[a.Agent == incident.Agent] || a.PendingExports != 0
		})
	})
	eventually(t, "a script that hears of it", func() bool { return strings.Contains(output.String(), "heard of "+incident.Agent+" 1") })
	notes, err := d.Log(t.Context(), daemon.LogQuery{Kind: "object.parked"})
	if err != nil || len(notes) != 1 || !strings.HasPrefix(notes[0].Text, `1: "name" (rule `) {
		t.Errorf("%+v, %v", notes, err)
	}
	stop()

	d, _ = work(t, o)
	if list := open(d); len(list) != 1 || list[0].Count != 1 {
		t.Errorf("after a restart: %+v", list)
	}
	if _, err := d.Release(t.Context(), incident.Agent, "2", "ada"); fault.Name(err) != "unknown-object" {
		t.Errorf("released an object that is not there: %v", err)
	}
	if released, err := d.Release(t.Context(), incident.Agent, "1", "ada"); err != nil || released.Name() != "1" || released.Count != 4 {
		t.Fatalf("%+v, %v", released, err)
	}
	eventually(t, "another incident", func() bool {
		list := open(d)
		return len(list) == 1 && list[0].Opened.After(incident.Opened)
	})
	acts, err := d.Log(t.Context(), daemon.LogQuery{Kind: "release", Acts: true})
	if err != nil || len(acts) != 2 || acts[0].Text != "1" || acts[0].User != "ada" || acts[0].Agent != incident.Agent {
		t.Errorf("%+v, %v", acts, err)
	}
}
