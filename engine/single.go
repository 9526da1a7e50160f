package engine

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A SingleQuery says which object to synchronize from end to end.
type SingleQuery struct {
	Agent    string `json:"agent"`
	Key      string `json:"key"`                // id, anchor or DN; of an object that no import has shown yet, anchor or DN
	DryRun   bool   `json:"dryRun,omitempty"`   // read everything and write nothing
	NoExport bool   `json:"noExport,omitempty"` // stage exports and leave them
}

// A SingleSync tells how one object was synchronized from end to end (sync-engine
// §11). Its JSON form is the public one.
type SingleSync struct {
	Agent     string         `json:"agent"`
	Object    string         `json:"object"`
	ID        identity.ID    `json:"id"`
	DN        string         `json:"dn"`
	Anchor    string         `json:"anchor"`
	DryRun    bool           `json:"dryRun"`
	Run       uint64         `json:"run,omitempty"` // in the history; none of a dry run
	Result    run.Result     `json:"result"`
	Metaverse *ReferenceView `json:"metaverse"` // null if it is linked to none in the end
	Checks    []ScopeCheck   `json:"checks"`
	Steps     []SingleStep   `json:"steps"`
}

// A ScopeCheck is a condition for being synchronized.
type ScopeCheck struct {
	Check      string            `json:"check"` // object-type, container, partition, connector-filter, rule-scope
	Name       string            `json:"name"`  // of the object type, the partition or the rule
	Passed     bool              `json:"passed"`
	Conditions [][]ConditionView `json:"conditions,omitempty"` // by alternative
}

// The steps of a [SingleSync].
const (
	SingleImport  = "import"
	SingleSyncing = "synchronize"
	SingleExport  = "export"
	SingleConfirm = "confirm"
)

// A SingleStep is a step of the synchronization of one object.
type SingleStep struct {
	Step            string            `json:"step"`
	Agent           string            `json:"agent"`
	Result          run.Result        `json:"result,omitempty"`  // "" if it was skipped
	Skipped         string            `json:"skipped,omitempty"` // why
	Notes           []string          `json:"notes,omitempty"`   // what one should know about it
	Error           string            `json:"error,omitempty"`   // why it stopped
	Hint            string            `json:"hint,omitempty"`
	Errors          []run.ErrorRecord `json:"errors"`          // and warnings
	Objects         []SingleObject    `json:"objects"`         // what was read, or sent
	Synchronization *Preview          `json:"synchronization"` // null for other steps
}

// A SingleObject is an object in a step, with what became different about it.
type SingleObject struct {
	ID        identity.ID              `json:"id"`
	Object    string                   `json:"object"`
	DN        string                   `json:"dn"`
	NewDN     string                   `json:"newDN,omitempty"`
	Operation string                   `json:"operation"` // none, or what is staged or sent
	Changes   map[string]ValueForecast `json:"changes,omitempty"`
}

// SyncObject takes one object through everything: it is read from its system, as
// are its connectors from theirs, synchronized, what that makes pending for them is
// exported, and what was exported is read again. Nothing else is exported; exports
// that are off and thresholds hold. Nothing else runs meanwhile: the error is
// [run.ErrBusy] if something does.
//
// What goes wrong with the object or a system is in the result, and ends it. The
// run is in the history, with the profile [run.SingleObject].
func (e *Engine) SyncObject(ctx context.Context, q SingleQuery, cause Cause) (*SingleSync, error) {
	env, err := e.configured(q.Agent)
	if err != nil {
		return nil, err
	}
	x, err := e.runner.OpenSingle(ctx, &env.Environment, q.Agent, q.DryRun, cause)
	if err != nil {
		return nil, err
	}
	s := &single{e: e, env: env, q: q, x: x}
	var refused error
	if q.DryRun {
		refused = s.rehearse()
	} else {
		refused = s.carryOut()
	}
	record, err := x.Close()
	if err = errors.Join(refused, err); err != nil {
		return nil, err
	}
	s.out.Run, s.out.Result = record.Run, record.Result
	return s.out, nil
}

// A single is the synchronization of one object while it runs.
type single struct {
	e   *Engine
	env *environment
	q   SingleQuery
	x   *run.Single
	out *SingleSync

	id      identity.ID // of the object, 0 until it is staged
	read    map[identity.ID]bool
	touched map[identity.ID]bool
	unread  map[string]bool // agents that did not tell of their objects
}

// rehearse carries everything out in transactions that nobody commits: again from
// the beginning with every object that turns out to be needed, so that none is open
// while a system is read.
func (s *single) rehearse() error {
	for {
		var wanted *run.Wanted
		var failed error
		err := s.e.space.Rehearse(s.env.named(), s.env.indexes(), func(_, tx *space.Tx) error {
			failed = s.x.Rehearse(tx, s.carryOut)
			var unread *unreadError
			if errors.As(failed, &unread) {
				wanted, failed = &unread.wanted, nil
			}
			return nil
		})
		if err = errors.Join(err, failed); err != nil || wanted == nil {
			return err
		}
		if _, err := s.x.Read(*wanted); err != nil {
			return err
		}
	}
}

// An unreadError says which object a rehearsal needs.
type unreadError struct{ wanted run.Wanted }

func (*unreadError) Error() string { return run.ErrUnread.Error() }

func (s *single) ask(w run.Wanted) (*run.Reading, error) {
	r, err := s.x.Read(w)
	if errors.Is(err, run.ErrUnread) {
		return nil, &unreadError{w}
	}
	return r, err
}

// carryOut does all steps, until one stops.
func (s *single) carryOut() error {
	s.out = &SingleSync{Agent: s.q.Agent, DryRun: s.q.DryRun, Checks: []ScopeCheck{}, Steps: []SingleStep{}}
	s.id, s.read, s.touched, s.unread = 0, map[identity.ID]bool{}, map[identity.ID]bool{}, map[string]bool{}
	for _, step := range []func() (bool, error){s.importObject, s.importConnectors, s.synchronize, s.export} {
		if more, err := step(); err != nil || !more {
			return errors.Join(err, s.describe())
		}
	}
	return s.describe()
}

// describe says what the object is in the end.
func (s *single) describe() error {
	if s.id == 0 {
		return nil
	}
	return s.look(func(v *viewer) error {
		c, err := v.tx.Connector(s.id)
		if err != nil {
			return err
		}
		if s.out.Metaverse = nil; isGone(c) {
			return nil // it is called what it was called
		}
		s.out.ID, s.out.Object, s.out.DN, s.out.Anchor = c.ID, c.ObjectType, v.text(c.DN), v.text(c.Anchor)
		if c.Link != 0 {
			mv := v.reference(c.Link)
			s.out.Metaverse = &mv
		}
		return nil
	})
}

// look calls fn with what is there now.
func (s *single) look(fn func(v *viewer) error) error {
	return s.x.View(func(tx *space.Tx) error {
		v := &viewer{env: s.env, tx: tx}
		return errors.Join(fn(v), v.err)
	})
}

func wantedOf(agent string, c *space.Connector) run.Wanted {
	return run.Wanted{Agent: agent, ObjectType: c.ObjectType, Partition: c.Partition, Anchor: c.Anchor, DN: c.DN}
}

// importObject reads the object that the query names and stages it.
func (s *single) importObject() (more bool, err error) {
	w := run.Wanted{Agent: s.q.Agent, Anchor: s.q.Key, DN: s.q.Key}
	var unknown error
	if err := s.look(func(v *viewer) error {
		id, err := s.e.find(v.tx, s.q.Agent, s.q.Key)
		if fault.Name(err) == "unknown-object" {
			unknown = err
			return nil
		}
		if err != nil {
			return err
		}
		c, err := v.tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		w, s.id = wantedOf(s.q.Agent, c), id
		return nil
	}); err != nil {
		return false, err
	}
	reading, err := s.ask(w)
	if err == nil && unknown != nil && reading.Gone { // the key may be a name
		w.Anchor = ""
		reading, err = s.ask(w)
	}
	if err != nil {
		return false, err
	}
	if unknown != nil && (reading.Gone || fault.Name(reading.Err) == "cd-missing-object") {
		err := *fault.As(unknown, "")
		err.Text += ", and neither has its system"
		return false, &err
	}
	step, err := s.stage(SingleImport, w, &s.id, reading)
	if err != nil {
		return false, err
	}
	if s.id != 0 {
		s.read[s.id], s.touched[s.id] = true, true
		if err := s.describe(); err != nil {
			return false, err
		}
	}
	s.checkImport(reading)
	return s.id != 0 && step.Result.Severity() < run.CompletedDiscoveryErrors.Severity(), nil
}

// checkImport tells whether the object is one that is synchronized at all.
func (s *single) checkImport(reading *run.Reading) {
	if reading.Entry == nil {
		return
	}
	object := reading.Entry.ObjectType
	a := s.env.Rules.Agent(s.q.Agent)
	selected := a != nil && a.Objects[object] != nil
	s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "object-type", Name: object, Passed: selected})
	if a != nil && !a.Containers.IsAll() {
		dn := reading.Entry.DN
		s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "container", Name: dn, Passed: a.Containers.Holds(dn)})
	}
	if reading.Partition != "" {
		s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "partition", Name: reading.Partition, Passed: true})
	}
}

// stage stages what was read of an object, and tells what that changed.
func (s *single) stage(name string, w run.Wanted, id *identity.ID, reading *run.Reading) (*SingleStep, error) {
	var before map[string][]any
	var dn, objectType string
	image := func(v *viewer, c *space.Connector) map[string][]any {
		out := map[string][]any{}
		for _, a := range c.ImportImage() {
			out[a.Name] = v.secretive(w.Agent, c.ObjectType, a.Name, a.All())
		}
		return out
	}
	if *id != 0 {
		if err := s.look(func(v *viewer) error {
			if c := v.connector(*id); c.State != space.Placeholder {
				before, dn, objectType = image(v, c), v.text(c.DN), c.ObjectType
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	report, found, err := s.x.Import(w, *id, reading)
	if err != nil {
		return nil, err
	}
	*id = found
	step := s.step(name, w.Agent, report)
	if reading.Whole && reading.Err == nil {
		step.Notes = append(step.Notes, "the agent cannot read one object: a full read was opened for it")
	}
	if *id == 0 {
		return step, nil
	}
	err = s.look(func(v *viewer) error {
		c, err := v.tx.Connector(*id)
		if err != nil {
			return err
		}
		o := SingleObject{ID: *id, Object: objectType, DN: dn, Operation: "none"}
		if isGone(c) {
			o.Operation = "removed"
		} else {
			o.Object = c.ObjectType
			if now := v.text(c.DN); dn == "" {
				o.DN = now
			} else if now != dn {
				o.NewDN = now
			}
			if !c.Import.IsZero() {
				o.Operation = c.Import.Op.String()
			}
			if !reading.Gone {
				o.Changes = different(before, image(v, c))
			}
		}
		if reading.Gone && report.Result.Severity() == 0 {
			step.Notes = append(step.Notes, goneText(name, c))
		}
		if name == SingleConfirm && c != nil && c.Exported == nil && reading.Entry != nil {
			step.Notes = append(step.Notes, "confirmed")
		}
		step.Objects = append(step.Objects, o)
		return nil
	})
	return step, err
}

// isGone reports whether nothing is left of an object but a name that others may
// refer to.
func isGone(c *space.Connector) bool { return c == nil || c.State == space.Placeholder }

// goneText says what it means that a system does not have an object.
func goneText(name string, c *space.Connector) string {
	switch {
	case name == SingleConfirm && isGone(c):
		return "confirmed: the system no longer has the object"
	case c != nil && c.Import != nil && c.Import.Op.Removes():
		return "the system no longer has the object: it is staged as a delete"
	case c != nil && c.Provisioned:
		return "the system does not have the object yet"
	}
	return "the system does not have the object"
}

// different returns what became different between two images.
func different(before, after map[string][]any) map[string]ValueForecast {
	out := map[string]ValueForecast{}
	for name, values := range after {
		if !reflect.DeepEqual(before[name], values) {
			out[name] = ValueForecast{append([]any{}, before[name]...), values}
		}
	}
	for name, values := range before {
		if _, still := after[name]; !still {
			out[name] = ValueForecast{values, []any{}}
		}
	}
	return out
}

// step adds a step with what its report says.
func (s *single) step(name, agent string, report *run.Report) *SingleStep {
	step := SingleStep{Step: name, Agent: agent, Errors: []run.ErrorRecord{}, Objects: []SingleObject{}}
	if report != nil {
		step.Result, step.Error, step.Hint = report.Result, report.Error, report.Hint
		step.Errors = slices.Concat(step.Errors, report.DiscoveryErrors, report.SyncErrors, report.RetryErrors, report.ExportErrors)
	}
	s.out.Steps = append(s.out.Steps, step)
	return &s.out.Steps[len(s.out.Steps)-1]
}

// connectors returns the ids of all connectors of the metaverse object of the
// object, in the order of the model.
func (s *single) connectors() (ids []identity.ID, err error) {
	err = s.look(func(v *viewer) error {
		c, err := v.tx.Connector(s.id)
		if err != nil || c == nil || c.Link == 0 {
			return err
		}
		mv, err := v.tx.Object(c.Link)
		if err != nil || mv == nil {
			return err
		}
		ids = slices.Clone(mv.Connectors)
		return nil
	})
	slices.SortStableFunc(ids, func(a, b identity.ID) int {
		return slices.Index(s.env.order, s.e.space.AgentOf(a)) - slices.Index(s.env.order, s.e.space.AgentOf(b))
	})
	for _, id := range ids {
		s.touched[id] = true
	}
	return ids, err
}

// importConnectors reads those connectors of the object that were not read yet.
// One that cannot be read keeps nobody else from being synchronized; but nothing is
// exported to it.
func (s *single) importConnectors() (more bool, err error) {
	ids, err := s.connectors()
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if s.read[id] {
			continue
		}
		s.read[id] = true
		w, there, err := s.wanted(id)
		if err != nil {
			return false, err
		}
		if a := s.env.Agents[w.Agent]; !there || a == nil {
			continue // nobody has created it yet, or the configuration no longer has the agent
		} else if _, imports := a.Agent.(agent.Importer); !imports {
			s.step(SingleImport, w.Agent, nil).Skipped = "the agent cannot import"
			continue
		}
		reading, err := s.ask(w)
		if err != nil {
			return false, err
		}
		at := id
		step, err := s.stage(SingleImport, w, &at, reading)
		if err != nil {
			return false, err
		}
		if step.Result.Severity() >= run.CompletedDiscoveryErrors.Severity() {
			s.unread[w.Agent] = true
		}
	}
	return true, nil
}

// wanted says how to read a connector; it is not there before it was exported.
func (s *single) wanted(id identity.ID) (w run.Wanted, there bool, err error) {
	err = s.look(func(v *viewer) error {
		c, err := v.tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		w, there = wantedOf(v.agentOf(id), c), !c.Provisioned || c.Exported != nil
		return nil
	})
	return w, there, err
}

// synchronize synchronizes the object fully, and then those of its connectors that
// an import waits for. What joins only now is read first.
func (s *single) synchronize() (more bool, err error) {
	done := map[identity.ID]bool{}
	if more, err := s.synchronizeOne(s.id, false); err != nil || !more {
		return false, err
	}
	done[s.id] = true
	for {
		if _, err := s.importConnectors(); err != nil {
			return false, err
		}
		next, err := s.pending(done)
		if err != nil {
			return false, err
		}
		if next == 0 {
			return true, nil
		}
		done[next] = true
		if more, err := s.synchronizeOne(next, true); err != nil || !more {
			return false, err
		}
	}
}

// pending returns a connector for which an import waits, 0 if there is none: those
// that are gone come last.
func (s *single) pending(done map[identity.ID]bool) (next identity.ID, err error) {
	if _, err := s.connectors(); err != nil {
		return 0, err
	}
	last := false
	err = s.look(func(v *viewer) error {
		for _, id := range slices.Sorted(maps.Keys(s.touched)) {
			if done[id] || s.env.Agents[v.agentOf(id)] == nil {
				continue
			}
			c, err := v.tx.Connector(id)
			if err != nil {
				return err
			}
			if c == nil || c.Import.IsZero() {
				continue
			}
			if removes := c.Import.Op.Removes(); next == 0 || last && !removes {
				next, last = id, removes
			}
		}
		return nil
	})
	return next, err
}

// synchronizeOne synchronizes one object and tells what came of it.
func (s *single) synchronizeOne(id identity.ID, delta bool) (more bool, err error) {
	q := PreviewQuery{Agent: s.e.space.AgentOf(id), Key: id.String(), Delta: delta}
	t := run.FullSync
	if delta {
		t = run.DeltaSync
	}
	var p *Preview
	report, err := s.x.Sync(q.Agent, t, id, func(y *sync.Synchronizer, tx *space.Tx) (sync.Result, error) {
		o, err := s.e.observe(s.env, tx, q)
		if err != nil {
			return sync.Result{}, err
		}
		result, err := o.synchronize(y)
		if err != nil {
			return result, err
		}
		for _, out := range result.Outbound {
			s.touched[out.Connector.ID] = true
		}
		p, err = o.preview(&run.Report{})
		return result, err
	})
	if err != nil {
		return false, err
	}
	step := s.step(SingleSyncing, q.Agent, report)
	if p != nil {
		p.Result, p.Errors = report.Result, report.SyncErrors
		step.Synchronization = p
		if id == s.id {
			s.checkRules(p)
		}
	}
	return report.Result.Severity() < run.CompletedSyncErrors.Severity(), nil
}

// checkRules tells whether the filter and the rules let the object in.
func (s *single) checkRules(p *Preview) {
	if f := p.Filter; f != nil {
		s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "connector-filter", Name: p.Object, Passed: !f.Filtered, Conditions: f.Conditions})
	}
	for _, r := range p.InboundRules {
		s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "rule-scope", Name: r.Rule, Passed: r.InScope, Conditions: r.Conditions})
	}
	for _, r := range p.Provisioning {
		if r.Rule != "" {
			s.out.Checks = append(s.out.Checks, ScopeCheck{Check: "rule-scope", Name: r.Rule, Passed: r.Outcome != sync.OutboundOutOfScope, Conditions: r.Conditions})
		}
	}
}
