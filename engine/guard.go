package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// GuardOptions say how far [Engine.GuardDecisions] looks.
type GuardOptions struct {
	Sample int           // objects of connector spaces to look at; 0 is 1000
	Budget time.Duration // the time for it, once the sample is chosen; 0 is any
	First  int           // objects to name; 0 is 20
}

// A GuardReport says what another definition would newly delete, as far as a sample
// tells. Its JSON form is the public one.
type GuardReport struct {
	// Deletes counts the objects, of connector spaces and of the metaverse, that would
	// newly be deleted or disconnected, and those about which scripts would newly
	// decide so. Each counts once.
	Deletes int `json:"deletes"`

	Looked   int          `json:"looked"`          // objects that were synchronized by both definitions
	Objects  int          `json:"objects"`         // objects that there are
	TimeOver bool         `json:"timeOver"`        // the budget ended before the whole sample was looked at
	Ended    string       `json:"ended,omitempty"` // why a script ended the comparison
	Failures int          `json:"failures"`        // objects of the sample that would newly fail to be synchronized
	Counts   []GuardCount `json:"counts"`          // the metaverse first, then agents in the order of the model
	First    []Guarded    `json:"first"`           // the first of the objects
}

// A GuardCount counts the objects of one type.
type GuardCount struct {
	Agent       string `json:"agent,omitempty"` // "" is the metaverse
	Object      string `json:"object"`
	Deletes     int    `json:"deletes"`     // would be deleted
	Disconnects int    `json:"disconnects"` // would lose their link to the metaverse
	Decisions   int    `json:"decisions"`   // would be deleted if they were deprovisioned: a script decides so, and did not
}

// A Guarded is one object that would newly be deleted, disconnected or decided about.
type Guarded struct {
	Agent     string `json:"agent,omitempty"`
	Object    string `json:"object"`
	DN        string `json:"dn"`
	Operation string `json:"operation"` // delete, disconnect, decision
	Text      string `json:"text"`      // what would happen, in words

	id identity.ID
}

// The operations of a [Guarded], those first that are done at once.
var guardOperations = []string{"delete", "disconnect", "decision"}

// Defaults of [GuardOptions].
const (
	defaultGuardSample = 1000
	defaultGuardFirst  = 20
)

// GuardDecisions says what another definition would newly delete, deprovision or disconnect:
// what the definition in force would do in any case does not count. It synchronizes a
// sample of the objects fully by both, in transactions that are thrown away, over one
// state of the store; runs may go on beside it. Scripts that decide about
// deprovisioning (sync-engine §8.1) and deletion (§8.2) are asked, of each object,
// what they would decide if it lost its link.
//
// The report is nil if the rules of both decide alike: then nothing was looked at.
// Before the first [Engine.Configure], the definition is compared with the present
// state. The same state has the same report, unless the budget ends early.
func (e *Engine) GuardDecisions(ctx context.Context, d Definition, functions rules.Functions, o GuardOptions) (*GuardReport, error) {
	o.Sample, o.First = cmp.Or(o.Sample, defaultGuardSample), cmp.Or(o.First, defaultGuardFirst)
	present := e.current.Load()
	other, _, err := e.compile(ctx, d, functions)
	if err != nil {
		return nil, err
	}
	configurations := []space.Rehearsed{{Agents: other.named(), Index: other.indexes()}}
	if present != nil {
		if decideAlike(present.Rules, other.Rules) {
			return nil, nil
		}
		configurations = append([]space.Rehearsed{{Agents: present.named(), Index: present.indexes()}}, configurations...)
	}
	var report *GuardReport
	err = e.space.RehearseEach(configurations, func(was *space.Tx, each []*space.Tx) error {
		g := &guarding{was: was, now: e.now().UTC(), options: o, clock: e.now, other: e.guardSide(ctx, other, each[len(each)-1], was)}
		if present != nil {
			g.present = e.guardSide(ctx, present, each[0], was)
		}
		var err error
		report, err = g.compare(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare decisions: %w", err)
	}
	return report, nil
}

// decideAlike reports whether two sets of rules decide alike, also when an object goes:
// what becomes then of those that no rule leads to is in no fingerprint.
func decideAlike(a, b *rules.Set) bool {
	if a.Fingerprint != b.Fingerprint {
		return false
	}
	for _, agent := range a.Agents() { // both have the same
		if a.Agent(agent).Extension.Version != b.Agent(agent).Extension.Version {
			return false
		}
	}
	return true
}

// A guardSide is one of two definitions at work on the sample.
type guardSide struct {
	env      *environment
	tx       *space.Tx
	sampling *run.Sampling
	decider  *sync.Synchronizer // over the state as it was
}

func (e *Engine) guardSide(ctx context.Context, env *environment, tx, was *space.Tx) *guardSide {
	now := e.now().UTC()
	return &guardSide{
		env: env, tx: tx, sampling: e.runner.Sample(ctx, &env.Environment, env.order, tx, now),
		decider: sync.New(ctx, env.Rules, was.Space(), now),
	}
}

// guarding is a comparison while it goes on.
type guarding struct {
	was     *space.Tx
	present *guardSide // nil if the state as it was is compared with
	other   *guardSide
	options GuardOptions
	now     time.Time
	clock   func() time.Time

	report GuardReport
	found  map[identity.ID]*Guarded
}

// agents returns the agents of both sides, those of the present first.
func (g *guarding) agents() []string {
	order := slices.Clone(g.other.env.order)
	if g.present != nil {
		order = slices.Clone(g.present.env.order)
		for _, name := range g.other.env.order {
			if !slices.Contains(order, name) {
				order = append(order, name)
			}
		}
	}
	return order
}

func (g *guarding) compare(ctx context.Context) (*GuardReport, error) {
	g.found = map[identity.ID]*Guarded{}
	sample, objects, err := chooseSample(ctx, g.was, g.agents(), g.options.Sample)
	if err != nil {
		return nil, err
	}
	g.report.Objects = objects
	begun := g.clock()
	for i, group := range sample {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i > 0 && g.options.Budget > 0 && g.clock().Sub(begun) >= g.options.Budget {
			g.report.TimeOver = true
			break
		}
		if err := g.group(group); errors.Is(err, rules.ErrTerminateRun) {
			g.report.Ended = err.Error()
			break
		} else if err != nil {
			return nil, err
		}
	}
	for _, name := range append([]string{""}, g.agents()...) {
		if err := g.gather(name); err != nil {
			return nil, err
		}
	}
	if err := g.dropMoot(); err != nil {
		return nil, err
	}
	return g.done(), nil
}

// dropMoot forgets decisions about objects that lose their link in any case: what
// becomes of those was compared.
func (g *guarding) dropMoot() error {
	for id, object := range g.found {
		if object.Operation != "decision" {
			continue
		}
		now, err := fateOf(g.present.tx, id)
		if err != nil {
			return err
		}
		if !now.exists || !now.linked {
			delete(g.found, id)
		}
	}
	return nil
}

// group synchronizes objects that belong together by both sides.
func (g *guarding) group(ids []identity.ID) error {
	for _, id := range ids {
		if err := g.decisions(id); err != nil {
			return err
		}
	}
	g.report.Looked += len(ids)
	if g.present != nil {
		if err := g.present.sampling.Synchronize(ids); err != nil {
			return err
		}
	}
	return g.other.sampling.Synchronize(ids)
}

// decisions asks the scripts of the other side about an object, and the present side
// where they would have it deleted.
func (g *guarding) decisions(id identity.ID) error {
	if g.present == nil {
		return nil
	}
	after, err := g.other.decider.Decide(g.was, id)
	if err != nil {
		return err
	}
	deprovision := after.ByScript && after.Deprovision == rules.DeleteObject
	del := after.DeleteByScript && after.Delete
	if !deprovision && !del {
		return nil
	}
	before, err := g.present.decider.Decide(g.was, id)
	if err != nil {
		return err
	}
	return g.was.Unit(func() error {
		c, err := g.was.Connector(id)
		if err != nil || c == nil {
			return err
		}
		agent := g.was.Space().AgentOf(id)
		if deprovision && before.Deprovision != rules.DeleteObject {
			text := "a script would have it deleted when it is deprovisioned"
			if before.Deprovision != "" {
				text += fmt.Sprintf(", and not %s", deprovisionWords[before.Deprovision])
			}
			g.find(id, Guarded{Agent: agent, Object: c.ObjectType, DN: c.DN, Operation: "decision", Text: text})
		}
		if del && !before.Delete {
			mv, err := g.was.Object(c.Link)
			if err != nil || mv == nil {
				return err
			}
			name, err := objectName(g.was, mv)
			if err != nil {
				return err
			}
			g.find(mv.ID, Guarded{
				Object: mv.Type, DN: name, Operation: "decision",
				Text: fmt.Sprintf("a script would have it deleted when %s loses it, and not kept", agent),
			})
		}
		return nil
	})
}

var deprovisionWords = map[rules.Deprovision]string{
	rules.Disconnect: "disconnected", rules.ExplicitDisconnect: "disconnected for good",
}

// gather looks at what became of the objects of a space, "" for the metaverse.
func (g *guarding) gather(name string) error {
	ids, err := g.other.tx.Written(name)
	if err != nil {
		return err
	}
	if g.present != nil {
		more, err := g.present.tx.Written(name)
		if err != nil {
			return err
		}
		ids = slices.Compact(slices.Sorted(slices.Values(append(ids, more...))))
	}
	for _, id := range ids {
		was, err := fateOf(g.was, id)
		if err != nil {
			return err
		}
		before, after := was, fate{}
		if after, err = fateOf(g.other.tx, id); err != nil {
			return err
		}
		if g.present != nil {
			if before, err = fateOf(g.present.tx, id); err != nil {
				return err
			}
		}
		object := Guarded{Agent: name, Object: was.object, DN: was.dn}
		switch {
		case !was.exists || !before.exists:
			continue // it is not there yet, or goes in any case
		case !after.exists:
			object.Operation, object.Text = "delete", "it would be deleted"
			if was.linked && !before.linked {
				object.Text = "it would be deleted, and not only disconnected"
			}
		case before.linked && !after.linked && was.linked:
			object.Operation, object.Text = "disconnect", "it would be disconnected"
		default:
			continue
		}
		g.find(id, object)
	}
	return nil
}

// find notes an object. What is done at once counts instead of a decision about it.
func (g *guarding) find(id identity.ID, object Guarded) {
	object.id = id
	if known := g.found[id]; known == nil || object.Operation != "decision" {
		g.found[id] = &object
	}
}

// A fate is what becomes of an object once everything is exported.
type fate struct {
	exists bool // its system has it, or the metaverse
	linked bool
	object string
	dn     string
}

func fateOf(tx *space.Tx, id identity.ID) (f fate, err error) {
	err = tx.Unit(func() error {
		if id.Space() == 0 {
			mv, err := tx.Object(id)
			if err != nil || mv == nil {
				return err
			}
			f = fate{exists: true, linked: true, object: mv.Type}
			f.dn, err = objectName(tx, mv)
			return err
		}
		c, err := tx.Connector(id)
		if err != nil || c == nil || c.State == space.Placeholder {
			return err
		}
		dn, remains := nameInTheEnd(c)
		unheard := c.Provisioned && c.Exported == nil // what nobody was told of cannot be deleted, and what it replaces is
		f = fate{exists: remains && !unheard && c.Replaces == nil, linked: c.State.IsConnector(), object: c.ObjectType, dn: dn}
		return nil
	})
	return f, err
}

// done counts what was found and returns the report.
func (g *guarding) done() *GuardReport {
	r := &g.report
	r.Counts, r.First, r.Deletes = []GuardCount{}, []Guarded{}, len(g.found)
	counts := map[[2]string]*GuardCount{}
	list := make([]Guarded, 0, len(g.found))
	for _, object := range g.found {
		list = append(list, *object)
		key := [2]string{object.Agent, object.Object}
		if counts[key] == nil {
			counts[key] = &GuardCount{Agent: object.Agent, Object: object.Object}
		}
		switch object.Operation {
		case "delete":
			counts[key].Deletes++
		case "disconnect":
			counts[key].Disconnects++
		default:
			counts[key].Decisions++
		}
	}
	rank := map[string]int{} // the metaverse is 0
	for i, name := range g.agents() {
		rank[name] = i + 1
	}
	for _, key := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(rank[a[0]], rank[b[0]]), cmp.Compare(a[1], b[1]))
	}) {
		r.Counts = append(r.Counts, *counts[key])
	}
	position := func(agent string) int { // the systems first: there it cannot be taken back
		return cmp.Or(rank[agent], len(rank)+1)
	}
	slices.SortFunc(list, func(a, b Guarded) int {
		return cmp.Or(
			cmp.Compare(slices.Index(guardOperations, a.Operation), slices.Index(guardOperations, b.Operation)),
			cmp.Compare(position(a.Agent), position(b.Agent)),
			cmp.Compare(a.id, b.id),
		)
	})
	for _, object := range list[:min(len(list), g.options.First)] {
		object.DN = redactedBy(g.other.env, object.DN)
		r.First = append(r.First, object)
	}
	failed := map[identity.ID]bool{}
	if g.present != nil {
		failed = g.present.sampling.Failed()
	}
	for id := range g.other.sampling.Failed() {
		if !failed[id] {
			r.Failures++
		}
	}
	return r
}

func redactedBy(env *environment, text string) string {
	if env.Redact == nil {
		return text
	}
	return env.Redact(text)
}
