package run

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Changes may go round: what is exported to a system comes back as news, which leads to
// another change, and that to the first one again. The object of such a change is
// parked: left out of exports until another change of it is to be sent, somebody
// releases it, or parkedFor has passed. Everything else goes on.
//
// A parked object has an export error, so that it counts as failed and not as pending,
// and nothing follows from it. A step that only writes a file and a full export leave
// out nothing: who reads a file of everything may take what is missing for deleted.

const (
	// parkedFor is after what time a change that went round is tried again.
	parkedFor = 24 * time.Hour

	// watchedUpdates is how many updates may be pending in an export that looks for
	// changes that go round. What changes so many objects is no single one's fault, and
	// the chain of follow-ups is slowed down.
	watchedUpdates = 1000
)

// rounds are the objects that an export leaves out.
type rounds struct {
	parked map[identity.ID]space.Parked // before it
	watch  bool                         // it looks for more
	left   []leftOut
}

// A leftOut is an object that an export leaves out.
type leftOut struct {
	id      identity.ID
	change  string
	parked  bool // it was before
	times   int  // else, see sends.goesRound
	growing bool
}

// newRounds returns what an export has to look at for objects that go round; nil if
// there is nothing.
func (x *export) newRounds(tx *space.Tx, counters *[space.Counters]int64) (*rounds, error) {
	if x.definition.idle() || x.definition.Full {
		return nil, nil
	}
	r := &rounds{watch: x.depth > 0 && counters[space.CountExportUpdate] <= watchedUpdates}
	if counters[space.CountExportFailed] > 0 {
		list, err := tx.Parked(x.agent.Name)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if r.parked == nil {
				r.parked = map[identity.ID]space.Parked{}
			}
			r.parked[p.ID] = p
		}
	}
	if !r.watch && r.parked == nil {
		return nil, nil
	}
	return r, nil
}

// isLeftOut reports whether the pending change of an object is not sent, and notes it.
func (x *export) isLeftOut(c *space.Connector) bool {
	if x.rounds == nil {
		return false
	}
	if p, parked := x.rounds.parked[c.ID]; parked {
		change := changeOf(c.Unapplied)
		if p.Change != change || !x.now().Before(p.Until) {
			return false
		}
		x.rounds.left = append(x.rounds.left, leftOut{id: c.ID, change: change, parked: true})
		return true
	}
	if !x.rounds.watch || !isUpdate(c.Unapplied) {
		return false
	}
	times, growing := x.sends.goesRound(c.ID, c.Unapplied, x.depth, x.now())
	if times > 0 {
		x.rounds.left = append(x.rounds.left, leftOut{id: c.ID, change: changeOf(c.Unapplied), times: times, growing: growing})
	}
	return times > 0
}

func isUpdate(d *identity.Delta) bool { return !d.IsZero() && d.Op == identity.Update }

// changeOf returns the fingerprint of a change for a record.
func changeOf(d *identity.Delta) string {
	_, change := digestsOf(d)
	return hex.EncodeToString(change[:])
}

// noteRound remembers a change that was carried out.
func (x *export) noteRound(o *outgoing, done *identity.Delta) {
	if x.rounds != nil && x.rounds.watch && isUpdate(done) && !o.repeated {
		x.sends.note(o.id, done, x.depth, x.now())
	}
}

// parkLeftOut counts the objects that were left out as failed, and parks those that were
// not. It comes last: for the limit of errors they do not count.
func (x *export) parkLeftOut() error {
	if x.rounds == nil {
		return nil
	}
	for page := range slices.Chunk(x.rounds.left, x.limits.batch) {
		if err := x.space.Update(func(tx *space.Tx) error {
			for _, l := range page {
				if err := tx.Unit(func() error { return x.leaveOutOne(tx, l) }); err != nil {
					return fmt.Errorf("park %s: %w", l.id, err)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// parkAll is parkLeftOut for an export that has nothing to send.
func (x *export) parkAll() error {
	if x.rounds == nil || len(x.rounds.left) == 0 {
		return nil
	}
	if err := x.parkLeftOut(); err != nil {
		return err
	}
	x.finish(0, CompletedExportErrors)
	return nil
}

func (x *export) leaveOutOne(tx *space.Tx, l leftOut) error {
	c, err := tx.Connector(l.id)
	if err != nil || c == nil || c.Unapplied.IsZero() || changeOf(c.Unapplied) != l.change {
		return err // a synchronization has staged something else meanwhile
	}
	if l.parked {
		if c.ExportError == nil || c.ExportError.Name != space.ChangesGoRound {
			return nil
		}
		failure := fault.New(space.ChangesGoRound, "%s", c.ExportError.Detail)
		failure.Attribute = c.ExportError.Attribute
		return x.fail(tx, &outgoing{turn: turn{id: l.id}, failure: c.ExportError}, c.Unapplied, failure)
	}
	p := space.Parked{ID: c.ID, Change: l.change, Since: x.now(), Until: x.now().Add(parkedFor), Count: l.times, Growing: l.growing}
	if p.Attributes, err = x.roundAttributes(tx, c); err != nil {
		return err
	}
	failure := fault.New(space.ChangesGoRound, "%s", x.roundText(&p))
	failure.Attribute = p.Attributes[0].Name
	if err := x.fail(tx, &outgoing{turn: turn{id: l.id}}, c.Unapplied, failure); err != nil {
		return err
	}
	x.report.parked = append(x.report.parked, x.errorRecord(failure).of(c, c.ExportError))
	return tx.Park(p)
}

// roundText says what goes round between whom.
func (x *export) roundText(p *space.Parked) string {
	var parts []string
	for _, a := range p.Attributes {
		part := fmt.Sprintf("%q", a.Name)
		if a.Rule != "" {
			part += fmt.Sprintf(" (rule %q)", a.Rule)
		}
		if len(a.Contributors) > 0 {
			part += " from " + strings.Join(a.Contributors, " and ")
		}
		parts = append(parts, part)
	}
	what := "the same change was"
	if p.Growing {
		what = "another value was"
	}
	return fmt.Sprintf("%s to %s: %s exported %d times within an hour, each time because of the last one; it is left out of exports for a day, or until another change is to be sent",
		strings.Join(parts, ", "), x.agent.Name, what, p.Count)
}

// roundAttributes tells what of a pending change goes round.
func (x *export) roundAttributes(tx *space.Tx, c *space.Connector) ([]space.ParkedAttribute, error) {
	var list []space.ParkedAttribute
	add := func(name string, wanted, found []string) error {
		a := space.ParkedAttribute{Name: name, Wanted: wanted, Found: found}
		err := x.origin(tx, c, &a)
		list = append(list, a)
		return err
	}
	d := c.Unapplied
	if d.IsRename() {
		if err := add(rules.DNAttribute, []string{d.DN}, []string{c.DN}); err != nil {
			return nil, err
		}
	}
	before, after := c.ExportedImage(), c.TopImage()
	for i := range d.Changes {
		name := d.Changes[i].Name
		var wanted, found []string
		if !x.env.Secret(x.agent.Name, c.ObjectType, name) {
			var err error
			if wanted, err = x.roundValues(tx, after.Get(name)); err != nil {
				return nil, err
			}
			if found, err = x.roundValues(tx, before.Get(name)); err != nil {
				return nil, err
			}
		}
		if err := add(name, wanted, found); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// roundValues returns values as texts: not more of them than one wants to read,
// references by name, and without secrets.
func (x *export) roundValues(tx *space.Tx, values []identity.Value) ([]string, error) {
	texts := []string{}
	for i, v := range values {
		if i == maxDetailValues {
			return append(texts, fmt.Sprintf("... and %d more", len(values)-i)), nil
		}
		text := v.Text()
		if id := v.Ref(); id != 0 {
			target, err := tx.Connector(id)
			if err != nil {
				return nil, err
			}
			if target != nil {
				text = target.DN
			}
		}
		switch {
		case v.Type() == identity.TypeBinary:
			text = fmt.Sprintf("%d bytes", len(v.Str()))
		case x.env.Redact != nil:
			text = x.env.Redact(text)
		}
		if len(text) > maxDetailText {
			text = cut(text, maxDetailText) + "..."
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// origin finds the rule by which an attribute flows out, and the agents that its
// values come from.
func (x *export) origin(tx *space.Tx, c *space.Connector, a *space.ParkedAttribute) error {
	mv, err := tx.Object(c.Link)
	if err != nil || mv == nil || x.env.Rules.Type(mv.Type) == nil {
		return err
	}
	for _, rule := range x.env.Rules.Type(mv.Type).Outbound {
		if rule.Agent != x.agent.Name || rule.Object.Name != c.ObjectType || !rule.Among(c.Applied) {
			continue
		}
		for _, flow := range rule.Flows {
			if flow.Target == a.Name {
				a.Rule, a.Contributors = rule.Name, x.contributors(mv, flow)
				return nil
			}
		}
		if rule.DN != nil && a.Name == rules.DNAttribute {
			a.Rule, a.Contributors = rule.Name, x.contributors(mv, rule.DN)
			return nil
		}
	}
	return nil
}

// contributors returns the agents that the values come from which a flow reads.
func (x *export) contributors(mv *space.Object, flow *rules.OutboundFlow) []string {
	var agents []string
	for _, name := range flow.Source.Reads() {
		if by, present := mv.Contribution(name); present {
			if agent := x.space.AgentOf(by.Connector); agent != "" && !slices.Contains(agents, agent) {
				agents = append(agents, agent)
			}
		}
	}
	slices.Sort(agents)
	return agents
}

// Parked returns the objects that the step has parked, as errors.
func (r *Report) Parked() []ErrorRecord { return r.parked }

// Name returns what an object is called: by its DN, or else its anchor.
func (e ErrorRecord) Name() string {
	if e.DN != "" {
		return e.DN
	}
	return e.Anchor
}

// ReleaseParked ends that an object of an agent is parked, so that the next export
// sends it. find says which one. It returns what was known of it. The error is
// [ErrBusy] while the agent runs, and not-parked if the object is not.
func (r *Runner) ReleaseParked(agentName string, find func(*space.Tx) (identity.ID, error)) (*space.Parked, error) {
	release, err := r.acquireAll([]string{agentName})
	if err != nil {
		return nil, err
	}
	defer release()
	var parked *space.Parked
	err = r.space.Update(func(tx *space.Tx) error {
		return tx.Unit(func() error {
			id, err := find(tx)
			if err != nil {
				return err
			}
			c, err := tx.Connector(id)
			if err != nil {
				return err
			}
			if parked, err = tx.ParkedObject(c); err != nil {
				return err
			}
			if parked == nil {
				err := fault.New("not-parked", "the object is not parked: nothing keeps it out of exports")
				err.Agent, err.Object = agentName, c.DN
				return err
			}
			c.ExportError = nil
			tx.PutConnector(c)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	r.sends.forget(parked.ID)
	return parked, nil
}
