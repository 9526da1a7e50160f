package engine_test

import (
	"io"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

const dividedWorld = `
metaverse:
  person: {attributes: {number: string}}
agents:
  AD:
    type: memory
    names: ldap
    delta: true
    objects: {user: {anchor: [guid], strings: [number]}}
    partitions: {north: DC=north, south: DC=south}
    profiles:
      north: [{type: delta-import, partition: north}]
rules:
  - {name: people, agent: AD, object: user, metaverse: person, inbound: {flows: {number: number}}}
`

// TestDeletionOfAnotherPartition: a partition says nothing of the others, also if the log
// of its system lists what went from anywhere.
func TestDeletionOfAnotherPartition(t *testing.T) {
	w := newWorld(t, dividedWorld)
	w.edit("AD", "CN=a,DC=north", "user", "number=a")
	w.edit("AD", "CN=b,DC=south", "user", "number=b")
	if r := w.run("AD", "full-import"); r.Result != run.Success {
		t.Fatal(showRecord(r))
	}
	anchors := map[string]string{}
	for _, o := range w.systems["AD"].Objects() {
		anchors[o.DN] = o.Anchor
	}
	w.instead["AD"] = &agenttest.Hostile{Directory: w.systems["AD"].Directory, Fills: func(n int, page *agent.Page) error {
		page.Reset()
		if n > 1 {
			return io.EOF
		}
		*page.Add() = agent.Entry{Op: identity.Delete, Anchor: anchors["CN=a,DC=north"]}
		*page.Add() = agent.Entry{Op: identity.Delete, Anchor: anchors["CN=b,DC=south"]}
		return nil
	}}
	w.open()
	r := w.run("AD", "north")
	if step := r.Steps[0]; step.Result != run.Success || step.Staging["stage-delete"] != 1 || step.Discovery["filtered-deletions"] != 1 {
		t.Errorf("want one deletion of two:\n%s", showRecord(r))
	}
	w.check()
}
