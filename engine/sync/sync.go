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
	room    room
}

// New returns a synchronizer. ctx ends calls of script functions; now is the
// time of the run: all objects see the same.
func New(ctx context.Context, set *rules.Set, s *space.Space, now time.Time) *Synchronizer {
	return &Synchronizer{
		rules: set, space: s, ctx: ctx, now: now,
		evalCtx: expr.Context{Context: ctx, Now: now},
	}
}

// A Mode says how much of an object is evaluated again (sync-engine §3.10).
type Mode int

// The modes.
const (
	Delta Mode = iota // what the pending import changed
	Full              // everything
)

// A Result is what the synchronization of one object did.
type Result struct {
	Inbound  Counter    // the one inbound-flow counter of the object, "" if none applies
	Outbound []Outbound // what happened to connectors, in all connector spaces
	Err      *fault.Error
	Warnings []*fault.Error
}

// An Outbound is one count of an outbound-flow counter.
type Outbound struct {
	Agent   string
	Counter Counter
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
	DetectedRuleAdd       Counter = "detected-rule-add"    // existence tests of a rule hold now
	DetectedRuleDelete    Counter = "detected-rule-delete" // ... and no longer do
)

// Algorithm steps, as error records name them (sync-engine §3.1).
const (
	stepFilter         = "connector-filter"
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
	err := tx.Unit(func() error { return u.connector(id, mode) })
	if err == nil {
		return u.result, nil
	}
	named, ok := objectError(err)
	if !ok {
		return Result{}, fmt.Errorf("synchronize %s: %w", id, err)
	}
	if err := s.remember(tx, id, named); err != nil {
		return Result{}, err
	}
	return Result{Inbound: FlowFailure, Err: named}, nil
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
		return u.outbound(mv)
	})
	if err == nil {
		return u.result, nil
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
}

func (s *Synchronizer) unit(tx *space.Tx) *unit { return &unit{Synchronizer: s, tx: tx} }

func (u *unit) count(agent string, counter Counter) {
	u.result.Outbound = append(u.result.Outbound, Outbound{agent, counter})
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
}

// Get implements [expr.Getter].
func (v *connectorView) Get(name string) []identity.Value {
	if values := v.image.Get(name); values != nil {
		return values
	}
	switch name {
	case rules.DNAttribute:
		return textValue(v.DN)
	case rules.AnchorAttribute:
		return textValue(v.Anchor)
	case rules.ObjectTypeAttribute:
		return textValue(v.ObjectType)
	}
	return nil
}

// objectView shows a metaverse object to scopes and flows.
type objectView struct{ *space.Object }

// Get implements [expr.Getter].
func (v objectView) Get(name string) []identity.Value {
	if values := v.Attributes.Get(name); values != nil {
		return values
	}
	switch name {
	case rules.ObjectIDAttribute:
		return textValue(v.ID.String())
	case rules.ObjectTypeAttribute:
		return textValue(v.Type)
	}
	return nil
}

func textValue(s string) []identity.Value {
	if s == "" {
		return nil
	}
	return []identity.Value{identity.String(s)}
}

// eval computes the value of a flow, without its references resolved. declined
// is true if the flow has nothing to say about its target.
func (u *unit) eval(source *rules.Evaluator, object expr.Getter) (values []identity.Value, declined bool, err error) {
	u.evalCtx.Object = object
	v, err := source.Eval(&u.evalCtx)
	if err != nil {
		return nil, false, err
	}
	return v.Values(), v.Literal() == expr.IgnoreThisFlow, nil
}
