package sync

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Join links a disconnector, of any kind, to a metaverse object by decision of an
// administrator, and synchronizes it fully, inbound and outbound, in one unit. The
// object becomes an explicit connector, which no connector filter cuts
// (sync-engine §1.5). A deletion that was staged for it and not sent is taken
// back.
//
// What stands against it is the error of the result, and then nothing has
// changed, as is an error of the synchronization itself: what an administrator
// does by hand is done as a whole or not at all.
func (s *Synchronizer) Join(tx *space.Tx, id, target identity.ID) (Result, error) {
	return s.byHand(tx, id, func(u *unit, c *space.Connector) error {
		object, err := u.joinable(c)
		if err != nil {
			return err
		}
		mv, err := u.tx.Object(target)
		if err != nil {
			return err
		}
		if mv == nil {
			return fault.New("unknown-object", "there is no metaverse object %s", target)
		}
		if other := u.connectorOf(mv, u.space.AgentOf(c.ID), ""); other != 0 {
			taken := fault.New("ambiguous-import-flow-from-multiple-connectors",
				"the metaverse object %s has a connector of agent %q already: %s", target, u.space.AgentOf(c.ID), other)
			taken.Hint = "disconnect that one first"
			return taken
		}
		return within(u.linkByHand(c, mv, object, space.ExplicitConnector, joined), stepJoin, "", "")
	})
}

// Project creates a metaverse object of the given type for a disconnector, of any
// kind but a filtered one, by decision of an administrator, and synchronizes it
// fully in one unit. Without a type it is that of the inbound rule that would
// project the object, or else the only one that its inbound rules flow into. The
// object becomes a normal connector. For errors see [Synchronizer.Join].
func (s *Synchronizer) Project(tx *space.Tx, id identity.ID, objectType string) (Result, error) {
	return s.byHand(tx, id, func(u *unit, c *space.Connector) error {
		object, err := u.joinable(c)
		if err != nil {
			return err
		}
		view := &connectorView{c, c.ImportImage(), u}
		if object.Filter != nil && object.Filter.Match(view) {
			caught := fault.New("connector-filter-rule-violation", "the connector filter catches the object; it would be cut off again at once")
			caught.Hint = "change the filter, or join it to an existing object: that the filter does not cut"
			return caught
		}
		t, err := u.projectionType(view, object, objectType)
		if err != nil {
			return err
		}
		mv := u.tx.NewObject(t.Name)
		u.tx.PutObject(mv)
		return within(u.linkByHand(c, mv, object, space.Joined, projected), stepProjection, "", "")
	})
}

// Disconnect cuts the link of a connector by decision of an administrator, and
// makes it an explicit disconnector, which only Join and Project bring back, or a
// normal one, which join and projection rules try again (sync-engine §1.5). What
// the object contributed is recalled, unless its agent says otherwise, what was
// staged for it is dropped, and the object deletion rule is asked; the
// deprovisioning rule is not (§8.1, §8.2). Its metaverse object is then
// synchronized outbound. Where that fails, or would link the object again at once,
// the metaverse object is left to the next synchronization, and a warning says so.
//
// A disconnector goes from one state to the other. If a deletion was staged for
// it and not sent, becoming a normal disconnector takes it back. For errors see
// [Synchronizer.Join].
func (s *Synchronizer) Disconnect(tx *space.Tx, id identity.ID, state space.State) (Result, error) {
	result, err := s.disconnect(tx, id, state, true)
	if err != nil || result.Err == nil || result.Err.Step == stepRefused {
		return result, err
	}
	failed := *result.Err
	if result, err = s.disconnect(tx, id, state, false); err != nil || result.Err != nil {
		return result, err
	}
	result.Warnings = append(result.Warnings, &failed)
	return result, nil
}

// stepRefused marks errors of what was asked for, as opposed to those of the
// synchronization that it leads to.
const stepRefused = "joiner"

func (s *Synchronizer) disconnect(tx *space.Tx, id identity.ID, state space.State, outbound bool) (Result, error) {
	return s.byHand(tx, id, func(u *unit, c *space.Connector) error {
		if !c.State.IsConnector() {
			return within(u.setState(c, state), stepRefused, "", "")
		}
		mv, err := u.tx.Object(c.Link)
		if err != nil {
			return err
		}
		if mv == nil {
			return fault.New("unexpected-error", "the link leads to %s, which does not exist", c.Link)
		}
		agent, objectType := u.space.AgentOf(c.ID), c.ObjectType
		was := u.disconnected(c, mv)
		if err := u.unlink(c, mv, cut{state: state, by: space.ByHand}); err != nil {
			return err
		}
		if err := u.recall(c, mv); err != nil {
			return err
		}
		if _, err := u.settle(c, mv); err != nil {
			return err
		}
		unborn := isUnheard(c) && c.Replaces == nil // an object that no system knows cannot exist without a link (sync-engine §8.1)
		if c.Replaces != nil {
			u.restore(c)
		} else {
			c.Unapplied, c.ExportError, c.Exported, c.Batch, c.NotReimported, c.Attempts = nil, nil, nil, 0, false, 0
		}
		u.tx.PutConnector(c)
		if unborn {
			if err := u.tx.RemoveConnector(c); err != nil {
				return err
			}
		}
		u.result.Inbound = DisconnectedLeaveMV
		gone, err := u.shouldDelete(mv, agent, was)
		if err != nil {
			return within(err, stepDeletion, "", "")
		}
		if gone {
			u.result.Inbound = DisconnectedRemoveMV
			return within(u.deleteObject(mv), stepDeletion, "", "")
		}
		if !outbound {
			return u.tx.RetryObject(mv.ID)
		}
		if err := u.outbound(mv); err != nil {
			return err
		}
		switch {
		case !unborn && c.State.IsConnector():
			return fault.New("linked-again", "an outbound rule will join the object again at the next synchronization")
		case unborn && u.connectorOf(mv, agent, objectType) != 0:
			return fault.New("linked-again", "an outbound rule will provision the object again at the next synchronization")
		}
		if len(mv.Connectors) == 0 {
			u.result.Inbound = DisconnectedRemoveMV
		}
		return nil
	})
}

// The inbound-flow counters of a disconnect by hand. The reference has none,
// because there it is no run.
const (
	DisconnectedLeaveMV  Counter = "connector-disconnected-leave-mv"
	DisconnectedRemoveMV Counter = "connector-disconnected-remove-mv"
)

// setState changes the state of a disconnector.
func (u *unit) setState(c *space.Connector, state space.State) error {
	switch {
	case c.State == state:
		return fault.New("object-already-disconnected", "the object is not linked, and its state is %s already", state)
	case state == space.Disconnector:
		if err := u.takeBackDelete(c); err != nil {
			return err
		}
		agent := u.rules.Agent(u.space.AgentOf(c.ID))
		if c.State == space.FilteredDisconnector && agent != nil {
			object := agent.Objects[c.ObjectType]
			if object != nil && object.Filter != nil && object.Filter.Match(&connectorView{c, c.ImportImage(), u}) {
				return fault.New("connector-filter-rule-violation", "the connector filter catches the object")
			}
		}
	}
	c.State = state
	u.tx.PutConnector(c)
	u.result.Inbound = DisconnectorRemains
	return nil
}

// byHand does something to one object in one unit. Unlike a synchronization, it
// does not leave an error with the object.
func (s *Synchronizer) byHand(tx *space.Tx, id identity.ID, do func(*unit, *space.Connector) error) (Result, error) {
	u := s.unit(tx)
	dn := ""
	err := tx.Unit(func() error {
		c, err := tx.Connector(id)
		if err != nil {
			return err
		}
		if c == nil {
			return refused("unknown-object", "there is no object %s", id)
		}
		dn = cmp.Or(c.DN, c.Anchor)
		u.result.Subject = subjectOf(c)
		if c.State == space.Placeholder {
			return refused("object-is-placeholder", "the object is only known because others refer to it; it was never imported")
		}
		if err := do(u, c); err != nil {
			return err
		}
		return u.conclude(0)
	})
	if err == nil {
		return u.result, nil
	}
	named, ok := objectError(err)
	if !ok {
		return Result{}, fmt.Errorf("synchronize %s: %w", id, err)
	}
	named.Agent, named.Object = s.space.AgentOf(id), dn
	return Result{Err: named}, nil
}

func refused(name, format string, args ...any) error {
	err := fault.New(name, format, args...)
	err.Step = stepRefused
	return err
}

// joinable finds out whether an object may be linked now, and returns the rules
// for it.
func (u *unit) joinable(c *space.Connector) (*rules.ObjectRules, error) {
	if c.State.IsConnector() {
		err := fault.New("object-already-linked", "the object is linked to the metaverse object %s already, its state is %s", c.Link, c.State)
		err.Hint = "disconnect it first"
		return nil, err
	}
	if c.Import != nil && c.Import.Op.Removes() {
		return nil, fault.New("object-is-deleted", "the last import found that the object is gone")
	}
	if c.Import != nil && c.Import.Op == identity.DeleteAdd {
		if err := u.deleteAdd(c); err != nil {
			return nil, err
		}
	}
	if err := u.takeBackDelete(c); err != nil {
		return nil, err
	}
	var object *rules.ObjectRules
	if agent := u.rules.Agent(u.space.AgentOf(c.ID)); agent != nil {
		object = agent.Objects[c.ObjectType]
	}
	if object == nil {
		return nil, fault.New("unknown-object-type", "agent %q does not manage objects of type %q", u.space.AgentOf(c.ID), c.ObjectType)
	}
	return object, nil
}

// takeBackDelete drops the deletion of a disconnector that nobody has been told
// of yet.
func (u *unit) takeBackDelete(c *space.Connector) error {
	if c.Exported != nil && c.Exported.Op == identity.Delete {
		err := fault.New("object-is-deleted", "the deletion of the object has been exported")
		err.Hint = "import its system first: that shows whether it is still there"
		return err
	}
	if c.Unapplied != nil && c.Unapplied.Op == identity.Delete {
		c.Unapplied, c.ExportError, c.Attempts = nil, nil, 0
		u.tx.PutConnector(c)
	}
	return nil
}

// linkByHand links and synchronizes an object.
func (u *unit) linkByHand(c *space.Connector, mv *space.Object, object *rules.ObjectRules, state space.State, how linkResult) error {
	if err := u.connect(c, mv, "", space.ByHand); err != nil {
		return err
	}
	c.State = state
	view := &connectorView{c, c.ImportImage(), u}
	changed, err := u.importFlow(c, mv, view, object, Full)
	if err != nil {
		return err
	}
	u.notReimported(c)
	u.commit(c)
	if err := u.outbound(mv); err != nil {
		return err
	}
	u.result.Inbound = inboundCounter(how, changed, len(mv.Connectors) == 0)
	return nil
}

// projectionType returns the metaverse type that an object is projected to.
func (u *unit) projectionType(view *connectorView, object *rules.ObjectRules, name string) (*rules.Type, error) {
	var types []string
	for _, rule := range object.Inbound {
		if name == "" && rule.Project && u.applies(rule, view, nil) {
			return rule.Type, nil
		}
		types = append(types, rule.Type.Name)
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if name == "" {
		if len(types) == 1 {
			return u.rules.Type(types[0]), nil
		}
		err := fault.New("projection-object-type-not-set", "no inbound rule says which metaverse type objects of type %q are projected to", view.ObjectType)
		err.Hint = "name the type; " + among(types)
		return nil, err
	}
	if t := u.rules.Type(name); t != nil && slices.Contains(types, name) {
		return t, nil
	} else if t != nil {
		err := fault.New("projection-invalid-object-type", "no inbound rule flows from %q to %q: the new object would be empty", view.ObjectType, name)
		err.Hint = among(types)
		return nil, err
	}
	err := fault.New("projection-invalid-object-type", "there is no metaverse type %q", name)
	if err.Hint = among(types); fault.Suggest(name, types) != "" {
		err.Hint = fmt.Sprintf("did you mean %q?", fault.Suggest(name, types))
	}
	return nil, err
}

func among(types []string) string {
	if len(types) == 0 {
		return "it has no inbound rule at all"
	}
	return fmt.Sprintf("its inbound rules flow to %q", types)
}
