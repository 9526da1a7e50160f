package run

import (
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// blocking are errors of an object that another one may take away.
var blocking = []string{sync.NameTaken, uniqueIndexViolation, "ambiguous-import-flow-from-multiple-connectors", "unsupported-container-delete"}

// uniqueIndexViolation is the error of an object that wants a value of another one.
const uniqueIndexViolation = "unique-index-violation"

// blockedObjects are the objects of a step that failed because another one was in
// their way, with the one that has the name which they want, if it is about a name.
type blockedObjects map[identity.ID]sync.Blocker

// note remembers an object that failed.
func (x *synchronization) note(id identity.ID, result *sync.Result) {
	if result.Err == nil || !slices.Contains(blocking, result.Err.Name) {
		return
	}
	if x.blocked == nil {
		x.blocked = blockedObjects{}
	}
	x.blocked[id] = result.Blocker
}

// unblock tries the objects again that another one was in the way of, now that
// all have had their turn: what is gone has gone, and names have changed. Who
// waits for a name comes after the one who has it; those who wait for each other
// in a circle are synchronized together.
func (x *synchronization) unblock() error {
	ids := sortedIDs(x.blocked)
	x.visited = map[identity.ID]bool{}
	return x.walk(listed(&ids), func(tx *space.Tx, id identity.ID) error { return x.unblocked(tx, id) })
}

// unblocked tries an object again, after those that are in its way.
func (x *synchronization) unblocked(tx *space.Tx, id identity.ID) error {
	var path []identity.ID
	for at := id; at != 0 && !x.visited[at]; {
		if i := slices.Index(path, at); i >= 0 {
			if err := x.together(tx, path[i:]); err != nil {
				return err
			}
			break
		}
		path = append(path, at)
		next, err := x.inTheWay(tx, at)
		if err != nil {
			return err
		}
		at = next
	}
	for _, id := range slices.Backward(path) {
		if x.visited[id] {
			continue
		}
		x.visited[id] = true
		if err := x.alone(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// inTheWay returns the object that decides whether a blocked object gets the name
// that it wants, if that has failed itself, else 0. It may be one of another agent.
func (x *synchronization) inTheWay(tx *space.Tx, id identity.ID) (identity.ID, error) {
	blocker := x.blocked[id]
	if blocker.ID == 0 {
		return 0, nil
	}
	owners, err := sync.Owners(tx, blocker.ID)
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		if _, failed := x.blocked[owner]; failed {
			return owner, nil
		}
	}
	for _, owner := range owners {
		c, err := tx.Connector(owner)
		if err != nil {
			return 0, err
		}
		if c == nil || c.ImportError == nil || c.ImportError.Name != sync.NameTaken || x.space.AgentOf(owner) == x.agent.Name {
			continue
		}
		// It failed in a step of its own agent, and nobody remembers why.
		result, err := x.sync.Connector(tx, owner, x.mode)
		if err != nil {
			return 0, x.end(err)
		}
		if aside, err := x.removals.note(tx, owner, &result); err != nil || aside {
			return 0, err
		}
		x.report.countOutbound(result.Outbound)
		x.details.outbound(result.Outbound)
		x.note(owner, &result)
		if result.Err != nil {
			return owner, nil
		}
	}
	return 0, nil
}

// alone tries one object again, if anything has changed for it.
func (x *synchronization) alone(tx *space.Tx, id identity.ID) error {
	if blocker := x.blocked[id]; blocker.ID == 0 {
		if len(x.deleted) == 0 {
			c, err := tx.Connector(id)
			if err != nil || c == nil || c.ImportError == nil || c.ImportError.Name != uniqueIndexViolation {
				return err
			}
		}
	} else if blocked, err := x.sync.Blocks(tx, blocker); err != nil || blocked {
		return err
	}
	result, err := x.sync.Connector(tx, id, x.mode)
	if err != nil || result.Err != nil {
		return x.end(err)
	}
	if aside, err := x.removals.note(tx, id, &result); err != nil || aside {
		return err
	}
	return x.overcome(tx, id, result)
}

// together tries objects again that wait for each other's names.
func (x *synchronization) together(tx *space.Tx, ids []identity.ID) error {
	results, done, err := x.sync.Together(tx, ids, x.mode)
	if err != nil || !done {
		return x.end(err)
	}
	for i, id := range ids {
		x.visited[id] = true
		if _, err := x.removals.note(tx, id, &results[i]); err != nil {
			return err
		}
		if err := x.overcome(tx, id, results[i]); err != nil {
			return err
		}
	}
	return nil
}

// overcome takes back the error of an object that has been synchronized after all.
// That of an object of another agent is in the record of another run.
func (x *synchronization) overcome(tx *space.Tx, id identity.ID, result sync.Result) error {
	if x.removals != nil { // there may be another round
		delete(x.blocked, id)
	}
	if x.space.AgentOf(id) != x.agent.Name {
		x.report.countOutbound(result.Outbound)
		x.details.outbound(result.Outbound)
		return nil
	}
	x.report.forget(id)
	if x.report.Inbound[sync.FlowFailure]--; x.report.Inbound[sync.FlowFailure] == 0 {
		delete(x.report.Inbound, sync.FlowFailure)
	}
	if result.Inbound != "" {
		x.report.Inbound[result.Inbound]++
		x.details.inbound(&result)
	}
	return x.record(tx, id, result)
}
