package triggers

import (
	"time"

	"github.com/metasync/metasync/engine/autosync"
)

// A State is what a trigger is doing.
type State string

// The states.
const (
	Waiting    State = "waiting"     // for its time, or for something to happen
	Held       State = "held"        // it is due, and waits for the times at which it may act
	Checking   State = "checking"    // its check is asked
	Firing     State = "firing"      // it makes its requests
	BackingOff State = "backing-off" // it failed, and tries again later
	Terminated State = "terminated"  // it failed, and was told to end then
	Disabled   State = "disabled"    // it was told to do nothing
)

// Health is how a trigger is doing. But for State and Next it is durable.
type Health struct {
	Agent      string    `json:"agent,omitempty"`
	Name       string    `json:"name"`
	Kind       string    `json:"kind"` // every, schedule, cron, watch, webhook or after
	State      State     `json:"state"`
	LastCheck  time.Time `json:"lastCheck,omitzero"`   // when it last looked, with whatever success
	LastFire   time.Time `json:"lastFire,omitzero"`    // when it last made a request
	LastResult string    `json:"lastResult,omitempty"` // what came of the last look
	Next       time.Time `json:"next,omitzero"`        // when it acts; zero if it waits for something to happen
	Failures   int       `json:"failures"`             // in a row
	LastError  string    `json:"lastError,omitempty"`  // of the last failure, until it succeeds
	Backoff    time.Time `json:"backoff,omitzero"`     // it does not try again before then
}

// The kinds of events.
const (
	EventFailed     = "failed"     // it will try again
	EventTerminated = "terminated" // it failed, and will not try again
	EventRecovered  = "recovered"  // it works again, or begins anew because it was changed
	EventDropped    = "dropped"    // what happened was outside of its times
)

// An Event is something about a trigger that somebody may want to know.
type Event struct {
	At       time.Time
	Kind     string
	Agent    string
	Trigger  string
	Failures int       // in a row; of a recovery, those before it
	Err      error     // of a failure
	Next     time.Time // when it tries again
}

// KindOf names what a trigger waits for.
func KindOf(spec *autosync.TriggerSpec) string {
	switch {
	case spec.Every > 0:
		return "every"
	case spec.Schedule != nil:
		return "schedule"
	case spec.Cron != "":
		return "cron"
	case spec.Watch != "":
		return "watch"
	case spec.Webhook != nil:
		return "webhook"
	case spec.External != nil:
		return spec.External.Kind
	}
	return "after"
}
