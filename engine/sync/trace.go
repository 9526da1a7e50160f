package sync

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A Trace is what was decided in the synchronization of one object, in the order
// in which it was decided (sync-engine §3.12). References in it are to objects as
// they are in the transaction.
//
// A nil *Trace records nothing, and costs nothing but the question whether it is
// nil: all recording goes through the methods in tracing.go.
type Trace struct {
	Filter         *FilterTrace // nil if the filter was not asked
	Inbound        []ScopeTrace
	Left           *rules.InboundRule // whose end cut the link; nil for none
	Joins          []JoinTrace
	Projection     *ProjectionTrace // nil if it did not come to that
	Retypes        []RetypeTrace
	ImportFlows    []ImportFlowTrace
	Recalls        []RecallTrace
	Deletions      []DeletionTrace
	Provisioning   []ProvisioningTrace
	Deprovisioning []DeprovisioningTrace
	ExportFlows    []ExportFlowTrace
	Detected       []DetectedTrace

	flow    *ImportFlowTrace // that is being evaluated
	recall  *RecallTrace     // that is going on
	because Because          // connectors are deprovisioned
	rule    string           // whose scope was left
}

// Observe has everything recorded in t that the next calls decide; nil ends that.
func (s *Synchronizer) Observe(t *Trace) { s.trace = t }

// A FilterTrace is the answer of a connector filter.
type FilterTrace struct {
	Scripted   bool
	Conditions [][]rules.Tested // of a declared filter
	Filtered   bool
}

// A ScopeTrace is whether an inbound rule applies.
type ScopeTrace struct {
	Rule       *rules.InboundRule
	InScope    bool
	WaitsFor   string // the rule that it depends on, if that does not apply
	Conditions [][]rules.Tested
}

// A Resolution is what came of a join criterion.
type Resolution string

// The resolutions (sync-engine §3.5, §0 C3).
const (
	ResolvedJoined    Resolution = "joined"
	ResolvedOutside   Resolution = "out of scope"
	ResolvedNoValue   Resolution = "no value"
	ResolvedNoMatch   Resolution = "no match"
	ResolvedAmbiguous Resolution = "ambiguous"
	ResolvedDeclined  Resolution = "declined"
	ResolvedError     Resolution = "error"
)

// A JoinTrace is one join criterion that was tried.
type JoinTrace struct {
	Join       *rules.Join
	Values     [][]identity.Value // that were looked for, by pair; shorter if a pair had none
	Matches    []identity.ID
	Resolution Resolution
}

// A ProjectionTrace is the decision about a new metaverse object.
type ProjectionTrace struct {
	Type     string // "" if there is none
	Rule     string
	Scripted bool
}

// A RetypeTrace is a metaverse object that got another type.
type RetypeTrace struct {
	Object           identity.ID
	Rule, From, Type string
}

// A FlowStatus is what came of a flow. The words are those of the field (sync-engine
// §3.7).
type FlowStatus string

// What comes of inbound and outbound flows.
const (
	FlowUnchanged    FlowStatus = "unchanged"
	FlowOutOfScope   FlowStatus = "out of scope"
	FlowDeclined     FlowStatus = "declined"
	FlowNoValue      FlowStatus = "skipped: no value"
	FlowAwaits       FlowStatus = "skipped: waits for a reference" // all that it refers to is not there yet
	FlowNotPrecedent FlowStatus = "skipped: not precedent"
	FlowFailed       FlowStatus = "error"
)

// What comes of inbound flows only.
const (
	FlowApplied      FlowStatus = "applied"
	FlowDeleted      FlowStatus = "deleted"
	FlowRepopulated  FlowStatus = "repopulated" // by another contributor
	FlowNotEvaluated FlowStatus = "skipped: source unchanged"
)

// What comes of outbound flows only.
const (
	FlowStaged      FlowStatus = "staged"
	FlowPending     FlowStatus = "pending"   // it was staged before
	FlowWithdrawn   FlowStatus = "withdrawn" // what was staged before is no longer needed
	FlowInitialOnly FlowStatus = "skipped: initial only"
	FlowWeaker      FlowStatus = "skipped: stronger rule"
)

// A Said is what a flow says about its target.
type Said struct {
	Values   []identity.Value
	Null     bool // there shall be no value
	Declined bool
}

// A Contributed tells which values a metaverse attribute has, and from whom.
type Contributed struct {
	Values []identity.Value
	By     space.Contribution
	Some   bool // false if nobody contributes anything
}

// An ImportFlowTrace is what came of an inbound flow.
type ImportFlowTrace struct {
	Object        identity.ID // of the metaverse
	Connector     identity.ID
	Flow          *rules.InboundFlow
	Said          Said
	Status        FlowStatus
	Before, After Contributed
	Candidates    []CandidateTrace // who else was asked
	Err           error
}

// A CandidateTrace is what another flow says when the contributor of an attribute
// has nothing more to say (sync-engine §4.3).
type CandidateTrace struct {
	Connector identity.ID
	Flow      *rules.InboundFlow
	Said      Said
}

// A RecallTrace is what became of an attribute whose contributor was disconnected
// (sync-engine §4.5).
type RecallTrace struct {
	Object        identity.ID
	Connector     identity.ID
	Attribute     string
	Before, After Contributed
	Candidates    []CandidateTrace
}

// A DeletionTrace is the answer of an object deletion rule (sync-engine §8.2).
type DeletionTrace struct {
	Object identity.ID
	Rule   string // no-connectors, last-connector, any-of, script
	Agent  string // whose connector was cut, "" if it was by provisioning
	Delete bool
}

// An Outcome is what came of an outbound rule for a metaverse object.
type Outcome string

// The outcomes.
const (
	OutboundOutOfScope Outcome = "out of scope"
	OutboundWaits      Outcome = "waits" // for another rule
	OutboundExists     Outcome = "exists"
	OutboundJoined     Outcome = "joined existing"
	OutboundCreated    Outcome = "created"
	OutboundNone       Outcome = "no connector" // and the rule may not create one
	OutboundFailed     Outcome = "error"
)

// A ProvisioningTrace is what came of an outbound rule, or of a script.
type ProvisioningTrace struct {
	Object     identity.ID
	Rule       *rules.OutboundRule // nil for a script
	Outcome    Outcome
	WaitsFor   string // a rule
	Conditions [][]rules.Tested
	Connector  identity.ID
	DN         string
	Err        error
}

// A Because is why a connector was deprovisioned.
type Because string

// The reasons.
const (
	BecauseRuleLeft Because = "left the scope"
	BecauseDeleted  Because = "metaverse object deleted"
	BecauseScript   Because = "script"
)

// A DeprovisioningTrace is a connector that was cut by decision of the engine
// (sync-engine §8.1).
type DeprovisioningTrace struct {
	Connector identity.ID
	DN        string
	Because   Because
	Rule      string
	Action    string // an option of deprovisioning, or withdrawn: no system knows the object
}

// An ExportFlowTrace is what came of an outbound flow.
type ExportFlowTrace struct {
	Connector     identity.ID
	Rule          string // "" for a script
	Attribute     string
	Source        string
	Status        FlowStatus
	Said          Said
	Before, After []identity.Value // as the system will have them once everything is exported
	Err           error
}

// A DetectedTrace is which existence tests of rules hold for a connector.
type DetectedTrace struct {
	Connector     identity.ID
	Before, After []string
}

// Failure returns the error that a decision ended with, nil for none.
func Failure(err error) *fault.Error {
	if err == nil {
		return nil
	}
	return fault.As(err, "unexpected-error")
}
