package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// An ExplainQuery names an object of a connector space, by Agent and Key, or one of
// the metaverse, and maybe one attribute of it.
type ExplainQuery struct {
	Agent     string `json:"agent,omitempty"`
	Key       string `json:"key,omitempty"` // id, anchor or DN
	Metaverse string `json:"metaverse,omitempty"`

	// Attribute narrows the explanation to an attribute, of the metaverse or of a
	// connected system, and to the flows that it takes part in; "" is all.
	Attribute string `json:"attribute,omitempty"`
}

// An Explanation tells how an object came to be as it is, and what keeps it from
// being otherwise. Its JSON form is the public one.
type Explanation struct {
	Attribute  string                 `json:"attribute,omitempty"`
	Object     *ConnectorExplanation  `json:"object"`     // null if the query names a metaverse object
	Metaverse  *ObjectExplanation     `json:"metaverse"`  // null if the object is linked to none
	Connectors []ConnectorExplanation `json:"connectors"` // of the metaverse object, without Object
}

// A ConnectorExplanation is about an object of a connector space.
type ConnectorExplanation struct {
	ID     identity.ID      `json:"id"`
	Agent  string           `json:"agent"`
	Object string           `json:"object"`
	DN     string           `json:"dn"`
	Anchor string           `json:"anchor"`
	State  string           `json:"state"`
	Link   *LinkExplanation `json:"link"` // null for a disconnector

	Disconnection *LineageView `json:"disconnection,omitempty"` // how it lost its last link, none if it never lost one

	Provisioned bool                 `json:"provisioned"` // created by the engine, no import has seen it yet
	Applied     []string             `json:"appliedRules"`
	Detected    []string             `json:"detectedRules"`
	Import      string               `json:"pendingImport,omitempty"` // the operation
	Export      string               `json:"pendingExport,omitempty"`
	NewDN       string               `json:"newDN,omitempty"` // that is pending or unconfirmed
	Unconfirmed string               `json:"unconfirmedExport,omitempty"`
	Batch       uint64               `json:"exportBatch,omitempty"` // of the unconfirmed export
	Attempts    int                  `json:"attempts,omitempty"`    // exports that were not seen back
	ImportError *space.ObjectError   `json:"importError"`
	ExportError *space.ObjectError   `json:"exportError"`
	Awaits      []AwaitedView        `json:"awaits"`
	Runs        []TouchingRun        `json:"runs"` // the newest that changed it, as far as the history tells
	Attributes  []ConnectorAttribute `json:"attributes"`
}

// A LinkExplanation tells who linked an object, and when.
type LinkExplanation struct {
	Metaverse ReferenceView `json:"metaverse"`
	By        string        `json:"by"`             // projection, join, provisioning or account-joiner
	Rule      string        `json:"rule,omitempty"` // "" for a script or an administrator
	Time      time.Time     `json:"time"`
}

// An AwaitedView is a reference that cannot flow, because its target is not linked
// or has no connector where one is needed.
type AwaitedView struct {
	Attribute string `json:"attribute"`
	Name      string `json:"name"`
	State     string `json:"state"`           // of the target
	Agent     string `json:"agent,omitempty"` // where it has no connector
}

// A ConnectorAttribute is an attribute of an object of a connector space, in all
// images that differ (sync-engine §1.3).
type ConnectorAttribute struct {
	Name         string        `json:"name"`
	Synchronized []any         `json:"synchronized"`
	Imported     []any         `json:"pendingImport,omitempty"`     // as the last import saw it, if that is not synchronized
	Exported     []any         `json:"unconfirmedExport,omitempty"` // as it was exported, if no import has confirmed it
	Unapplied    []any         `json:"pendingExport,omitempty"`     // as it will be exported
	Pending      *PendingSince `json:"pending"`                     // null unless an export is pending
	Unconfirmed  bool          `json:"unconfirmed,omitempty"`
	Removed      []string      `json:"removed,omitempty"` // images in which there is no value any more
	Flows        []FlowView    `json:"flows"`             // outbound, the strongest first
}

// PendingSince tells since when a change waits for its export.
type PendingSince struct {
	Operation string     `json:"operation"`
	Run       uint64     `json:"run,omitempty"`   // the synchronization that staged it
	Since     *time.Time `json:"since,omitempty"` // null if the history does not tell
}

// An ObjectExplanation is about a metaverse object.
type ObjectExplanation struct {
	ID         identity.ID          `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
	Attributes []ObjectAttribute    `json:"attributes"`
	Outbound   []ProvisioningView   `json:"outboundRules"`           // what each would do now
	Cut        []DeprovisioningView `json:"deprovisioning"`          // connectors that the next synchronization would cut
	Error      *run.ErrorRecord     `json:"outboundError,omitempty"` // why the outbound phase would fail
}

// An ObjectAttribute is a metaverse attribute with all that could be its value.
type ObjectAttribute struct {
	Name         string            `json:"name"`
	Precedence   string            `json:"precedence"` // ranked, equal, manual, or a merge type
	Values       []any             `json:"values"`
	Contributors []ContributorView `json:"contributors"` // several if they share the attribute
	Candidates   []CandidateView   `json:"candidates"`   // the strongest first
}

// A CandidateView is what an inbound flow has to say about an attribute.
type CandidateView struct {
	Rank       int               `json:"rank"` // from 1, the strongest
	Agent      string            `json:"agent"`
	Rule       string            `json:"rule"`
	Source     string            `json:"source"`
	DN         string            `json:"dn,omitempty"` // of the connector, "" if there is none
	Standing   sync.Standing     `json:"status"`
	Value      []any             `json:"value"`
	Null       bool              `json:"null,omitempty"`
	Pending    bool              `json:"pendingImport,omitempty"` // an import waits, what it brings does not count yet
	Conditions [][]ConditionView `json:"conditions,omitempty"`    // why it is out of scope
	Error      *run.ErrorRecord  `json:"error,omitempty"`
}

// Explain tells the story of an object. It changes no byte of the store: rules are
// asked in a transaction that is thrown away.
func (e *Engine) Explain(ctx context.Context, q ExplainQuery) (*Explanation, error) {
	env := e.current.Load()
	switch {
	case env == nil:
		return nil, ErrNotConfigured
	case q.Metaverse == "" && env.Agents[q.Agent] == nil:
		return nil, e.unknownAgent(q.Agent)
	}
	x := &explaining{viewer: &viewer{env: env}, e: e, q: q, staged: map[identity.ID]map[string]PendingSince{}, touching: map[identity.ID][]TouchingRun{}}
	var refused error
	err := e.space.Rehearse(env.named(), env.indexes(), func(was, tx *space.Tx) error {
		c, mv, err := x.subject(was)
		if err != nil {
			refused = err
			return err
		}
		// What is shown is read from was; tx is for trying rules.
		x.viewer = &viewer{env: env, tx: was, was: tx}
		return x.explain(ctx, c, mv, tx)
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("explain: %w", err)
	}
	return &x.out, nil
}

type explaining struct {
	*viewer
	e      *Engine
	q      ExplainQuery
	out    Explanation
	trace  sync.Trace
	staged map[identity.ID]map[string]PendingSince

	touching map[identity.ID][]TouchingRun
}

// subject finds the objects that the query is about. Either may be nil.
func (x *explaining) subject(tx *space.Tx) (c *space.Connector, mv *space.Object, err error) {
	if x.q.Metaverse != "" {
		id, err := identity.ParseID(x.q.Metaverse)
		if err != nil || id.Space() != 0 {
			unknown := fault.New("unknown-object", "%q is not the id of a metaverse object", x.q.Metaverse)
			unknown.Hint = "metasync get mv TYPE shows objects with their ids"
			return nil, nil, unknown
		}
		if mv, err = tx.Object(id); err == nil && mv == nil {
			unknown := fault.New("unknown-object", "there is no metaverse object with the id %s", id)
			unknown.Hint = "metasync get mv TYPE shows objects with their ids"
			err = unknown
		}
		if err == nil {
			err = x.checkAttribute(nil, mv)
		}
		return nil, mv, err
	}
	id, err := x.e.find(tx, x.q.Agent, x.q.Key)
	if err != nil {
		return nil, nil, err
	}
	if c, err = tx.Connector(id); err != nil {
		return nil, nil, err
	}
	if c.Link != 0 {
		if mv, err = tx.Object(c.Link); err != nil {
			return nil, nil, err
		}
	}
	return c, mv, x.checkAttribute(c, mv)
}

// checkAttribute refuses an attribute that none of the objects can have.
func (x *explaining) checkAttribute(c *space.Connector, mv *space.Object) error {
	if x.q.Attribute == "" {
		return nil
	}
	var known []string
	if c != nil {
		known = append(known, x.attributesOf(x.q.Agent, c.ObjectType)...)
	}
	if mv != nil {
		if t := x.env.Rules.Type(mv.Type); t != nil {
			known = append(known, slices.Sorted(maps.Keys(t.Attributes))...)
		}
		for _, id := range mv.Connectors {
			agent := x.e.space.AgentOf(id)
			if a := x.env.Agents[agent]; a != nil {
				for _, t := range a.Schema.Types {
					known = append(known, t.Names()...)
				}
			}
		}
	}
	if slices.Contains(known, x.q.Attribute) || x.q.Attribute == rules.DNAttribute {
		return nil
	}
	err := fault.New("unknown-attribute", "neither the object nor its metaverse object nor their connectors can have an attribute %q", x.q.Attribute)
	if near := fault.Suggest(x.q.Attribute, known); near != "" {
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return err
}

func (x *explaining) attributesOf(agent, object string) []string {
	if a := x.env.Agents[agent]; a != nil {
		if t := a.Schema.Type(object); t != nil {
			return t.Names()
		}
	}
	return nil
}

func (x *explaining) explain(ctx context.Context, c *space.Connector, mv *space.Object, tx *space.Tx) error {
	x.out = Explanation{Attribute: x.q.Attribute, Connectors: []ConnectorExplanation{}}
	if mv != nil {
		if err := x.object(ctx, mv, tx); err != nil {
			return err
		}
	}
	if c != nil {
		if err := errors.Join(x.history(c), x.touchedBy(c)); err != nil {
			return err
		}
		x.out.Object = x.explainConnector(c)
	}
	if mv == nil {
		return x.err
	}
	for _, id := range mv.Connectors {
		if c != nil && c.ID == id {
			continue
		}
		other := x.connector(id)
		if err := errors.Join(x.history(other), x.touchedBy(other)); err != nil {
			return err
		}
		x.out.Connectors = append(x.out.Connectors, *x.explainConnector(other))
	}
	return x.err
}

// object explains a metaverse object, by asking its rules.
func (x *explaining) object(ctx context.Context, mv *space.Object, tx *space.Tx) error {
	view := &ObjectExplanation{ID: mv.ID, Type: mv.Type, Name: x.name(mv.ID), Attributes: []ObjectAttribute{}}
	x.out.Metaverse = view
	_, err := x.e.runner.Preview(ctx, &x.env.Environment, x.q.Agent, tx, func(s *sync.Synchronizer) (sync.Result, error) {
		if err := x.attributes(s, mv, tx); err != nil {
			return sync.Result{}, err
		}
		s.Observe(&x.trace)
		result, err := s.Object(tx, mv.ID)
		if result.Err != nil {
			view.Error = x.failure(result.Err)
		}
		return sync.Result{}, err
	})
	if err != nil {
		return err
	}
	traced := &viewer{env: x.env, tx: tx, was: x.tx}
	view.Outbound, view.Cut = traced.provisioning(&x.trace), []DeprovisioningView{}
	for _, d := range x.trace.Deprovisioning {
		view.Cut = append(view.Cut, DeprovisioningView{x.agentOf(d.Connector), x.text(d.DN), d.Because, d.Rule, d.Action})
	}
	x.keep(traced.err)
	return nil
}

// attributes explains the attributes of a metaverse object.
func (x *explaining) attributes(s *sync.Synchronizer, mv *space.Object, tx *space.Tx) error {
	names := map[string]bool{}
	t := x.env.Rules.Type(mv.Type)
	for _, a := range mv.Attributes {
		names[a.Name] = true
	}
	for _, name := range mv.Nulls() {
		names[name] = true
	}
	if t != nil {
		for name, a := range t.Attributes {
			if len(a.Flows) > 0 {
				names[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		view := ObjectAttribute{Name: name, Precedence: "ranked", Values: x.values(mv.Attributes.Get(name)), Contributors: x.contributors(mv, name), Candidates: []CandidateView{}}
		var target *rules.Attribute
		if t != nil {
			target = t.Attributes[name]
		}
		if !x.concerns(name, target) {
			continue
		}
		if target != nil {
			view.Precedence = precedenceOf(target)
			var candidates []sync.Candidate
			err := tx.Unit(func() (err error) {
				object, err := tx.Object(mv.ID)
				if err != nil || object == nil {
					return err
				}
				candidates, err = s.Candidates(tx, object, target)
				return err
			})
			if err != nil {
				return err
			}
			for _, c := range candidates {
				view.Candidates = append(view.Candidates, x.candidate(c))
			}
		}
		x.out.Metaverse.Attributes = append(x.out.Metaverse.Attributes, view)
	}
	return nil
}

func precedenceOf(a *rules.Attribute) string {
	if a.Merges() {
		return string(a.Merge)
	}
	return fmt.Sprint(a.Mode)
}

// concerns reports whether the query wants to know about a metaverse attribute:
// itself, or what the attribute of a connected system flows into or from.
func (x *explaining) concerns(name string, target *rules.Attribute) bool {
	if x.q.Attribute == "" || name == x.q.Attribute {
		return true
	}
	if x.q.Agent == "" {
		return false
	}
	if target != nil {
		for _, f := range target.Flows {
			if f.Rule.Agent == x.q.Agent && slices.Contains(f.Source.Reads(), x.q.Attribute) {
				return true
			}
		}
		for _, rule := range x.env.Rules.Type(x.out.Metaverse.Type).Outbound {
			for _, f := range rule.Flows {
				if rule.Agent == x.q.Agent && f.Target == x.q.Attribute && slices.Contains(f.Source.Reads(), name) {
					return true
				}
			}
		}
	}
	return false
}

// contributors lists who gave a metaverse attribute its values.
func (x *explaining) contributors(mv *space.Object, name string) []ContributorView {
	out := []ContributorView{}
	add := func(by space.Contribution) {
		view := *x.contributor(by, true)
		same := func(c ContributorView) bool {
			return c.Agent == view.Agent && c.DN == view.DN && c.Rule == view.Rule && c.Time.Equal(view.Time)
		}
		if !slices.ContainsFunc(out, same) {
			out = append(out, view)
		}
	}
	for _, v := range mv.Contributed(name) {
		add(v.By)
	}
	if by, some := mv.Contribution(name); some && by.Null {
		add(by)
	}
	return out
}

func (x *explaining) candidate(c sync.Candidate) CandidateView {
	rule := c.Flow.Rule
	view := CandidateView{
		Rank: c.Flow.Rank + 1, Agent: rule.Agent, Rule: rule.Name, Source: x.text(c.Flow.Source.String()), Standing: c.Standing,
		Value: x.values(c.Said.Values), Null: c.Said.Null, Pending: c.Pending, Error: x.failure(c.Err),
		Conditions: append(x.conditions(rule.Agent, rule.Object, c.Conditions), x.conditions(rule.Agent, rule.Object, c.FlowScope)...),
	}
	if c.Connector != 0 {
		view.DN = x.text(x.connector(c.Connector).DN)
	}
	return view
}
