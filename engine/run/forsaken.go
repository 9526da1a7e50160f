package run

import "github.com/metasync/metasync/engine/space"

// A system that deletes an object may drop the references to it, and tell of that in
// no change log. Those who referred to the old object of a delete-add are told as soon
// as it is known to be gone: else the connector space would take what they had for
// references to the new one.

// forsake has those who refer to an object of which the system has deleted the old one
// lose that reference, see [space.Tx.ForsakeReplaced]. In systems that know objects by
// their names alone, references are to whoever has the name.
func (s *step) forsake(tx *space.Tx, c *space.Connector, spare, sent func(*space.Connector) bool) error {
	if s.agent.Agent.Capabilities().AnchorIsDN {
		return nil
	}
	return tx.ForsakeReplaced(c, spare, sent)
}

// removeDeleted removes an object that the system has deleted, by what a change log or
// the answer to an export tells.
func (s *step) removeDeleted(tx *space.Tx, c *space.Connector) error {
	if s.agent.Agent.Capabilities().AnchorIsDN {
		return tx.RemoveConnector(c)
	}
	return tx.RemoveDeleted(c)
}
