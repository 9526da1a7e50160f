package engine

import (
	"cmp"
	"context"
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
	ID          identity.ID          `json:"id"`
	Agent       string               `json:"agent"`
	Object      string               `json:"object"`
	DN          string               `json:"dn"`
	Anchor      string               `json:"anchor"`
	State       string               `json:"state"`
	Link        *LinkExplanation     `json:"link"`        // null for a disconnector
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
	x := &explaining{viewer: &viewer{env: env}, e: e, q: q, staged: map[identity.ID]map[string]PendingSince{}}
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
		if err := x.history(c); err != nil {
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
		if err := x.history(other); err != nil {
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

var lineages = map[space.Lineage]string{
	space.ByProjection: "projection", space.ByJoin: "join", space.ByProvisioning: "provisioning", space.ByHand: "account-joiner",
}

// explainConnector explains an object of a connector space.
func (x *explaining) explainConnector(c *space.Connector) *ConnectorExplanation {
	agent := x.agentOf(c.ID)
	view := &ConnectorExplanation{
		ID: c.ID, Agent: agent, Object: c.ObjectType, DN: x.text(c.DN), Anchor: x.text(c.Anchor), State: c.State.String(), Provisioned: c.Provisioned,
		Applied: append([]string{}, c.Applied...), Detected: append([]string{}, c.Detected...), Attempts: c.Attempts,
		ImportError: x.objectError(c.ImportError), ExportError: x.objectError(c.ExportError), Awaits: x.awaits(c), Attributes: []ConnectorAttribute{},
	}
	if c.Link != 0 {
		view.Link = &LinkExplanation{x.reference(c.Link), lineages[c.LinkBy], c.LinkRule, c.LinkedAt}
	}
	operation := func(d *identity.Delta) string {
		if d.IsZero() {
			return ""
		}
		return d.Op.String()
	}
	view.Import, view.Export, view.Unconfirmed = operation(c.Import), operation(c.Unapplied), operation(c.Exported)
	if view.Unconfirmed != "" {
		view.Batch = c.Batch
	}
	for _, d := range []*identity.Delta{c.Unapplied, c.Exported} {
		if d.IsRename() && view.NewDN == "" {
			view.NewDN = x.text(d.DN)
		}
	}
	flows := map[string][]FlowView{}
	for _, f := range x.trace.ExportFlows {
		if f.Connector == c.ID {
			flows[f.Attribute] = append(flows[f.Attribute], x.exportFlow(f))
		}
	}
	for _, name := range x.names(c, flows) {
		view.Attributes = append(view.Attributes, x.attribute(c, agent, name, flows[name]))
	}
	return view
}

func (x *explaining) objectError(e *space.ObjectError) *space.ObjectError {
	if e == nil {
		return nil
	}
	shown := *e
	shown.Detail = x.text(e.Detail)
	return &shown
}

// names lists the attributes of an object that the query wants to know about.
func (x *explaining) names(c *space.Connector, flows map[string][]FlowView) []string {
	names := map[string]bool{}
	for name := range flows {
		names[name] = true
	}
	for _, image := range []identity.Attributes{c.Synchronized, c.ImportImage(), c.ExportedImage(), c.TopImage()} {
		for _, a := range image {
			names[a.Name] = true
		}
	}
	if want := x.q.Attribute; want != "" {
		related := map[string]bool{want: true}
		own := x.agentOf(c.ID) == x.q.Agent && slices.Contains(x.attributesOf(x.q.Agent, c.ObjectType), want)
		if object := x.objectRules(c); object != nil && !own {
			for _, rule := range object.Inbound {
				for _, f := range rule.Flows {
					if f.Target.Name == want {
						for _, read := range f.Source.Reads() {
							related[read] = true
						}
					}
				}
			}
		}
		for _, rule := range x.outboundRules() {
			for _, f := range rule.Flows {
				if rule.Agent == x.agentOf(c.ID) && slices.Contains(f.Source.Reads(), want) && !own {
					related[f.Target] = true
				}
			}
		}
		maps.DeleteFunc(names, func(name string, _ bool) bool { return !related[name] })
	}
	return slices.Sorted(maps.Keys(names))
}

func (x *explaining) objectRules(c *space.Connector) *rules.ObjectRules {
	if a := x.env.Rules.Agent(x.agentOf(c.ID)); a != nil {
		return a.Objects[c.ObjectType]
	}
	return nil
}

func (x *explaining) outboundRules() []*rules.OutboundRule {
	if x.out.Metaverse == nil || x.env.Rules.Type(x.out.Metaverse.Type) == nil {
		return nil
	}
	return x.env.Rules.Type(x.out.Metaverse.Type).Outbound
}

func (x *explaining) attribute(c *space.Connector, agent, name string, flows []FlowView) ConnectorAttribute {
	show := func(image identity.Attributes) []any { return x.secretive(agent, c.ObjectType, name, image.Get(name)) }
	view := ConnectorAttribute{Name: name, Synchronized: show(c.Synchronized), Flows: append([]FlowView{}, flows...)}
	removed := func(image string, values []any) []any {
		if len(values) == 0 {
			view.Removed = append(view.Removed, image)
		}
		return values
	}
	if c.Import.Change(name) != nil {
		view.Imported = removed("pendingImport", show(c.ImportImage()))
	}
	if c.Exported.Change(name) != nil {
		view.Unconfirmed = true
		view.Exported = removed("unconfirmedExport", show(c.ExportedImage()))
	}
	if change := c.Unapplied.Change(name); change != nil {
		view.Unapplied = removed("pendingExport", show(c.TopImage()))
		since := x.staged[c.ID][name]
		since.Operation = change.Op.String()
		view.Pending = &since
	}
	return view
}

// awaits lists the references of an object that cannot flow now.
func (x *explaining) awaits(c *space.Connector) []AwaitedView {
	out := []AwaitedView{}
	if object := x.objectRules(c); object != nil && c.State.IsConnector() {
		for _, a := range c.ImportImage() {
			if !slices.Contains(object.Reads, a.Name) || x.q.Attribute != "" && a.Name != x.q.Attribute {
				continue
			}
			for _, v := range a.All() {
				if v.Ref() == 0 {
					continue
				}
				if target := x.connector(v.Ref()); !target.State.IsConnector() {
					out = append(out, AwaitedView{Attribute: a.Name, Name: x.text(target.DN), State: target.State.String()})
				}
			}
		}
	}
	return append(out, x.awaitsConnectors(c)...)
}

// awaitsConnectors lists references of the metaverse object that cannot flow to an
// object, because their targets have no connector beside it.
func (x *explaining) awaitsConnectors(c *space.Connector) []AwaitedView {
	var out []AwaitedView
	if c.Link == 0 {
		return nil
	}
	mv, err := x.tx.Object(c.Link)
	x.keep(err)
	for _, rule := range x.outboundRules() {
		if mv == nil || rule.Agent != x.agentOf(c.ID) || rule.Object.Name != c.ObjectType || !slices.Contains(c.Applied, rule.Name) {
			continue
		}
		for _, flow := range rule.Flows {
			if flow.Source.Direct == "" || flow.Type != identity.TypeReference || x.q.Attribute != "" && x.q.Attribute != flow.Target && x.q.Attribute != flow.Source.Direct {
				continue
			}
			for _, v := range mv.Attributes.Get(flow.Source.Direct) {
				target, err := x.tx.Object(v.Ref())
				x.keep(err)
				if target != nil && !slices.ContainsFunc(target.Connectors, func(id identity.ID) bool { return id.Space() == c.ID.Space() }) {
					out = append(out, AwaitedView{flow.Target, x.name(target.ID), "no connector", rule.Agent})
				}
			}
		}
	}
	return out
}

// Bounds of the search in the history.
const (
	searchedRuns    = 200
	searchedObjects = 200_000
)

// history finds the runs that staged what is pending for an object: for every
// attribute the first of those in a row that staged it as it is. Where objects
// behind counters are not kept, or no longer, nobody knows.
func (x *explaining) history(c *space.Connector) error {
	if c.Unapplied.IsZero() || len(c.Unapplied.Changes) == 0 {
		return nil
	}
	records, err := x.e.history.Last(searchedRuns)
	if err != nil {
		return err
	}
	agent := x.agentOf(c.ID)
	since := map[string]PendingSince{}
	latest := map[string]*identity.Change{} // as the newest run staged it
	open := map[string]bool{}
	for i := range c.Unapplied.Changes {
		open[c.Unapplied.Changes[i].Name] = true
	}
	looked := 0
	for _, record := range records {
		for step := len(record.Steps); step > 0 && len(open) > 0 && looked < searchedObjects; step-- {
			staged, err := x.stagedBy(record, step, agent, c.ID, &looked)
			if err != nil {
				return err
			}
			if staged == nil {
				continue
			}
			for name := range open {
				change := staged.Change(name)
				if change == nil || latest[name] != nil && !sameChange(latest[name], change) {
					delete(open, name)
					continue
				}
				latest[name] = change
				started := record.Steps[step-1].Started
				since[name] = PendingSince{Run: record.Run, Since: &started}
			}
		}
	}
	x.staged[c.ID] = since
	return nil
}

func sameChange(a, b *identity.Change) bool {
	return a.Op == b.Op && slices.EqualFunc(a.Values, b.Values, func(v, w identity.Value) bool { return v.Text() == w.Text() })
}

// stagedBy returns what a step staged for an object, nil if nothing.
func (x *explaining) stagedBy(record *run.Record, step int, agent string, id identity.ID, looked *int) (staged *identity.Delta, err error) {
	counters := record.Steps[step-1].Outbound[agent]
	for _, counter := range []sync.Counter{sync.ConnectorFlow, sync.ProvisionedAddFlow, sync.ProvisionedAddNoFlow, sync.ProvisionedRenameFlow} {
		if counters[counter] == 0 || staged != nil {
			continue
		}
		err = x.e.history.Details(record.Run, step, run.OutboundCounters, agent, string(counter), func(d run.Detail) bool {
			*looked++
			if d.ID == id {
				staged = cmp.Or(staged, d.Delta)
			}
			return *looked < searchedObjects
		})
		if err != nil {
			return nil, err
		}
	}
	return staged, nil
}
