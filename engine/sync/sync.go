package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A Synchronizer synchronizes objects by one set of rules. It may be used by one
// goroutine at a time.
type Synchronizer struct {
	rules   *rules.Set
	space   *space.Space
	ctx     context.Context // of the run, for the functions of scripts
	now     time.Time
	evalCtx expr.Context
	random  *pinnedRandom
	room    room

	joinAgain bool               // see JoinAgain
	mayRemove func(*Result) bool // see AskRemovals

	trace  *Trace // see Observe
	former map[string]Former
}

// New returns a synchronizer. ctx ends calls of script functions; now is the
// time of the run: all objects see the same.
func New(ctx context.Context, set *rules.Set, s *space.Space, now time.Time) *Synchronizer {
	ctx = rules.WithNow(ctx, now)
	random := newPinnedRandom()
	return &Synchronizer{
		rules: set, space: s, ctx: ctx, now: now, random: random,
		evalCtx: expr.Context{Context: ctx, Now: now, Random: random.below},
	}
}

// A Mode says how much of an object is evaluated again (sync-engine §3.10).
type Mode int

// The modes.
const (
	Delta  Mode = iota // what the pending import changed
	Full               // everything
	Resync             // everything inbound; outbound what changed or was last done by other rules
)

// A Result is what the synchronization of one object did.
type Result struct {
	Subject  Subject    // the object, as it was before
	Inbound  Counter    // the one inbound-flow counter of the object, "" if none applies
	Outbound []Outbound // what happened to connectors, in all connector spaces
	Err      *fault.Error
	Warnings []*fault.Error

	Blocker Blocker // who was in the way of a name, if Err is object-already-exists

	Removed  *Removals // nil if nothing was taken away, or nobody asked; see AskRemovals
	SetAside bool      // nothing was done, because of what would have been taken away
}

// A Subject tells which connector-space object something is about, also when it
// is gone.
type Subject struct {
	ID                     identity.ID
	DN, Anchor, ObjectType string
	Synchronized           identity.Attributes
	Import                 *identity.Delta // what was pending
}

func subjectOf(c *space.Connector) Subject {
	s := Subject{c.ID, c.DN, c.Anchor, c.ObjectType, c.Synchronized, c.Import}
	if c.Import == nil || c.Import.Op != identity.Update {
		return s
	}
	for i := range c.Import.Changes {
		change := &c.Import.Changes[i]
		if change.Op != identity.Delete && change.Op != identity.Replace {
			continue
		}
		// Values that are kept elsewhere go from there with the synchronization.
		if a := s.Synchronized.Find(change.Name); a != nil && a.Set != nil {
			s.Synchronized = s.Synchronized.Clone().Set(change.Name, a.All()...)
		}
	}
	return s
}

// An Outbound is one count of an outbound-flow counter.
type Outbound struct {
	Agent     string
	Counter   Counter
	Connector *space.Connector // as the synchronization left it
}

// A Counter is the name of an inbound-flow or outbound-flow counter
// (sync-engine §2.5).
type Counter string

// The inbound-flow counters; exactly one is counted per object.
const (
	DisconnectorFiltered        Counter = "disconnector-filtered"
	DisconnectorJoinedNoFlow    Counter = "disconnector-joined-no-flow"
	DisconnectorJoinedFlow      Counter = "disconnector-joined-flow"
	DisconnectorJoinedRemoveMV  Counter = "disconnector-joined-remove-mv"
	DisconnectorProjectedNoFlow Counter = "disconnector-projected-no-flow"
	DisconnectorProjectedFlow   Counter = "disconnector-projected-flow"
	DisconnectorProjectedRemove Counter = "disconnector-projected-remove-mv"
	DisconnectorRemains         Counter = "disconnector-remains"
	ConnectorFilteredRemoveMV   Counter = "connector-filtered-remove-mv"
	ConnectorFilteredLeaveMV    Counter = "connector-filtered-leave-mv"
	ConnectorFlowRemoveMV       Counter = "connector-flow-remove-mv"
	ConnectorDeleteRemoveMV     Counter = "connector-delete-remove-mv"
	ConnectorDeleteLeaveMV      Counter = "connector-delete-leave-mv"
	ConnectorDeleteAddProcessed Counter = "connector-delete-add-processed"
	FlowFailure                 Counter = "flow-failure"
)

// Counters of connectors, inbound for the agent that is synchronized, outbound
// for the agents that receive changes.
const (
	ConnectorFlow   Counter = "connector-flow"
	ConnectorNoFlow Counter = "connector-no-flow"
)

// The other outbound-flow counters.
const (
	ProvisionedAddNoFlow  Counter = "provisioned-add-no-flow"
	ProvisionedAddFlow    Counter = "provisioned-add-flow"
	ProvisionedRenameFlow Counter = "provisioned-rename-flow"
	ProvisionedRenameOnly Counter = "provisioned-rename-no-flow"
	ProvisionedDisconnect Counter = "provisioned-disconnect"

	ProvisionedDeleteAddNoFlow Counter = "provisioned-delete-add-no-flow" // a new object in the place of one that is deleted
	ProvisionedDeleteAddFlow   Counter = "provisioned-delete-add-flow"

	DetectedRuleAdd    Counter = "detected-rule-add"    // existence tests of a rule hold now
	DetectedRuleDelete Counter = "detected-rule-delete" // ... and no longer do
)

// Algorithm steps, as error records name them (sync-engine §3.1).
const (
	stepFilter         = "connector-filter"
	stepObjectType     = "mv-object-type-change"
	stepJoin           = "join"
	stepProjection     = "projection"
	stepImportFlow     = "import-flow"
	stepProvisioning   = "provisioning"
	stepDeprovisioning = "deprovisioning"
	stepExportFlow     = "export-flow"
	stepValidateFilter = "validate-connector-filter"
	stepDeletion       = "mv-deletion"
)

// Connector synchronizes a connector-space object. The returned error is one of
// the store; what is wrong with the object is in the result, and stays with the
// object until a synchronization succeeds.
func (s *Synchronizer) Connector(tx *space.Tx, id identity.ID, mode Mode) (Result, error) {
	u := s.unit(tx)
	err := tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		u.result.Subject = subjectOf(c)
		if err := u.connector(id, mode); err != nil {
			return err
		}
		if err := u.conclude(u.whole); err != nil {
			return err
		}
		if u.failure != nil {
			return u.failure
		}
		return u.checkRemovals()
	})
	if err == nil {
		return u.result, nil
	}
	if aside, ok := u.setAside(err); ok {
		return aside, nil
	}
	named, ok := objectError(err)
	if !ok {
		return Result{}, fmt.Errorf("synchronize %s: %w", id, err)
	}
	if err := s.remember(tx, id, named); err != nil {
		return Result{}, err
	}
	result := Result{Subject: u.result.Subject, Inbound: FlowFailure, Err: named}
	if named.Name == NameTaken {
		result.Blocker = u.blocker
	}
	return result, nil
}

// Object does the outbound phase of a metaverse object again that was marked for
// it. If that fails the mark stays, for the next synchronization step. An object
// that is gone is no error.
func (s *Synchronizer) Object(tx *space.Tx, id identity.ID) (Result, error) {
	u := s.unit(tx)
	err := tx.Unit(func() error {
		if err := tx.DoneObject(id); err != nil {
			return err
		}
		mv, err := tx.Object(id)
		if err != nil || mv == nil {
			return err
		}
		if err := u.outbound(mv); err != nil {
			return err
		}
		if err := u.conclude(0); err != nil {
			return err
		}
		return u.checkRemovals()
	})
	if err == nil {
		return u.result, nil
	}
	if aside, ok := u.setAside(err); ok {
		return aside, nil
	}
	named, ok := objectError(err)
	if !ok {
		return Result{}, fmt.Errorf("synchronize %s: %w", id, err)
	}
	return Result{Err: named}, nil
}

// objectError returns the error of the object in err's chain; false if the
// store is to blame, or the run has been cancelled or ended by an extension.
func objectError(err error) (*fault.Error, bool) {
	if errors.Is(err, context.Canceled) || errors.Is(err, rules.ErrTerminateRun) {
		return nil, false
	}
	var named *fault.Error
	return named, errors.As(err, &named)
}

// remember stores the error with the object. Pending changes stay pending.
func (s *Synchronizer) remember(tx *space.Tx, id identity.ID, named *fault.Error) error {
	return tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		named.Agent, named.Object = s.space.AgentOf(id), c.DN
		first, retries := s.now, 0
		if c.ImportError != nil {
			first, retries = c.ImportError.First, c.ImportError.Retries+1
		}
		c.ImportError = &space.ObjectError{
			Name: named.Name, Step: named.Step, Rule: named.Rule, Attribute: named.Attribute,
			Detail: detail(named), First: first, Last: s.now, Retries: retries,
		}
		tx.PutConnector(c)
		return nil
	})
}

// detail is the text of an error record: where in the configuration, and what.
func detail(err *fault.Error) string {
	if err.Position.IsZero() {
		return err.Detail()
	}
	return err.Position.String() + ": " + err.Detail()
}

// A unit is the synchronization of one object.
type unit struct {
	*Synchronizer
	tx     *space.Tx
	result Result
	before before // see edges.go

	overlaid overlaid    // see importview.go
	written  []written   // see unique.go
	sought   []sought    // see seek.go
	whole    identity.ID // the metaverse object into which all flows were evaluated

	failure   error                         // of the store, where none could be returned
	current   identity.ID                   // the object that is synchronized, 0 if none is
	target    *space.Object                 // of the inbound flow that is evaluated
	fresh     bool                          // the object has just been linked
	postponed bool                          // outbound synchronization is left to a later one
	retyped   map[identity.ID][]*rules.Type // the types that metaverse objects had before

	deletes int      // metaverse objects that it deletes; with doomed and cuts, see AskRemovals
	doomed  Doomed   // the first of them
	cuts    []Cut    // connectors whose link it cuts
	blocker Blocker  // see Result
	claims  *[]claim // of the objects that are synchronized together, nil if one is alone
}

func (s *Synchronizer) unit(tx *space.Tx) *unit { return &unit{Synchronizer: s, tx: tx} }

func (u *unit) count(c *space.Connector, counter Counter) {
	u.result.Outbound = append(u.result.Outbound, Outbound{u.space.AgentOf(c.ID), counter, c})
}

func (u *unit) warn(c *space.Connector, warning *fault.Error) {
	warning.Agent, warning.Object = u.space.AgentOf(c.ID), c.DN
	u.result.Warnings = append(u.result.Warnings, warning)
}

// within completes an error with where in the algorithm it happened.
func within(err error, step, rule, attribute string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	named := *fault.As(err, "unexpected-error")
	if named.Step == "" {
		named.Step = step
	}
	if named.Rule == "" {
		named.Rule = rule
	}
	if named.Attribute == "" {
		named.Attribute = attribute
	}
	return &named
}

// connectorView shows a connector-space object to scopes and flows.
type connectorView struct {
	*space.Connector
	image identity.Attributes
	unit  *unit // for questions about groups; nil knows of none
}

// Get implements [expr.Getter].
func (v *connectorView) Get(name string) []identity.Value {
	if values := v.image.Get(name); values != nil {
		return values
	}
	return rules.ConnectorIntrinsic(name, v.DN, v.Anchor, v.ObjectType)
}

// objectView shows a metaverse object to scopes and flows.
type objectView struct{ *space.Object }

// Get implements [expr.Getter].
func (v objectView) Get(name string) []identity.Value {
	if values := v.Attributes.Get(name); values != nil {
		return values
	}
	return rules.ObjectIntrinsic(name, v.ID, v.Type)
}

func textValue(s string) []identity.Value {
	if s == "" {
		return nil
	}
	return []identity.Value{identity.String(s)}
}
