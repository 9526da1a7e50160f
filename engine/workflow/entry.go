package workflow

import (
	"encoding/json"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

// A Definition is a workflow as the queue knows it.
type Definition struct {
	Name    string
	Retries int           // how often an entry that failed is tried again
	Wait    time.Duration // before the first time; before the second it is twice as long, and so on
}

// An Occurrence is an object behind the counter of a workflow, as it was then.
type Occurrence struct {
	Step      int             `json:"step"`
	Counter   string          `json:"counter"`
	Operation string          `json:"operation,omitempty"` // what was staged, flowed or sent, "" if nobody knows
	Changes   json.RawMessage `json:"changes,omitempty"`   // by attribute, as the run history shows them; nil for none
	Object    Object          `json:"object"`
	Metaverse identity.ID     `json:"metaverse,omitempty"` // with which it was linked; 0 for none

	// Problem says why nobody knows whether the workflow is about the object, "" if it
	// is. The entry fails at once, so that somebody looks.
	Problem string `json:"problem,omitempty"`
}

// An Entry is something that is to be done. Its JSON form is that of the store.
type Entry struct {
	ID       uint64 `json:"id"`
	Workflow string `json:"workflow"`
	Occurrence
	Run   Run       `json:"run"`
	Since time.Time `json:"since"`          // when it was added
	Tries int       `json:"tries"`          // that failed
	Next  time.Time `json:"next,omitzero"`  // when it is tried again
	Error string    `json:"error,omitzero"` // of the last try
}

// A Run is the run in which it happened.
type Run struct {
	Run     uint64    `json:"run"`
	Agent   string    `json:"agent"`
	Profile string    `json:"profile"`
	Cause   run.Cause `json:"cause"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// A Failure is an entry that failed, for people. Its JSON form is the public one.
type Failure struct {
	ID       uint64    `json:"id"`
	Workflow string    `json:"workflow"`
	Run      uint64    `json:"run"`
	Agent    string    `json:"agent"`
	Object   string    `json:"object"`
	DN       string    `json:"dn"`
	Anchor   string    `json:"anchor"`
	Tries    int       `json:"tries"`
	Since    time.Time `json:"since"`
	Next     time.Time `json:"next,omitzero"` // zero: it is not tried again by itself
	Error    string    `json:"error"`
}

// Failure returns the entry as one that failed.
func (e *Entry) Failure() Failure {
	return Failure{
		ID: e.ID, Workflow: e.Workflow, Run: e.Run.Run, Agent: e.Object.Agent, Object: e.Object.Type, DN: e.Object.DN,
		Anchor: e.Object.Anchor, Tries: e.Tries, Since: e.Since, Next: e.Next, Error: e.Error,
	}
}

// Status is how a queue is doing. Its JSON form is the public one.
type Status struct {
	Waiting  int       `json:"waiting"`         // entries that are to be carried out, those included that are tried again
	Failed   int       `json:"failed"`          // that are not tried again by themselves
	Oldest   time.Time `json:"oldest,omitzero"` // since when the first of those that wait does
	Failures []Failure `json:"failures"`        // the first of both kinds whose last try failed
}
