package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

// Somebody closes an incident by its key or its id: that is told once, and the same
// failure opens it anew.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &mailbox{}
		n := open(t, store.NewMemory(), box, nil)
		fails := func() {
			time.Sleep(time.Second)
			n.Post(Event{Kind: Runs, Agent: "HR", Name: "nightly", State: "stopped-error-limit", Time: time.Now()})
		}
		fails()
		n.Post(Event{Kind: Configuration, State: "refused", Standing: true, Time: time.Now()})

		_, err := n.Close("run/HR/weekly", "ada", "")
		if fault.Name(err) != "unknown-incident" {
			t.Errorf("closed nothing: %v", err)
		}
		closed, err := n.Close("run/HR/nightly", "ada", "it is gone")
		if err != nil || closed.State != "stopped-error-limit" || closed.Key() != "run/HR/nightly" {
			t.Errorf("closed %v, %v", closed, err)
		}
		if left := n.Incidents(); len(left) != 1 || left[0].Key() != "configuration" {
			t.Errorf("left %v", left)
		}
		id := closed.ID
		fails()
		closed, err = n.Close(id, "", "")
		if err != nil || closed.Count != 1 || closed.ID != id {
			t.Errorf("closed %v, %v", closed, err)
		}
		if _, err := n.Close(id, "", ""); fault.Name(err) != "unknown-incident" {
			t.Errorf("closed twice: %v", err)
		}
		if _, err := n.Close("configuration", "", ""); err != nil {
			t.Error(err)
		}
		defer start(t, n)()
		expect(t, box,
			"idm: HR nightly: stopped-error-limit", "idm: configuration: refused",
			"idm: HR nightly: closed by ada: it is gone (was stopped-error-limit)",
			"idm: HR nightly: stopped-error-limit", "idm: HR nightly: closed (was stopped-error-limit)",
			"idm: configuration: closed (was refused)",
		)
	})
}
