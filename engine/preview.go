package engine

import (
	"context"
	"fmt"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A PreviewQuery says which object of a connector space to synchronize.
type PreviewQuery struct {
	Agent string `json:"agent"`
	Key   string `json:"key"`             // id, anchor or DN of the object
	Delta bool   `json:"delta,omitempty"` // only what the pending import changed; else everything
}

// A Preview tells what the synchronization of one object does, and why
// (sync-engine §3.12). Its JSON form is the public one.
type Preview struct {
	Agent     string            `json:"agent"`
	Object    string            `json:"object"`
	ID        identity.ID       `json:"id"`
	DN        string            `json:"dn"`
	Anchor    string            `json:"anchor"`
	State     string            `json:"state"`              // before
	NewState  string            `json:"newState,omitempty"` // after, "" if the object is gone
	Mode      string            `json:"mode"`               // full or delta
	Committed bool              `json:"committed"`          // it was done for good, unless a threshold holds it
	Run       uint64            `json:"run,omitempty"`      // the run that did it
	Result    run.Result        `json:"result"`
	Operation sync.Counter      `json:"operation,omitempty"` // the inbound-flow counter
	Errors    []run.ErrorRecord `json:"errors"`              // and warnings
	Stopped   string            `json:"stopped,omitempty"`   // why nothing was done
	Hint      string            `json:"hint,omitempty"`      // what to do about that

	PendingImport  *DeltaView           `json:"pendingImport"`
	ImportView     rules.ImportView     `json:"importView"`      // what inbound flows read
	Filter         *FilterView          `json:"connectorFilter"` // null if it was not asked
	InboundRules   []InboundRuleView    `json:"inboundRules"`
	Joins          []JoinView           `json:"joins"`
	Projection     *ProjectionView      `json:"projection"` // null if it did not come to that
	ObjectTypes    []ObjectTypeView     `json:"objectTypes,omitempty"`
	ImportFlows    []ImportFlowView     `json:"importFlows"`
	Recalls        []RecallView         `json:"recalls"`
	Deletions      []DeletionView       `json:"deletions"`
	Provisioning   []ProvisioningView   `json:"provisioning"`
	Deprovisioning []DeprovisioningView `json:"deprovisioning"`
	ExportFlows    []ExportFlowsView    `json:"exportFlows"` // by connector
	Detected       []DetectedView       `json:"detectedRules"`
	Changes        []PreviewChange      `json:"changes"` // of the metaverse, then of every agent, once everything is exported
}

// A FilterView is the answer of a connector filter.
type FilterView struct {
	Filtered   bool              `json:"filtered"`
	Scripted   bool              `json:"scripted,omitempty"`
	Conditions [][]ConditionView `json:"conditions"` // by alternative
}

// An InboundRuleView is whether an inbound rule applies.
type InboundRuleView struct {
	Rule        string            `json:"rule"`
	InScope     bool              `json:"inScope"`
	WaitsFor    string            `json:"waitsFor,omitempty"`    // the rule that it depends on, if that does not apply
	Disconnects bool              `json:"disconnects,omitempty"` // it cuts the link, because it no longer applies
	Conditions  [][]ConditionView `json:"conditions,omitempty"`  // by alternative
}

// A JoinView is a join criterion that was tried.
type JoinView struct {
	Rule       string          `json:"rule"`
	Criterion  []JoinPairView  `json:"criterion"`
	Matches    []ReferenceView `json:"matches"`
	Resolution sync.Resolution `json:"resolution"`
}

// A JoinPairView is a pair of attributes that a join criterion compares.
type JoinPairView struct {
	Connector string `json:"connector"`
	Metaverse string `json:"metaverse"`
	Values    []any  `json:"values"` // that were looked for
}

// A ReferenceView names an object.
type ReferenceView struct {
	ID   identity.ID `json:"id"`
	Name string      `json:"name"`
}

// A ProjectionView is the decision about a new metaverse object.
type ProjectionView struct {
	Type     string `json:"type"` // "" is none
	Rule     string `json:"rule,omitempty"`
	Scripted bool   `json:"scripted,omitempty"`
}

// An ObjectTypeView is a metaverse object that becomes one of another type.
type ObjectTypeView struct {
	Object ReferenceView `json:"object"`
	Rule   string        `json:"rule"`
	From   string        `json:"from"`
	To     string        `json:"to"`
}

// An ImportFlowView is what came of an inbound flow.
type ImportFlowView struct {
	FlowView
	ContributorBefore *ContributorView `json:"contributorBefore"`
	Contributor       *ContributorView `json:"contributor"`
	Asked             []AskedView      `json:"asked,omitempty"` // who else, because the contributor has nothing more to say
}

// An AskedView is what another flow says when an attribute needs a new contributor.
type AskedView struct {
	Agent    string `json:"agent"`
	DN       string `json:"dn"`
	Rule     string `json:"rule"`
	Value    []any  `json:"value"`
	Null     bool   `json:"null,omitempty"`
	Declined bool   `json:"declined,omitempty"`
}

// A RecallView is what became of what a disconnected object contributed.
type RecallView struct {
	Attribute   string           `json:"attribute"`
	From        string           `json:"from"` // the disconnected object
	Before      []any            `json:"before"`
	After       []any            `json:"after"`
	Contributor *ContributorView `json:"contributor"` // the new one
	Asked       []AskedView      `json:"asked,omitempty"`
}

// A DeletionView is the answer of an object deletion rule.
type DeletionView struct {
	Object ReferenceView `json:"object"`
	Rule   string        `json:"rule"`
	Agent  string        `json:"agent,omitempty"` // whose connector was cut
	Delete bool          `json:"delete"`
}

// A ProvisioningView is what came of an outbound rule.
type ProvisioningView struct {
	Rule       string            `json:"rule"` // "" for a script
	Agent      string            `json:"agent"`
	Object     string            `json:"object"`
	Outcome    sync.Outcome      `json:"outcome"`
	WaitsFor   string            `json:"waitsFor,omitempty"`
	DN         string            `json:"dn,omitempty"`
	Conditions [][]ConditionView `json:"conditions,omitempty"`
	Error      *run.ErrorRecord  `json:"error,omitempty"`
}

// A DeprovisioningView is a connector that is cut by decision of the engine.
type DeprovisioningView struct {
	Agent   string       `json:"agent"`
	DN      string       `json:"dn"`
	Because sync.Because `json:"because"`
	Rule    string       `json:"rule,omitempty"`
	Action  string       `json:"action"`
}

// ExportFlowsView is what came of the outbound flows to one connector.
type ExportFlowsView struct {
	Agent  string      `json:"agent"`
	Object string      `json:"object"`
	ID     identity.ID `json:"id"`
	DN     string      `json:"dn"`
	Flows  []FlowView  `json:"flows"`
}

// A DetectedView is which rules' existence tests hold for a connector.
type DetectedView struct {
	Agent  string   `json:"agent"`
	DN     string   `json:"dn"`
	Before []string `json:"before"`
	After  []string `json:"after"`
}

// A PreviewChange is an object that becomes different.
type PreviewChange struct {
	Agent string `json:"agent"` // "" for the metaverse
	ForecastSample
}

// Preview tells what the synchronization of an object would do and why. It changes
// no byte of the store.
func (e *Engine) Preview(ctx context.Context, q PreviewQuery) (*Preview, error) {
	env, err := e.configured(q.Agent)
	if err != nil {
		return nil, err
	}
	var p *Preview
	var missing error
	err = e.space.Rehearse(env.named(), env.indexes(), func(_, tx *space.Tx) error {
		o, err := e.observe(env, tx, q)
		if err != nil {
			missing = err
			return err
		}
		report, err := e.runner.Preview(ctx, &env.Environment, q.Agent, tx, func(s *sync.Synchronizer) (sync.Result, error) {
			return o.synchronize(s)
		})
		if err != nil {
			return err
		}
		p, err = o.preview(report)
		return err
	})
	switch {
	case missing != nil:
		return nil, missing
	case err != nil:
		return nil, fmt.Errorf("preview: %w", err)
	}
	return p, nil
}

// CommitPreview does what [Engine.Preview] tells for good, as a run, and tells what
// was done (sync-engine §3.12). Nothing is exported. See [run.Runner.Commit] for
// errors.
func (e *Engine) CommitPreview(ctx context.Context, q PreviewQuery, cause Cause) (*Preview, error) {
	env, err := e.configured(q.Agent)
	if err != nil {
		return nil, err
	}
	var p *Preview
	record, err := e.runner.Commit(ctx, &env.Environment, q.Agent, cause, func(s *sync.Synchronizer, tx *space.Tx) (sync.Result, error) {
		o, err := e.observe(env, tx, q)
		if err != nil {
			return sync.Result{}, err
		}
		result, err := o.synchronize(s)
		if err != nil {
			return result, err
		}
		p, err = o.preview(&run.Report{})
		return result, err
	})
	if err != nil {
		return nil, err
	}
	step := record.Steps[0]
	p.Committed, p.Run, p.Result, p.Errors = true, record.Run, record.Result, step.SyncErrors
	p.Stopped, p.Hint = step.Error, step.Hint
	return p, nil
}

// configured returns the present environment if it has an agent.
func (e *Engine) configured(agent string) (*environment, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	if env.Agents[agent] == nil {
		return nil, e.unknownAgent(agent)
	}
	return env, nil
}

// An observation is one synchronization of an object that is looked at.
type observation struct {
	env    *environment
	tx     *space.Tx
	id     identity.ID
	mode   sync.Mode
	before Preview // what is known before
	trace  sync.Trace
	result sync.Result
}

func (e *Engine) observe(env *environment, tx *space.Tx, q PreviewQuery) (*observation, error) {
	id, err := e.find(tx, q.Agent, q.Key)
	if err != nil {
		return nil, err
	}
	c, err := tx.Connector(id)
	if err != nil {
		return nil, err
	}
	if c.State == space.Placeholder {
		named := fault.New("object-is-placeholder", "the object is only known because others refer to it; it was never imported")
		named.Agent, named.Object = q.Agent, q.Key
		return nil, named
	}
	o := &observation{env: env, tx: tx, id: id, mode: sync.Full}
	if q.Delta {
		o.mode = sync.Delta
	}
	v := &viewer{env: env, tx: tx}
	o.before = Preview{
		Agent: q.Agent, Object: c.ObjectType, ID: id, DN: v.text(c.DN), Anchor: v.text(c.Anchor), State: c.State.String(), Mode: "full",
		PendingImport: v.delta(q.Agent, c.ObjectType, c.Import),
	}
	if q.Delta {
		o.before.Mode = "delta"
	}
	if agent := env.Rules.Agent(q.Agent); agent != nil {
		o.before.ImportView = agent.ImportView
	}
	return o, v.err
}

func (o *observation) synchronize(s *sync.Synchronizer) (result sync.Result, err error) {
	s.Observe(&o.trace)
	defer s.Observe(nil)
	o.result, err = s.Connector(o.tx, o.id, o.mode)
	return o.result, err
}

// preview tells what was observed.
func (o *observation) preview(report *run.Report) (*Preview, error) {
	p := o.before
	p.Result, p.Errors, p.Operation = report.Result, report.SyncErrors, o.result.Inbound
	r := &rehearsal{objects: map[objectKey]transition{}}
	was := o.tx.Before()
	for _, name := range append([]string{""}, o.env.order...) {
		if err := r.gather(name, was, o.tx); err != nil {
			return nil, err
		}
	}
	err := o.tx.Unit(func() error { // it looks at what the units before have written
		c, err := o.tx.Connector(o.id)
		if err != nil {
			return err
		}
		if c != nil {
			p.NewState = c.State.String()
		}
		v := &viewer{env: o.env, tx: o.tx, was: was}
		v.inbound(&p, &o.trace)
		v.outbound(&p, &o.trace)
		return v.err
	})
	if err != nil {
		return nil, err
	}
	p.Changes = r.changes(o.env)
	return &p, nil
}

// changes lists what became different.
func (r *rehearsal) changes(env *environment) []PreviewChange {
	f := newForecast(env, r, ForecastOptions{Samples: len(r.objects)})
	for key, t := range r.objects {
		f.compare(key, t.before, t.after)
	}
	done := f.done()
	changes := []PreviewChange{}
	for _, m := range done.Metaverse {
		for _, s := range m.Samples {
			changes = append(changes, PreviewChange{ForecastSample: s})
		}
	}
	for _, a := range done.Agents {
		for _, s := range a.Samples {
			changes = append(changes, PreviewChange{a.Agent, s})
		}
	}
	return changes
}

func (v *viewer) inbound(p *Preview, t *sync.Trace) {
	if f := t.Filter; f != nil {
		p.Filter = &FilterView{f.Filtered, f.Scripted, v.conditions(p.Agent, p.Object, f.Conditions)}
	}
	p.InboundRules, p.Joins, p.ImportFlows, p.Recalls, p.Deletions = []InboundRuleView{}, []JoinView{}, []ImportFlowView{}, []RecallView{}, []DeletionView{}
	for _, s := range t.Inbound {
		p.InboundRules = append(p.InboundRules, InboundRuleView{s.Rule.Name, s.InScope, s.WaitsFor, s.Rule == t.Left, v.conditions(p.Agent, p.Object, s.Conditions)})
	}
	for _, j := range t.Joins {
		view := JoinView{Rule: j.Join.Rule, Criterion: []JoinPairView{}, Matches: []ReferenceView{}, Resolution: j.Resolution}
		for i, pair := range j.Join.Pairs {
			shown := JoinPairView{Connector: pair.Connector, Metaverse: pair.Metaverse, Values: []any{}}
			if i < len(j.Values) {
				shown.Values = v.secretive(p.Agent, p.Object, pair.Connector, j.Values[i])
			}
			view.Criterion = append(view.Criterion, shown)
		}
		for _, id := range j.Matches {
			view.Matches = append(view.Matches, v.reference(id))
		}
		p.Joins = append(p.Joins, view)
	}
	if d := t.Projection; d != nil {
		p.Projection = &ProjectionView{d.Type, d.Rule, d.Scripted}
	}
	for _, r := range t.Retypes {
		p.ObjectTypes = append(p.ObjectTypes, ObjectTypeView{v.reference(r.Object), r.Rule, r.From, r.Type})
	}
	for _, f := range t.ImportFlows {
		p.ImportFlows = append(p.ImportFlows, v.importFlow(f))
	}
	for _, r := range t.Recalls {
		p.Recalls = append(p.Recalls, RecallView{
			r.Attribute, v.name(r.Connector), v.values(r.Before.Values), v.values(r.After.Values),
			v.contributor(r.After.By, r.After.Some), v.asked(r.Candidates),
		})
	}
	for _, d := range t.Deletions {
		p.Deletions = append(p.Deletions, DeletionView{v.reference(d.Object), d.Rule, d.Agent, d.Delete})
	}
}

func (v *viewer) importFlow(f sync.ImportFlowTrace) ImportFlowView {
	return ImportFlowView{
		FlowView: FlowView{
			Attribute: f.Flow.Target.Name, Rule: f.Flow.Rule.Name, Source: v.text(f.Flow.Source.String()), Status: f.Status,
			Value: v.values(f.Said.Values), Null: f.Said.Null,
			Before: v.values(f.Before.Values), After: v.values(f.After.Values), Error: v.failure(f.Err),
		},
		ContributorBefore: v.contributor(f.Before.By, f.Before.Some),
		Contributor:       v.contributor(f.After.By, f.After.Some),
		Asked:             v.asked(f.Candidates),
	}
}

func (v *viewer) asked(candidates []sync.CandidateTrace) []AskedView {
	var out []AskedView
	for _, c := range candidates {
		out = append(out, AskedView{
			v.agentOf(c.Connector), v.text(v.connector(c.Connector).DN), c.Flow.Rule.Name, v.values(c.Said.Values), c.Said.Null, c.Said.Declined,
		})
	}
	return out
}

func (v *viewer) reference(id identity.ID) ReferenceView { return ReferenceView{id, v.name(id)} }

func (v *viewer) outbound(p *Preview, t *sync.Trace) {
	p.Provisioning, p.Deprovisioning, p.Detected = v.provisioning(t), []DeprovisioningView{}, []DetectedView{}
	for _, d := range t.Deprovisioning {
		p.Deprovisioning = append(p.Deprovisioning, DeprovisioningView{v.agentOf(d.Connector), v.text(d.DN), d.Because, d.Rule, d.Action})
	}
	p.ExportFlows = v.exportFlows(t)
	for _, d := range t.Detected {
		p.Detected = append(p.Detected, DetectedView{
			v.agentOf(d.Connector), v.text(v.connector(d.Connector).DN), append([]string{}, v.env.Rules.RuleNames(d.Before)...), append([]string{}, v.env.Rules.RuleNames(d.After)...),
		})
	}
}

func (v *viewer) provisioning(t *sync.Trace) []ProvisioningView {
	out := []ProvisioningView{}
	for _, d := range t.Provisioning {
		view := ProvisioningView{
			Outcome: d.Outcome, WaitsFor: d.WaitsFor, DN: v.text(d.DN), Conditions: v.conditions("", "", d.Conditions), Error: v.failure(d.Err),
		}
		if d.Rule != nil {
			view.Rule, view.Agent, view.Object = d.Rule.Name, d.Rule.Agent, d.Rule.Object.Name
		} else {
			view.Agent, view.Object = v.agentOf(d.Connector), v.connector(d.Connector).ObjectType
		}
		out = append(out, view)
	}
	return out
}

// exportFlows groups outbound flows by connector, in the order of their ids.
func (v *viewer) exportFlows(t *sync.Trace) []ExportFlowsView {
	out := []ExportFlowsView{}
	at := map[identity.ID]int{}
	for _, f := range t.ExportFlows {
		i, known := at[f.Connector]
		if !known {
			c := v.connector(f.Connector)
			i = len(out)
			at[f.Connector] = i
			out = append(out, ExportFlowsView{Agent: v.agentOf(c.ID), Object: c.ObjectType, ID: c.ID, DN: v.text(c.DN)})
		}
		out[i].Flows = append(out[i].Flows, v.exportFlow(f))
	}
	return out
}

// delta shows a delta of an object of an agent.
func (v *viewer) delta(agent, object string, d *identity.Delta) *DeltaView {
	if d.IsZero() {
		return nil
	}
	view := &DeltaView{Operation: d.Op.String(), DN: v.text(d.DN), Changes: map[string]ChangeView{}}
	for _, c := range d.Changes {
		view.Changes[c.Name] = ChangeView{c.Op.String(), v.secretive(agent, object, c.Name, c.Values), v.secretive(agent, object, c.Name, c.Removed)}
	}
	return view
}
