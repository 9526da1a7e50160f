package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// A Forecast says what would become different. Its JSON form is the public one.
type Forecast struct {
	Different bool             `json:"different"`
	Agents    []AgentForecast  `json:"agents"`    // in the order of the model
	Metaverse []ObjectForecast `json:"metaverse"` // by type
	Errors    []ForecastError  `json:"errors"`    // of the synchronization
	Warnings  []string         `json:"warnings,omitempty"`
}

// Changes counts objects by what would happen to them, and attributes by how
// many objects would have other values.
type Changes struct {
	Adds       int              `json:"adds"`
	Updates    int              `json:"updates"`
	Renames    int              `json:"renames"`
	Deletes    int              `json:"deletes"`
	Attributes map[string]int   `json:"attributes"`
	Samples    []ForecastSample `json:"samples"`
}

// An AgentForecast is about the objects of a connected system, once everything
// has been exported to it.
type AgentForecast struct {
	Agent        string `json:"agent"`
	Connected    int    `json:"connected"`    // objects that get a link to the metaverse
	Disconnected int    `json:"disconnected"` // objects that lose theirs
	Changes
}

// An ObjectForecast is about the metaverse objects of a type.
type ObjectForecast struct {
	Type string `json:"type"`
	Changes
}

// A ForecastSample is one object that would change.
type ForecastSample struct {
	Operation string                   `json:"operation"` // add, update, rename, delete, connect, disconnect
	Object    string                   `json:"object"`
	DN        string                   `json:"dn"`
	NewDN     string                   `json:"newDN,omitempty"`
	Changes   map[string]ValueForecast `json:"changes,omitempty"`
}

// A ValueForecast is what becomes of an attribute.
type ValueForecast struct {
	Before []any `json:"before"`
	After  []any `json:"after"`
}

// A ForecastError is an object that cannot be synchronized.
type ForecastError struct {
	Agent string `json:"agent"`
	run.ErrorRecord
}

// ForecastOptions say how much a forecast shows.
type ForecastOptions struct {
	Samples  int          // objects to show for each kind of change; 0 is 5
	Progress run.Progress // may be nil
}

// Forecast says what a full synchronization of all agents would change, compared
// with the present. It changes nothing.
func (e *Engine) Forecast(ctx context.Context, o ForecastOptions) (*Forecast, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	r, err := e.rehearse(ctx, env, o)
	if err != nil {
		return nil, err
	}
	f := newForecast(env, r, o)
	for key, now := range r.objects {
		f.compare(key, now.before, now.after)
	}
	return f.done(), nil
}

// Compare says in what a full synchronization of all agents by another definition
// would end differently from one by the present definition. It changes nothing.
func (e *Engine) Compare(ctx context.Context, d Definition, functions rules.Functions, o ForecastOptions) (*Forecast, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	other, warnings, err := e.compile(ctx, d, functions)
	if err != nil {
		return nil, err
	}
	present, err := e.rehearse(ctx, env, o)
	if err != nil {
		return nil, err
	}
	r, err := e.rehearse(ctx, other, o)
	if err != nil {
		return nil, err
	}
	f := newForecast(other, r, o)
	for _, w := range warnings {
		f.Warnings = append(f.Warnings, w.Error())
	}
	for key, now := range r.objects {
		before := now.before
		if p, changed := present.objects[key]; changed {
			before = p.after
		}
		f.compare(key, before, now.after)
	}
	for key, p := range present.objects {
		if _, compared := r.objects[key]; !compared {
			f.compare(key, p.after, p.before)
		}
	}
	return f.done(), nil
}

// A rehearsal is what a full synchronization of everything did.
type rehearsal struct {
	objects map[objectKey]transition
	errors  []ForecastError

	same bool // the rules are those of the present: ids mean the same objects before and after
}

// An objectKey names an object in two rehearsals alike: by its id if it exists,
// else by what it would be called.
type objectKey struct {
	space string // the agent, "" for the metaverse
	name  string
}

type transition struct{ before, after state }

// A state is what matters of an object. The zero state is that of one which does
// not exist.
type state struct {
	exists, linked bool
	object, dn     string
	attributes     identity.Attributes // with names in place of references
}

func (s state) equal(other state) bool {
	return s.exists == other.exists && s.linked == other.linked && s.object == other.object && s.dn == other.dn && s.attributes.Equal(other.attributes)
}

func (e *Engine) rehearse(ctx context.Context, env *environment, o ForecastOptions) (*rehearsal, error) {
	r := &rehearsal{objects: map[objectKey]transition{}}
	err := e.space.Rehearse(env.named(), env.indexes(), func(was, tx *space.Tx) error {
		reports, err := e.runner.Rehearse(ctx, &env.Environment, env.order, tx, o.Progress)
		if err != nil {
			return err
		}
		for i, report := range reports {
			for _, record := range report.SyncErrors {
				r.errors = append(r.errors, ForecastError{env.order[i], record})
			}
		}
		for _, name := range append([]string{""}, env.order...) {
			if err := r.gather(name, was, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rehearse: %w", err)
	}
	return r, nil
}

// named returns the agents as a rehearsal needs them.
func (env *environment) named() []space.Named {
	agents := make([]space.Named, 0, len(env.order))
	for _, name := range env.order {
		agents = append(agents, space.Named{Agent: name, Naming: naming(env.Agents[name])})
	}
	return agents
}

func (env *environment) indexes() space.Indexes {
	return space.Indexes{Metaverse: env.Rules.Indexed, Connectors: env.Rules.IndexedConnectors}
}

// gather notes what became of the objects of a space.
func (r *rehearsal) gather(space string, was, tx *space.Tx) error {
	ids, err := tx.Written(space)
	if err != nil {
		return err
	}
	for _, id := range ids {
		key := objectKey{space, id.String()}
		var t transition
		err := was.Unit(func() (err error) {
			t.before, _, err = stateOf(was, id)
			return err
		})
		if err != nil {
			return err
		}
		name := ""
		err = tx.Unit(func() (err error) {
			t.after, name, err = stateOf(tx, id)
			return err
		})
		if err != nil {
			return err
		}
		if !t.before.exists && name != "" {
			key.name = name
		}
		if r.same && space == "" {
			if err := t.byID(was, tx, id); err != nil {
				return err
			}
		}
		if !t.before.equal(t.after) {
			r.objects[key] = t
		}
	}
	return nil
}

// byID has a metaverse object and what it refers to known by ids: their names are
// those of connectors, and connectors may come and go without any other change.
func (t *transition) byID(was, tx *space.Tx, id identity.ID) error {
	for _, side := range []struct {
		tx *space.Tx
		of *state
	}{{was, &t.before}, {tx, &t.after}} {
		err := side.tx.Unit(func() error {
			mv, err := side.tx.Object(id)
			if err != nil || mv == nil {
				return err
			}
			attributes := mv.Attributes.Clone()
			for i, a := range attributes {
				attributes[i] = identity.Attribute{Name: a.Name, Values: a.All()}
			}
			side.of.attributes = attributes
			return nil
		})
		if err != nil {
			return err
		}
	}
	if t.before.exists && t.after.exists {
		t.after.dn = t.before.dn
	}
	return nil
}

// stateOf returns the state of an object once everything is exported, and what
// it is called in any rehearsal.
func stateOf(tx *space.Tx, id identity.ID) (s state, name string, err error) {
	if id.Space() == 0 {
		mv, err := tx.Object(id)
		if err != nil || mv == nil {
			return state{}, "", err
		}
		s = state{exists: true, linked: true, object: mv.Type}
		if s.attributes, err = named(tx, mv.Attributes); err != nil {
			return state{}, "", err
		}
		s.dn, err = objectName(tx, mv)
		return s, s.dn, err
	}
	c, err := tx.Connector(id)
	if err != nil || c == nil || c.State == space.Placeholder {
		return state{}, "", err
	}
	s = state{exists: true, linked: c.State.IsConnector(), object: c.ObjectType}
	dn, remains := nameInTheEnd(c)
	if !remains {
		return state{}, dn, nil
	}
	s.dn = dn
	s.attributes, err = named(tx, c.TopImage())
	return s, s.dn, err
}

// nameInTheEnd returns the name of an object once everything is exported; false if it
// is gone then, and the name that it has until then.
func nameInTheEnd(c *space.Connector) (dn string, remains bool) {
	dn = c.DN
	for _, d := range [...]*identity.Delta{c.Import, c.Exported, c.Unapplied} {
		if d != nil && d.Op.Removes() {
			return dn, false
		}
		if d.IsRename() {
			dn = d.DN
		}
	}
	return dn, true
}

// objectName names a metaverse object by the first of its connectors.
func objectName(tx *space.Tx, mv *space.Object) (string, error) {
	for _, id := range mv.Connectors {
		c, err := tx.Connector(id)
		if err != nil {
			return "", err
		}
		if c != nil {
			return tx.Space().AgentOf(id) + " " + c.DN, nil
		}
	}
	return mv.ID.String(), nil
}

// named returns attributes with names in place of references.
func named(tx *space.Tx, attributes identity.Attributes) (identity.Attributes, error) {
	out := attributes.Clone()
	for i := range out {
		values := out[i].All()
		if len(values) == 0 || values[0].Ref() == 0 {
			continue
		}
		texts := make([]identity.Value, len(values))
		for j, v := range values {
			var err error
			if texts[j], err = namedReference(tx, v.Ref()); err != nil {
				return nil, err
			}
		}
		out[i] = identity.Attribute{Name: out[i].Name, Values: identity.Normalize(texts)}
	}
	return out, nil
}

func namedReference(tx *space.Tx, id identity.ID) (identity.Value, error) {
	if id.Space() == 0 {
		mv, err := tx.Object(id)
		if err != nil || mv == nil {
			return identity.Reference(id.String()), err
		}
		name, err := objectName(tx, mv)
		return identity.Reference(name), err
	}
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return identity.Reference(id.String()), err
	}
	return identity.Reference(c.DN), nil
}

// forecasting is a forecast while it grows.
type forecasting struct {
	Forecast
	env     *environment
	spaces  map[string]*AgentForecast
	types   map[string]*ObjectForecast
	samples map[*Changes]map[string][]sample // by operation
	limit   int                              // of samples of each
}

// A sample is kept with its key: those with the first keys are shown.
type sample struct {
	key  objectKey
	show ForecastSample
}

func newForecast(env *environment, r *rehearsal, o ForecastOptions) *forecasting {
	f := &forecasting{
		env: env, limit: cmp.Or(o.Samples, 5), spaces: map[string]*AgentForecast{}, types: map[string]*ObjectForecast{},
		samples: map[*Changes]map[string][]sample{},
	}
	f.Errors = append([]ForecastError{}, r.errors...)
	return f
}

// compare counts how an object becomes different.
func (f *forecasting) compare(key objectKey, before, after state) {
	if before.equal(after) {
		return
	}
	object := after.object
	if !after.exists {
		object = before.object
	}
	var changes *Changes
	if key.space == "" {
		changes = &f.objects(object).Changes
	} else {
		a := f.agent(key.space)
		changes = &a.Changes
		switch {
		case after.linked && !before.linked && before.exists:
			a.Connected++
			f.sample(changes, key, ForecastSample{Operation: "connect", Object: object, DN: after.dn})
		case before.linked && !after.linked && after.exists:
			a.Disconnected++
			f.sample(changes, key, ForecastSample{Operation: "disconnect", Object: object, DN: after.dn})
		}
	}
	f.Different = true
	s := ForecastSample{Object: object, DN: before.dn}
	switch {
	case !before.exists:
		changes.Adds++
		s.Operation, s.DN = "add", after.dn
	case !after.exists:
		changes.Deletes++
		s.Operation = "delete"
		f.sample(changes, key, s)
		return
	case before.dn != after.dn && key.space != "":
		changes.Renames++
		s.Operation, s.NewDN = "rename", after.dn
	case before.attributes.Equal(after.attributes):
		return
	default:
		changes.Updates++
		s.Operation = "update"
	}
	s.Changes = map[string]ValueForecast{}
	for _, c := range identity.Diff(before.attributes, after.attributes) {
		changes.Attributes[c.Name]++
		s.Changes[c.Name] = f.values(key.space, object, c.Name, before, after)
	}
	f.sample(changes, key, s)
}

func (f *forecasting) values(space, object, attribute string, before, after state) ValueForecast {
	if f.env.Secret(space, object, attribute) {
		return ValueForecast{Before: []any{}, After: []any{hidden}}
	}
	show := func(s state) []any {
		out := []any{}
		for _, v := range s.attributes.Get(attribute) {
			out = append(out, redactedValue(f.env, v.JSON()))
		}
		return out
	}
	return ValueForecast{show(before), show(after)}
}

func (f *forecasting) agent(name string) *AgentForecast {
	if f.spaces[name] == nil {
		f.spaces[name] = &AgentForecast{Agent: name, Changes: newChanges()}
	}
	return f.spaces[name]
}

func (f *forecasting) objects(name string) *ObjectForecast {
	if f.types[name] == nil {
		f.types[name] = &ObjectForecast{Type: name, Changes: newChanges()}
	}
	return f.types[name]
}

func newChanges() Changes { return Changes{Attributes: map[string]int{}, Samples: []ForecastSample{}} }

func (f *forecasting) sample(of *Changes, key objectKey, s ForecastSample) {
	if redact := f.env.Redact; redact != nil {
		s.DN, s.NewDN = redact(s.DN), redact(s.NewDN)
	}
	if f.samples[of] == nil {
		f.samples[of] = map[string][]sample{}
	}
	list := append(f.samples[of][s.Operation], sample{key, s})
	if len(list) > f.limit+1000 {
		list = f.first(list)
	}
	f.samples[of][s.Operation] = list
}

// first returns the samples to show.
func (f *forecasting) first(list []sample) []sample {
	slices.SortFunc(list, func(x, y sample) int { return strings.Compare(x.key.name, y.key.name) })
	return list[:min(f.limit, len(list))]
}

// done chooses the samples and returns the forecast.
func (f *forecasting) done() *Forecast {
	for changes, operations := range f.samples {
		for _, operation := range []string{"add", "delete", "rename", "update", "connect", "disconnect"} {
			for _, s := range f.first(operations[operation]) {
				changes.Samples = append(changes.Samples, s.show)
			}
		}
	}
	f.Agents, f.Metaverse = []AgentForecast{}, []ObjectForecast{}
	for _, name := range f.env.order {
		if a := f.spaces[name]; a != nil {
			f.Agents = append(f.Agents, *a)
			delete(f.spaces, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.spaces)) { // agents that the other definition no longer has
		f.Agents = append(f.Agents, *f.spaces[name])
	}
	for _, name := range slices.Sorted(maps.Keys(f.types)) {
		f.Metaverse = append(f.Metaverse, *f.types[name])
	}
	return &f.Forecast
}
