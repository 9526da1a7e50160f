package run

import (
	"slices"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A Result is how a run or a step ended (sync-engine §2.6).
type Result string

// The results that the engine itself gives. Agents give others, by the names of
// their errors.
const (
	Success                  Result = "success"
	InProgress               Result = "in-progress"
	CompletedNoObjects       Result = "completed-no-objects"
	CompletedWarnings        Result = "completed-warnings"
	CompletedTransients      Result = "completed-transient-objects"
	CompletedDiscoveryErrors Result = "completed-discovery-errors"
	CompletedSyncErrors      Result = "completed-sync-errors"
	CompletedExportErrors    Result = "completed-export-errors"
	StoppedErrorLimit        Result = "stopped-error-limit"
	StoppedObjectLimit       Result = "stopped-object-limit"
	StoppedDeletionLimit     Result = "stopped-deletion-limit"              // of an import
	StoppedExportThreshold   Result = "stopped-deletion-threshold-exceeded" // of an export
	StoppedEntryExport       Result = "stopped-entry-export-error"          // the agent stopped at an object
	StoppedThreshold         Result = "stopped-threshold-exceeded"          // of anything but deletions
	StoppedTimeLimit         Result = "stopped-ma-extension-timeout"
	StoppedServiceShutdown   Result = "stopped-service-shutdown"
	StoppedByExtension       Result = rules.TerminatedByExtension
	StoppedServer            Result = "stopped-server"
	NoStartFullImport        Result = "no-start-full-import-required"
	NoStartPartition         Result = "missing-partition-for-run-step"
	NoStartMA                Result = "no-start-ma"
	NoStartNoSteps           Result = "no-start-no-steps-in-profile"
)

// Severity orders results: 0 for those that did what was asked, 1 for warnings,
// 2 for errors on single objects, 3 for a step that was held by a limit, 4 for one
// that failed.
func (r Result) Severity() int {
	switch r {
	case Success, CompletedNoObjects, InProgress:
		return 0
	case CompletedWarnings, CompletedTransients:
		return 1
	case CompletedDiscoveryErrors, CompletedSyncErrors, CompletedExportErrors:
		return 2
	case StoppedDeletionLimit, StoppedExportThreshold, StoppedThreshold, StoppedObjectLimit:
		return 3
	}
	return 4
}

// Stopped reports whether what ended so did not come to its end, so that nothing
// that builds on it may follow.
func (r Result) Stopped() bool { return r.Severity() >= 3 }

// with returns the result of r and what followed it: the more severe one, the
// earlier of equal ones. What did something and what had nothing to do are a
// success.
func (r Result) with(next Result) Result {
	switch {
	case r == InProgress, next.Severity() > r.Severity(), r == CompletedNoObjects && next == Success:
		return next
	}
	return r
}

// A Cause says why a run happened, and after which other run.
type Cause struct {
	Kind   string `json:"kind"`             // trigger, schedule, follow-up, manual, initial, retry
	Name   string `json:"name,omitempty"`   // of the trigger, or what the follow-up is for
	Parent uint64 `json:"parent,omitempty"` // the run that led to this one
	User   string `json:"user,omitempty"`   // who asked, for manual requests

	// Depth is how many follow-ups led to the run, one after the other; 0 if it follows
	// from nothing. It is not in records.
	Depth int `json:"-"`
}

// A Record tells what a run did. Its JSON form is the public one.
type Record struct {
	Run     uint64    `json:"run"`
	Agent   string    `json:"agent"`
	Profile string    `json:"profile"`
	Result  Result    `json:"result"`
	Cause   Cause     `json:"cause"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Steps   []*Report `json:"steps"`
}

// A Report tells what one step did.
type Report struct {
	Type    StepType  `json:"type"`
	Agent   string    `json:"agent,omitempty"` // if steps of the run are of several agents; "" is that of the run
	Result  Result    `json:"result"`
	Error   string    `json:"error,omitempty"` // why the step stopped, or did not start
	Hint    string    `json:"hint,omitempty"`
	File    string    `json:"file,omitempty"` // the drop or audit file that the step wrote
	Written int       `json:"file-entries,omitempty"`
	Dropped bool      `json:"dropped,omitempty"` // it did nothing but write the file
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`

	// Of an export: the number of its batch, and of the last one that ended well
	// (sync-engine §1.6).
	Batch          uint64 `json:"current-export-step-counter,omitempty"`
	ConfirmedBatch uint64 `json:"last-successful-export-step-counter,omitempty"`

	Staging   map[string]int                  `json:"staging-counters"`
	Inbound   map[sync.Counter]int            `json:"inbound-flow-counters"`
	Outbound  map[string]map[sync.Counter]int `json:"outbound-flow-counters"`
	Exports   map[string]int                  `json:"export-counters"`
	Discovery map[string]int                  `json:"ma-discovery-counters,omitempty"`
	Removed   map[string]int                  `json:"removal-counters,omitempty"` // see Removal

	Warnings []StepWarning `json:"warnings,omitempty"` // about the step as a whole

	// Held is what a limit kept back, if one did; HeldBefore, that an earlier run has
	// found the same.
	Held       *hold.Hold `json:"held,omitempty"`
	HeldBefore bool       `json:"held-before,omitempty"`

	DiscoveryErrors []ErrorRecord `json:"discovery-errors"`
	SyncErrors      []ErrorRecord `json:"synchronization-errors"`
	ExportErrors    []ErrorRecord `json:"export-errors"`

	// RetryErrors are those of metaverse objects that were synchronized outbound
	// again (sync-engine §3.11).
	RetryErrors []ErrorRecord `json:"mv-retry-errors,omitempty"`

	// Counts of all errors; the lists hold the first MaxListed.
	errors, warnings int

	parked []ErrorRecord // see Parked
}

// Parts returns what the step did, see [StepType.Parts]; nothing if it only wrote
// a file.
func (r *Report) Parts() []StepType {
	if r.Dropped {
		return nil
	}
	return r.Type.Parts()
}

// The staging and export counters (sync-engine §2.5).
const (
	stageNoChange  = "stage-no-change"
	stageAdd       = "stage-add"
	stageUpdate    = "stage-update"
	stageRename    = "stage-rename"
	stageDelete    = "stage-delete"
	stageDeleteAdd = "stage-delete-add"
	stageFailure   = "stage-failure"

	exportAdd       = "export-add"
	exportUpdate    = "export-update"
	exportRename    = "export-rename"
	exportDelete    = "export-delete"
	exportDeleteAdd = "export-delete-add"
	exportFailure   = "export-failure"

	filteredDeletions = "filtered-deletions"
	filteredObjects   = "filtered-objects"
)

// MaxListed is how many errors each list of a [Report] holds at most. All are counted.
const MaxListed = 1000

func newReport(t StepType, started time.Time) *Report {
	r := &Report{
		Type: t, Result: InProgress, Started: started,
		Staging: map[string]int{}, Inbound: map[sync.Counter]int{},
		Outbound: map[string]map[sync.Counter]int{}, Exports: map[string]int{},
		DiscoveryErrors: []ErrorRecord{}, SyncErrors: []ErrorRecord{}, ExportErrors: []ErrorRecord{},
	}
	if t.Import() != "" {
		for _, name := range []string{stageNoChange, stageAdd, stageUpdate, stageRename, stageDelete, stageDeleteAdd, stageFailure} {
			r.Staging[name] = 0
		}
	}
	return r
}

// An ErrorRecord is an error on one object, in a run record.
type ErrorRecord struct {
	Type      string      `json:"error-type"`
	Warning   bool        `json:"warning,omitempty"`
	ID        identity.ID `json:"cs-guid,omitzero"`
	Object    identity.ID `json:"mv-guid,omitzero"` // of an error on a metaverse object
	DN        string      `json:"dn,omitempty"`
	Anchor    string      `json:"anchor,omitempty"`
	Attribute string      `json:"attribute-name,omitempty"`
	Rule      string      `json:"rule,omitempty"`
	Step      string      `json:"algorithm-step,omitempty"`
	File      string      `json:"file,omitempty"`
	Line      int         `json:"line-number,omitempty"`
	Column    int         `json:"column-number,omitempty"`
	Detail    string      `json:"detail,omitempty"`
	First     time.Time   `json:"first-occurred,omitzero"`
	Last      time.Time   `json:"date-occurred,omitzero"`
	Retries   int         `json:"retry-count,omitempty"`
}

// errorRecord shows an error on an object that happens now.
func (s *step) errorRecord(err *fault.Error) ErrorRecord {
	e := ErrorRecord{
		Type: err.Name, DN: err.Object, Attribute: err.Attribute, Rule: err.Rule, Step: err.Step,
		File: err.Position.File, Line: err.Position.Line, Column: err.Position.Column,
		Detail: err.Detail(), First: s.now(), Last: s.now(),
	}
	if s.env.Redact != nil {
		e.Detail = s.env.Redact(e.Detail)
	}
	return e
}

func (e ErrorRecord) of(c *space.Connector, stored *space.ObjectError) ErrorRecord {
	e.ID, e.DN, e.Anchor = c.ID, c.DN, c.Anchor
	if stored != nil {
		e.First, e.Last, e.Retries = stored.First, stored.Last, stored.Retries
	}
	return e
}

func (r *Report) add(list *[]ErrorRecord, e ErrorRecord) {
	if e.Warning {
		r.warnings++
	} else {
		r.errors++
	}
	if len(*list) < MaxListed {
		*list = append(*list, e)
	}
}

// Changed reports whether a step has found or made changes by which something may
// succeed that has failed before: an import or a synchronization that was not idle,
// an export that created, renamed or deleted objects.
func (r *Report) Changed() bool {
	if changed(r.Staging, stageNoChange, stageFailure) || changed(r.Exports, exportUpdate, exportFailure) ||
		changed(r.Inbound, sync.ConnectorNoFlow, sync.DisconnectorRemains, sync.DisconnectorFiltered, sync.FlowFailure) {
		return true
	}
	for _, counters := range r.Outbound {
		if changed(counters, sync.ConnectorNoFlow) {
			return true
		}
	}
	return false
}

// changed reports whether anything was counted but what is no change.
func changed[K comparable](counters map[K]int, none ...K) bool {
	for name, n := range counters {
		if n > 0 && !slices.Contains(none, name) {
			return true
		}
	}
	return false
}

// forget takes back the error of a synchronization of an object that another one
// overcame.
func (r *Report) forget(id identity.ID) {
	r.errors--
	r.SyncErrors = slices.DeleteFunc(r.SyncErrors, func(e ErrorRecord) bool { return e.ID == id && !e.Warning })
}

func (r *Report) countOutbound(counts []sync.Outbound) {
	for _, c := range counts {
		counters := r.Outbound[c.Agent]
		if counters == nil {
			counters = map[sync.Counter]int{}
			r.Outbound[c.Agent] = counters
		}
		counters[c.Counter]++
	}
}

// stop ends the step because of an error that is not one of a single object. The
// record shows its name as the result, so its text says only where and what.
func (r *Report) stop(err error) {
	named := fault.As(err, string(StoppedServer))
	r.Result, r.Error, r.Hint = Result(named.Name), named.Detail(), named.Hint
	if !named.Position.IsZero() {
		r.Error = named.Position.String() + ": " + r.Error
	}
	if named.Attribute != "" {
		r.Error += " (attribute " + strconv.Quote(named.Attribute) + ")"
	}
}

// severest returns the most severe result: that of the run.
func (r *Record) severest() Result {
	if len(r.Steps) == 0 {
		return NoStartNoSteps
	}
	result := InProgress
	for _, s := range r.Steps {
		result = result.with(s.Result)
	}
	return result
}

// why returns the error that ended the run, "" if there is none.
func (r *Record) why() string {
	if len(r.Steps) == 0 {
		return "the profile has no steps"
	}
	return r.Steps[len(r.Steps)-1].Error
}
