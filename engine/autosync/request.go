package autosync

import (
	"context"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A Request asks for one run profile of one agent. Whoever makes it, the
// scheduler decides when to grant it.
type Request struct {
	Agent     string `json:"agent"`
	Profile   string `json:"profile"`
	Partition string `json:"partition,omitempty"` // of which the profile must be; see [Scheduler.Request]
	Exclusive bool   `json:"exclusive,omitempty"` // nothing else may run meanwhile
	Immediate bool   `json:"immediate,omitempty"` // it goes before everything that waits
	Cause     Cause  `json:"cause"`
}

// A Cause says why a run happened, and after which other run.
type Cause = run.Cause

// A TriggerSpec describes a trigger, declared in the configuration or by a
// script. Exactly one of Every, Cron and Watch is set.
type TriggerSpec struct {
	Name     string
	Agent    string
	Run      string         // the run profile to request; may be empty with Check
	Every    time.Duration  // interval between firings
	Cron     string         // five fields, or a descriptor such as @daily
	TimeZone *time.Location // of Cron; nil is local time
	Watch    string         // absolute path of a file, or a pattern in a folder
	Settle   time.Duration  // how long the watched files must be quiet
	Position fault.Position

	// Check, if set, is asked each time the trigger is due, and what it returns
	// is requested instead of Run. An empty Profile or Agent in an answer means
	// the trigger's own.
	Check func(ctx context.Context, state State) ([]Request, error)
}

// MaxStateKeys is how many keys a trigger may keep.
const MaxStateKeys = 1000

// ErrStateFull is wrapped by the error of [State.Set] about a key too many.
var ErrStateFull = fmt.Errorf("a trigger can keep %d values at most", MaxStateKeys)

// A State keeps the durable key-values of one trigger.
type State interface {
	Get(key string) (value []byte, err error) // nil if there is none

	// Set keeps a value; nil removes it. It returns [ErrStateFull] if there are
	// too many keys.
	Set(key string, value []byte) error
}
