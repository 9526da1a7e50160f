package autosync

import (
	"context"
	"errors"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

// Facts are what an agent has left to do, read from transactional counters.
type Facts struct {
	Agent          string `json:"agent"`
	Imported       bool   `json:"imported"`             // it was imported completely at least once
	PendingImports int    `json:"pendingImports"`       // objects to synchronize, without those of FailedImports
	FailedImports  int    `json:"failedImports"`        // objects whose last synchronization failed
	PendingExports int    `json:"pendingExports"`       // objects to export, without those of FailedExports
	FailedExports  int    `json:"failedExports"`        // objects whose last export failed
	Unconfirmed    int    `json:"unconfirmed"`          // exported, and not looked at by an import since
	Stale          bool   `json:"stale,omitempty"`      // an export found the system other than imports have shown it
	NeedsJoin      bool   `json:"needsJoin,omitempty"`  // disconnectors may be joined with metaverse objects that have come, or changed
	MustExport     bool   `json:"mustExport,omitempty"` // an export was interrupted, and no import makes sense before it has gone on
	NeedsFullSync  bool   `json:"needsFullSync"`        // it was never synchronized fully, or objects are outdated

	// Held are the kinds of steps that a threshold keeps back until somebody decides;
	// HeldImports and HeldExports are pending, without those counted above, and left out.
	Held        []HeldStep `json:"held,omitempty"`
	HeldImports int        `json:"heldImports,omitempty"`
	HeldExports int        `json:"heldExports,omitempty"`

	// NeedsFullImport: the configuration of the agent has changed since its last
	// full import.
	NeedsFullImport bool `json:"needsFullImport,omitempty"`

	// Outnamed: an export has renamed objects, and only a full import shows which
	// references have not followed.
	Outnamed bool `json:"outnamed,omitempty"`

	// Outdated says about which objects other rules decided than the present ones.
	// A resynchronization does just these; without it, NeedsFullSync calls for a
	// full synchronization.
	Outdated []run.Outdated `json:"outdated,omitempty"`
}

// A HeldStep is a kind of step of an agent that is kept back.
type HeldStep struct {
	Step   hold.Step `json:"step"`
	Reason string    `json:"reason"` // in words
}

// An Outcome is how a run ended.
type Outcome struct {
	Run    uint64         // its number in the run history; 0 if there is no record
	Result run.Result     // how it ended
	Steps  []run.StepType // the parts of the steps that ran; none means all of the profile

	// Changed: it has found or made changes by which objects may succeed that failed
	// before.
	Changed bool

	Err error // why it stopped, for the administrator

	Record *run.Record // nil if there is none

	Parked []run.ErrorRecord // objects that it has parked
}

// OutcomeOf returns the outcome of a run that has a record.
func OutcomeOf(record *run.Record) Outcome {
	o := Outcome{Run: record.Run, Result: record.Result, Record: record}
	for _, step := range record.Steps {
		o.Steps = append(o.Steps, step.Parts()...)
		o.Changed = o.Changed || step.Changed()
		o.Parked = append(o.Parked, step.Parked()...)
		if step.Error != "" {
			o.Err = errors.New(step.Error)
		}
	}
	return o
}

// failed reports whether the run did not come to its end, or was held. Errors on
// single objects are no failure.
func (o Outcome) failed() bool {
	return o.Result.Severity() > run.CompletedExportErrors.Severity()
}

// withErrors reports whether the run finished with errors on some objects.
func (o Outcome) withErrors() bool {
	return o.Result.Severity() == run.CompletedExportErrors.Severity()
}

// An Engine executes runs. It is called from several goroutines, but never for
// two runs of one agent at a time.
type Engine interface {
	// Facts returns the facts of every agent. It is called often and must be
	// cheap. An agent that is missing counts as never imported.
	Facts() ([]Facts, error)

	// Execute carries out one run and returns its outcome. When ctx is done it
	// stops as soon as it can, leaving a state that a later run goes on from. An
	// error means that no run took place; like a stopped run it is tried again
	// after a back-off.
	Execute(ctx context.Context, agent, profile string, cause Cause) (Outcome, error)
}

// The kinds of causes.
const (
	CauseTrigger  = "trigger"   // a trigger fired
	CauseSchedule = "schedule"  // the import schedule of the agent
	CauseFollowUp = "follow-up" // an earlier run left something to do
	CauseManual   = "manual"    // somebody asked
	CauseInitial  = "initial"   // the agent was never imported
	CauseRetry    = "retry"     // something failed before
)
