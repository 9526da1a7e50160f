package sync

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// importDelete handles an object that is gone from its system.
func (u *unit) importDelete(c *space.Connector) error {
	if err := u.wakeMembers(c, nil); err != nil {
		return err
	}
	remove := func() error { return u.tx.RemoveConnector(c) }
	if a := u.rules.Agent(u.space.AgentOf(c.ID)); a != nil && !a.AnchorIsDN && c.Import != nil && c.Import.Op == identity.Delete {
		remove = func() error { return u.tx.RemoveDeleted(c) } // a change log says so
	}
	if !c.State.IsConnector() {
		return remove()
	}
	// It goes before provisioning looks for what may take its place, so that it
	// is not found itself.
	removed, err := u.disconnectInbound(c, cut{by: space.ByDeletion}, remove)
	if err != nil {
		return err
	}
	u.result.Inbound = ConnectorDeleteLeaveMV
	if removed {
		u.result.Inbound = ConnectorDeleteRemoveMV
	}
	return nil
}

// deleteAdd handles an object that was deleted and came again between two
// imports: the old one is disconnected, the new one is a new disconnector.
func (u *unit) deleteAdd(c *space.Connector) error {
	if err := u.wakeMembers(c, nil); err != nil {
		return err
	}
	renew := func() error {
		c.ObjectType = c.Import.ObjectType
		c.Synchronized = nil
		c.Exported, c.Unapplied, c.Provisioned, c.Batch, c.NotReimported, c.Attempts = nil, nil, false, 0, false, 0
		c.Cut = nil // that was another object
		c.Import = &identity.Delta{Op: identity.Add, ObjectType: c.ObjectType, DN: c.Import.DN, Changes: c.Import.Changes}
		u.tx.PutConnector(c)
		return nil
	}
	if !c.State.IsConnector() {
		return renew()
	}
	_, err := u.disconnectInbound(c, cut{by: space.ByDeletion}, renew)
	return err
}

// A cut is how a link is cut, and what the object is then: the zero state is that
// of a normal disconnector.
type cut struct {
	state space.State
	by    space.Lineage
	rule  string
}

// unlink cuts the link between an object and its metaverse object.
func (u *unit) unlink(c *space.Connector, mv *space.Object, how cut) error {
	if err := u.releaseReferrers(c, mv); err != nil {
		return err
	}
	u.noteCut(c)
	mv.RemoveConnector(c.ID)
	c.State, c.Link, c.LinkRule, c.LinkBy = how.state, 0, "", 0
	c.Cut = &space.Disconnection{By: how.by, Rule: how.rule, At: u.now, Object: mv.ID}
	c.RetryReferences, c.Applied, c.Detected = false, nil, nil
	u.tx.PutConnector(c)
	u.tx.PutObject(mv)
	return nil
}

// disconnectInbound cuts a link because of what was imported (sync-engine
// §3.3), and calls then as soon as the object contributes nothing any more. It
// reports whether the metaverse object was deleted.
func (u *unit) disconnectInbound(c *space.Connector, how cut, then func() error) (removed bool, err error) {
	mv, err := u.tx.Object(c.Link)
	if err != nil {
		return false, err
	}
	if mv == nil {
		return false, fault.New("unexpected-error", "the link leads to %s, which does not exist", c.Link)
	}
	agent := u.space.AgentOf(c.ID)
	was := u.disconnected(c, mv)
	if err := u.unlink(c, mv, how); err != nil {
		return false, err
	}
	if err := u.recall(c, mv); err != nil {
		return false, err
	}
	if _, err := u.settle(c, mv); err != nil {
		return false, err
	}
	if c.Replaces != nil {
		u.restore(c)
	} else {
		c.Unapplied, c.Exported, c.ExportError, c.Batch, c.NotReimported, c.Attempts = nil, nil, nil, 0, false, 0
	}
	if err := then(); err != nil {
		return false, err
	}
	gone, err := u.shouldDelete(mv, agent, was)
	if err != nil {
		return false, within(err, stepDeletion, "", "")
	}
	u.trace.deletion(u, mv, agent, gone)
	if gone {
		return true, within(u.deleteObject(mv), stepDeletion, "", "")
	}
	if u.postponed {
		return false, u.tx.RetryObject(mv.ID)
	}
	if err := u.outbound(mv); err != nil {
		return false, err
	}
	return len(mv.Connectors) == 0, nil
}

// disconnected returns the view of an object that a script is asked about after
// its link was cut, nil if no script is.
func (u *unit) disconnected(c *space.Connector, mv *space.Object) rules.ConnectorEntry {
	if t := u.rules.Type(mv.Type); t == nil || !t.Delete.Script {
		return nil
	}
	was := *c
	return u.connectorEntry(&was)
}

// shouldDelete is the object deletion rule, asked after a connector of the
// agent was cut inbound (sync-engine §8.2). was shows that connector, if a script
// decides. An object without connectors is deleted in any case.
func (u *unit) shouldDelete(mv *space.Object, agent string, was rules.ConnectorEntry) (bool, error) {
	if len(mv.Connectors) == 0 {
		return true, nil
	}
	t := u.rules.Type(mv.Type)
	switch {
	case t == nil:
		return false, nil
	case t.Delete.Script:
		return rules.Call(func() (bool, error) { return t.Extension.ShouldDelete(u.ctx, was, u.metaverseEntry(mv)) })
	case t.Delete.When == rules.Held:
		held, err := u.held(mv, t)
		return !held, err
	}
	return u.declaredDeletion(t, mv, agent), nil
}

// declaredDeletion is a deletion rule without a script.
func (u *unit) declaredDeletion(t *rules.Type, mv *space.Object, agent string) bool {
	switch t.Delete.When {
	case rules.AnyOf:
		return slices.Contains(t.Delete.Agents, agent) && u.connectorOf(mv, agent, "") == 0
	case rules.LastConnector:
		for _, id := range mv.Connectors {
			if c, err := u.tx.Connector(id); err == nil && c != nil && isUnheard(c) {
				continue // an account that is yet to be created keeps nobody
			}
			if !slices.Contains(t.Delete.Ignore, u.space.AgentOf(id)) {
				return false
			}
		}
		return true
	}
	return false
}

// deleteObject deletes a metaverse object: its connectors are deprovisioned,
// each by the rule of its own agent, and references to it are removed.
func (u *unit) deleteObject(mv *space.Object) error {
	u.noteDeletion(mv)
	u.trace.cuts(BecauseDeleted, "")
	t := u.rules.Type(mv.Type)
	if t != nil {
		for attribute := range t.Seekers {
			u.seeks(t, mv, attribute)
		}
	}
	for _, id := range slices.Clone(mv.Connectors) {
		c, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if c == nil {
			mv.RemoveConnector(id)
			continue
		}
		if _, err := u.deprovisionUnlessChosen(c, mv, cut{by: space.ByDeletion}, orphanOption(t, c), false); err != nil {
			return err
		}
	}
	owners, err := u.tx.Referrers(mv.ID)
	if err != nil {
		return err
	}
	for _, id := range owners {
		if id == mv.ID {
			continue
		}
		owner, err := u.tx.Object(id)
		if err != nil {
			return err
		}
		if owner == nil {
			continue
		}
		owner.DropReference(mv.ID)
		u.tx.PutObject(owner)
		if err := u.tx.RetryObject(owner.ID); err != nil {
			return err
		}
	}
	return u.tx.RemoveObject(mv)
}

// deprovision cuts a link by decision of the engine and does to the object what
// its agent's deprovisioning rule says (sync-engine §8.1). It reports whether the
// metaverse object changed because what the object contributed was recalled.
func (u *unit) deprovision(c *space.Connector, mv *space.Object, how cut, recall bool) (recalled bool, err error) {
	return u.deprovisionUnlessChosen(c, mv, how, "", recall)
}

// deprovisionUnlessChosen is deprovision with an option, unless that is "", for
// agents of which nobody chose one.
func (u *unit) deprovisionUnlessChosen(c *space.Connector, mv *space.Object, how cut, otherwise rules.Deprovision, recall bool) (recalled bool, err error) {
	if c.Replaces != nil {
		if err := u.unlink(c, mv, how); err != nil {
			return false, within(err, stepDeprovisioning, "", "")
		}
		u.count(c, ProvisionedDisconnect)
		u.restore(c)
		return false, nil
	}
	name := u.space.AgentOf(c.ID)
	agent := u.rules.Agent(name)
	unheard := isUnheard(c)
	option := rules.Disconnect
	if agent != nil && !unheard {
		if option, err = u.deprovisioning(c, agent, otherwise); err != nil {
			return false, within(err, stepDeprovisioning, "", "")
		}
	}
	u.trace.deprovisioned(c, option, unheard)
	recalled = recall && agent != nil && (agent.Recall || agent.OrphansLowest) && len(mv.ContributedBy(c.ID)) > 0
	if err := u.unlink(c, mv, how); err != nil {
		return false, within(err, stepDeprovisioning, "", "")
	}
	if recalled {
		if err := u.recall(c, mv); err != nil {
			return false, within(err, stepDeprovisioning, "", "")
		}
	}
	if recall {
		settled, err := u.settle(c, mv)
		if err != nil {
			return false, within(err, stepDeprovisioning, "", "")
		}
		recalled = recalled || settled
	}
	u.count(c, ProvisionedDisconnect)
	c.Unapplied, c.ExportError = nil, nil
	if unheard {
		return recalled, u.tx.RemoveConnector(c)
	}
	c.NotReimported = false
	if option != rules.DeleteObject && !c.Provisioned {
		c.Exported, c.Batch = nil, 0 // whether that arrived no longer matters; whether the object did, does
	}
	switch option {
	case rules.ExplicitDisconnect:
		c.State = space.ExplicitDisconnector
	case rules.DeleteObject:
		c.State = space.ExplicitDisconnector
		c.Unapplied = &identity.Delta{Op: identity.Delete}
	}
	return recalled, nil
}

// deprovisioning decides what becomes of an object that the system knows.
func (u *unit) deprovisioning(c *space.Connector, agent *rules.AgentRules, otherwise rules.Deprovision) (rules.Deprovision, error) {
	option, err := otherwise, error(nil)
	if otherwise == "" || !agent.DeprovisionByDefault {
		option, err = agent.Decide(func() (rules.Deprovision, error) {
			return agent.Extension.Deprovision(u.ctx, u.connectorEntry(c))
		})
	}
	if err != nil || option != rules.DeleteObject {
		return option, err
	}
	return option, u.checkEmpty(c, agent.Name)
}
