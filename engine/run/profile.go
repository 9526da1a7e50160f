package run

import (
	"slices"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// A StepType is what one step of a run profile does (sync-engine §2.1).
type StepType string

// The step types. The combined ones import and then, unless the import was
// stopped, synchronize; both count in one report.
const (
	FullImport           StepType = "full-import"
	DeltaImport          StepType = "delta-import"
	FullSync             StepType = "full-sync"
	DeltaSync            StepType = "delta-sync"
	Resync               StepType = "resync" // full, of those objects about which other rules than the present ones decided
	Export               StepType = "export"
	DeltaImportDeltaSync StepType = "delta-import-delta-sync"
	FullImportDeltaSync  StepType = "full-import-delta-sync"
	FullImportFullSync   StepType = "full-import-full-sync"
)

// StepTypes lists all step types, the combined ones last.
var StepTypes = []StepType{
	FullImport, DeltaImport, FullSync, DeltaSync, Resync, Export,
	DeltaImportDeltaSync, FullImportDeltaSync, FullImportFullSync,
}

// Import returns the import that a step of this type begins with, "" if none.
func (t StepType) Import() StepType {
	switch t {
	case FullImport, FullImportDeltaSync, FullImportFullSync:
		return FullImport
	case DeltaImport, DeltaImportDeltaSync:
		return DeltaImport
	}
	return ""
}

// Sync returns the synchronization that a step of this type ends with, "" if none.
func (t StepType) Sync() StepType {
	switch t {
	case FullSync, FullImportFullSync:
		return FullSync
	case DeltaSync, DeltaImportDeltaSync, FullImportDeltaSync:
		return DeltaSync
	case Resync:
		return Resync
	}
	return ""
}

// Parts returns what a step of this type does, one after the other: the type
// itself unless it is a combined one.
func (t StepType) Parts() []StepType {
	if t.Import() != "" && t.Sync() != "" {
		return []StepType{t.Import(), t.Sync()}
	}
	return []StepType{t}
}

// A Profile is a named list of steps of one management agent.
type Profile struct {
	Name     string
	Steps    []Step
	Position fault.Position
}

// A Step is one step of a profile. Only its type must be given; the zero value
// of anything else leaves it to the agent's thresholds, or to the engine.
type Step struct {
	Type StepType

	// Partition is the part of the system that is imported or exported. "" is
	// all of it: an import reads one partition after the other.
	Partition   string
	PartitionAt fault.Position

	Page  int // entries in a page of an import, which is one store transaction
	Batch int // objects in a transaction of a synchronization, changes in a call of an export

	Full bool // of an export: every connected object comes whole (see agent.ExportRequest)

	TimeLimit time.Duration // after which the step stops; what it did stays
	Objects   int           // after which it stops: entries, objects or changes
	Errors    Limit         // on objects, in each part of the step; a Count of 0 is any number
	Deletes   Limit         // overrides the agent's threshold

	// JoinAll has a full synchronization try the join criteria again for connectors,
	// too (sync-engine §2.1 reevaluate-join-flow-all); see
	// [sync.Synchronizer.JoinAgain].
	JoinAll bool

	// SyncUnchanged has a delta synchronization that follows an import synchronize
	// also those objects, and fully, that the import reports as they were
	// (sync-engine §0 C2).
	SyncUnchanged bool

	// At most one of these is a file (sync-engine §2.9). Drop writes what was
	// read, or would be sent, and does nothing else; Audit writes it and goes on;
	// Resume takes it from the file: instead of the system, or of what is pending.
	Drop, Audit, Resume string
}

// idle reports whether the step changes neither the connector space nor the system.
func (s Step) idle() bool { return s.Drop != "" }

// plain reports whether the step does for its agent all that its type says, and
// nothing that only an administrator decides.
func (s Step) plain() bool {
	return s.Partition == "" && !s.Full && !s.JoinAll && s.Objects == 0 && s.Drop == "" && s.Resume == ""
}

// Parts returns what the steps of the profile do, one after the other. Those that
// only write a file do nothing.
func (p *Profile) Parts() []StepType {
	parts := make([]StepType, 0, len(p.Steps))
	for _, s := range p.Steps {
		if !s.idle() {
			parts = append(parts, s.Type.Parts()...)
		}
	}
	return parts
}

// IsWhole reports whether the steps do all that their types say: they are
// restricted to no part of the system and to no file.
func (p *Profile) IsWhole() bool {
	return !slices.ContainsFunc(p.Steps, func(s Step) bool { return !s.plain() })
}

// Operation returns the step type that the profile can stand for whenever its
// agent needs that done: it consists of one such step, which is restricted to no
// part of the system and to no file. Otherwise it returns "".
func (p *Profile) Operation() StepType {
	if len(p.Steps) != 1 || !p.IsWhole() || len(p.Steps[0].Type.Parts()) > 1 {
		return ""
	}
	return p.Steps[0].Type
}

// DefaultProfiles returns the profiles that an agent has unless its
// configuration defines others: one of each step type that is not a combined
// one, named after it.
func DefaultProfiles() []Profile {
	var profiles []Profile
	for _, t := range StepTypes {
		if len(t.Parts()) == 1 {
			profiles = append(profiles, Profile{Name: string(t), Steps: []Step{{Type: t}}})
		}
	}
	return profiles
}

// Thresholds stop a step before it does harm (sync-engine §2.3, §2.4). Without
// one for exports, an export of more than 500 deletions is stopped; without one
// for imports, only a complete import that finds nothing at all.
type Thresholds struct {
	ImportDeletes Limit
	ImportObjects int   // 0 is any number
	ImportErrors  Limit // unset is the default; a Count of 0 is any number
	ExportDeletes Limit
	ExportErrors  Limit

	// SuppressDeletesOnly: an export that would delete too much leaves out the
	// deletions and sends the rest.
	SuppressDeletesOnly bool

	Limits Limits // of everything but the deletions of imports and exports
	Window Window
}

// A Limit is an absolute number or a percentage of the objects of the
// connector space. The zero Limit is "not set". [AtMost] and [AtMostPercent]
// make others.
type Limit struct {
	Count   int
	Percent float64
	AtLeast int // of a percentage: so many are allowed in any case
	IsSet   bool
}

// AtMost returns the limit that n objects do not exceed and n+1 do.
func AtMost(n int) Limit { return Limit{Count: n, IsSet: true} }

// AtMostPercent returns the limit that is a share of the objects of the connector
// space; 0 allows none.
func AtMostPercent(percent float64) Limit { return Limit{Percent: percent, IsSet: true} }

// Exceeded reports whether n objects out of total are more than the limit allows.
func (l Limit) Exceeded(n, total int) bool {
	switch {
	case !l.IsSet:
		return false
	case l.Percent > 0:
		return n > l.AtLeast && float64(n)*100 > l.Percent*float64(total)
	}
	return n > max(l.Count, l.AtLeast)
}

// String returns the limit as configurations have it: "50" or "10%".
func (l Limit) String() string {
	if l.Percent > 0 {
		return strconv.FormatFloat(l.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(max(l.Count, l.AtLeast))
}
