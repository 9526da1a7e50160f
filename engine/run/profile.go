package run

import "github.com/metasync/metasync/engine/fault"

// A StepType is what one step of a run profile does (sync-engine §2.1).
type StepType string

// The step types.
const (
	FullImport  StepType = "full-import"
	DeltaImport StepType = "delta-import"
	FullSync    StepType = "full-sync"
	DeltaSync   StepType = "delta-sync"
	Export      StepType = "export"
)

// StepTypes lists all step types.
var StepTypes = []StepType{FullImport, DeltaImport, FullSync, DeltaSync, Export}

// A Profile is a named list of steps of one management agent.
type Profile struct {
	Name     string
	Steps    []Step
	Position fault.Position
}

// A Step is one step of a profile.
type Step struct {
	Type StepType
}

// DefaultProfiles returns the profiles that an agent has unless its
// configuration defines others: one of each step type, named after it.
func DefaultProfiles() []Profile {
	profiles := make([]Profile, len(StepTypes))
	for i, t := range StepTypes {
		profiles[i] = Profile{Name: string(t), Steps: []Step{{Type: t}}}
	}
	return profiles
}

// Thresholds stop a step before it does harm (sync-engine §2.3, §2.4).
type Thresholds struct {
	ImportDeletes Limit
	ExportDeletes Limit

	// SuppressDeletesOnly: an export that would delete too much leaves out the
	// deletions and sends the rest.
	SuppressDeletesOnly bool
}

// A Limit is an absolute number or a percentage of the objects of the
// connector space. The zero Limit is "not set".
type Limit struct {
	Count   int
	Percent float64
	IsSet   bool
}

// Exceeded reports whether n objects out of total are more than the limit allows.
func (l Limit) Exceeded(n, total int) bool {
	switch {
	case !l.IsSet:
		return false
	case l.Percent > 0:
		return float64(n)*100 > l.Percent*float64(total)
	}
	return n > l.Count
}
