package sync

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// References point to connector-space objects in connector-space images and to
// metaverse objects in the metaverse. A reference flows only when the object
// that it points to is linked; otherwise its owner waits for that, and is
// synchronized again when it happens (sync-engine §3.7, §3.9).

// inboundReferences turns references to connector-space objects into
// references to the metaverse objects that they are linked to.
func (u *unit) inboundReferences(owner *space.Connector, values []identity.Value) ([]identity.Value, error) {
	out := make([]identity.Value, 0, len(values))
	for _, v := range values {
		target, err := u.tx.Connector(v.Ref())
		if err != nil {
			return nil, err
		}
		if target != nil && target.State.IsConnector() && target.Replaces == nil { // else the old one is meant
			out = append(out, identity.ReferenceTo(target.Link))
			continue
		}
		if err := u.tx.Await(v.Ref(), owner.ID); err != nil {
			return nil, err
		}
	}
	return identity.Normalize(out), nil
}

// outboundReferences turns references to metaverse objects into references to
// their connectors in an agent's connector space. An object that has several there
// cannot be referred to.
func (u *unit) outboundReferences(owner *space.Object, agent string, values []identity.Value) ([]identity.Value, error) {
	out := make([]identity.Value, 0, len(values))
	for _, v := range values {
		target, err := u.tx.Object(v.Ref())
		if err != nil {
			return nil, err
		}
		if target == nil {
			continue // being deleted: its referrers are synchronized again
		}
		if id := u.connectorOf(target, agent, ""); id != 0 {
			if u.connectors(target, id.Space()) > 1 {
				return nil, fault.New("ambigous-reference-value-for-export-flow", "%s, which is referred to, has several connectors of agent %q", target.ID, agent)
			}
			out = append(out, identity.ReferenceTo(id))
			continue
		}
		if err := u.tx.Await(target.ID, owner.ID); err != nil {
			return nil, err
		}
	}
	return identity.Normalize(out), nil
}

// wakeReferrers has the connector-space objects synchronized again that waited
// for the object to be linked.
func (u *unit) wakeReferrers(id identity.ID) error {
	owners, err := u.tx.Waiters(id)
	if err != nil {
		return err
	}
	return u.retryReferences(owners)
}

// wakeObjects has the metaverse objects synchronized again that waited for the
// object to get a connector.
func (u *unit) wakeObjects(id identity.ID) error {
	owners, err := u.tx.Waiters(id)
	if err != nil {
		return err
	}
	return u.retryObjects(owners)
}

// releaseReferrers has everyone synchronized again who refers to a
// connector-space object whose link was cut, and to its metaverse object.
func (u *unit) releaseReferrers(c *space.Connector, mv *space.Object) error {
	owners, err := u.tx.Referrers(c.ID)
	if err != nil {
		return err
	}
	if err := u.retryReferences(owners); err != nil {
		return err
	}
	if owners, err = u.tx.Referrers(mv.ID); err != nil {
		return err
	}
	return u.retryObjects(owners)
}

func (u *unit) retryReferences(owners []identity.ID) error {
	for _, id := range owners {
		owner, err := u.tx.Connector(id)
		if err != nil {
			return err
		}
		if owner != nil && owner.State.IsConnector() && !owner.RetryReferences {
			owner.RetryReferences = true
			u.tx.PutConnector(owner)
		}
	}
	return nil
}

func (u *unit) retryObjects(owners []identity.ID) error {
	for _, id := range owners {
		if err := u.tx.RetryObject(id); err != nil {
			return err
		}
	}
	return nil
}
