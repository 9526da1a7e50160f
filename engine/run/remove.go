package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Remove is the step type of a removal, and the name of its profile in records.
// No profile can have it.
const Remove StepType = "remove"

// DefaultRemovalDeletes is how many metaverse objects a removal may delete unless
// somebody says otherwise.
const DefaultRemovalDeletes = 500

// The removal counters.
const (
	objectsRemoved   = "cs-objects-removed" // from the connector space
	metaverseDeleted = "mv-objects-deleted"
)

// A Removal says what is to go because the configuration no longer has it: an
// agent with its whole connector space, a part of that, or all metaverse objects
// of a type. Who asks for it has made sure that the configuration is without.
type Removal struct {
	Agent     string `json:"agent,omitempty"`
	Partition string `json:"partition,omitempty"` // only the agent's objects of this partition
	Object    string `json:"object,omitempty"`    // only the agent's objects of this type
	Metaverse string `json:"metaverse,omitempty"` // in place of an agent: a metaverse type

	// Deletes is how many metaverse objects the removal may delete; with more of
	// them nothing is removed. 0 is [DefaultRemovalDeletes], less is none.
	Deletes int `json:"deletes,omitempty"`
}

// Limit returns how many metaverse objects the removal may delete.
func (r *Removal) Limit() int {
	if r.Deletes == 0 {
		return DefaultRemovalDeletes
	}
	return max(r.Deletes, 0)
}

// String says what goes, for people.
func (r *Removal) String() string {
	switch {
	case r.Metaverse != "":
		return fmt.Sprintf("metaverse type %q", r.Metaverse)
	case r.Partition != "":
		return fmt.Sprintf("partition %q of agent %q", r.Partition, r.Agent)
	case r.Object != "":
		return fmt.Sprintf("object type %q of agent %q", r.Object, r.Agent)
	}
	return fmt.Sprintf("agent %q", r.Agent)
}

// Has reports whether an object of the agent's connector space is to go. One that
// is only known because others refer to it goes with them.
func (r *Removal) Has(c *space.Connector) bool {
	return r.Metaverse == "" && c.State != space.Placeholder &&
		(r.Partition == "" || c.Partition == r.Partition) && (r.Object == "" || c.ObjectType == r.Object)
}

// whole reports whether nothing of the agent is to be left.
func (r *Removal) whole() bool { return r.Metaverse == "" && r.Partition == "" && r.Object == "" }

// Remove carries out a removal as a run of its own with one step, and returns its
// record, which is in the history already. Of an agent, each object is removed as
// [sync.Synchronizer.Remove] does it, in transactions of many; once none is left,
// so goes everything else that is known of the agent. Of a metaverse type, each
// object is deleted as [sync.Synchronizer.RemoveObject] does it. Objects with
// errors stay, and with them what is known of the agent: a further removal goes on
// where one was stopped, interrupted or left something. Before anything is changed,
// all of it is rehearsed, and held if too many metaverse objects would be deleted.
// For errors see [Runner.Run].
func (r *Runner) Remove(ctx context.Context, env *Environment, removal Removal, cause Cause, progress Progress) (*Record, error) {
	profile := &Profile{Name: string(Remove), Steps: []Step{{Type: Remove}}}
	return r.run(ctx, env, env.orFormer(removal.Agent), profile, job{removal: &removal}, cause, progress)
}

// orFormer returns the agent with a name, also if the configuration does not have
// it.
func (env *Environment) orFormer(name string) *Agent {
	if a := env.Agents[name]; a != nil {
		return a
	}
	return &Agent{Name: name}
}

// RehearseRemoval carries out a removal in a transaction that nobody commits, and
// returns what its step would report and which objects of the connector space
// would be removed. No run is recorded and nothing is locked.
func (r *Runner) RehearseRemoval(ctx context.Context, env *Environment, tx *space.Tx, removal Removal, progress Progress) (*Report, map[identity.ID]bool, error) {
	if progress == nil {
		progress = func(string, StepType, int, int) {}
	}
	s := &step{
		Runner: r, ctx: ctx, env: env, agent: env.orFormer(removal.Agent), job: job{removal: &removal},
		report: newReport(Remove, r.now()), progress: progress, limits: limitsOf(Step{Type: Remove}, Thresholds{}),
	}
	x := removing{synchronization: s.rehearsal(tx, s.now()), removed: map[identity.ID]bool{}}
	if err := x.all(); err != nil {
		return nil, nil, err
	}
	s.finish(x.processed, CompletedSyncErrors)
	s.report.Ended = r.now()
	return s.report, x.removed, nil
}

// remove is the step of a removal.
func (s *step) remove() error {
	removal := s.removal
	var report *Report
	err := s.space.View(func(tx *space.Tx) (err error) {
		report, _, err = s.RehearseRemoval(s.ctx, s.env, tx, *removal, s.progress)
		return err
	})
	if err != nil {
		return err
	}
	if deletes := report.Removed[metaverseDeleted]; deletes > removal.Limit() {
		held := fault.New(string(StoppedDeletionLimit), "%d metaverse objects would be deleted, more than the %d that are allowed; nothing has been changed", deletes, removal.Limit())
		held.Hint = "look at metasync remove --dry-run, and allow as many with --deletes if that is right"
		return held
	}
	x := removing{synchronization: s.synchronization()}
	x.batches = s.space.Batches
	if err := x.all(); err != nil {
		return err
	}
	if s.halt == "" && len(x.failed) == 0 {
		if err := x.forget(); err != nil {
			return err
		}
	}
	s.finish(x.processed, CompletedSyncErrors)
	return nil
}

// removing is a removal while it runs.
type removing struct {
	*synchronization
	removed map[identity.ID]bool // what went from the connector space; nil notes nothing
	failed  []failedRemoval      // what stays, ordered
}

type failedRemoval struct {
	id  identity.ID
	err *fault.Error
}

// all removes every object that is to go, and synchronizes what that leads to.
// What cannot go because another object is in its way, such as a container before
// what it holds, is tried again as long as that gets anywhere.
func (x *removing) all() error {
	x.report.Removed = map[string]int{objectsRemoved: 0, metaverseDeleted: 0}
	objects := 0
	err := x.batches(func(tx *space.Tx) (bool, error) {
		known, found, err := tx.Known(x.removal.Agent)
		if found && x.removal.Agent != "" {
			x.sync.Remember(x.removal.Agent, sync.Former{NoRecall: known.NoRecall, OrphansLowest: known.OrphansLowest})
		}
		objects = metaverseObjects(tx)
		x.total = int(tx.LastSequence(x.removal.Agent))
		return false, err
	})
	if err != nil {
		return err
	}
	next := func(tx *space.Tx, after identity.ID, limit int) ([]identity.ID, error) {
		return tx.IDs(x.removal.Agent, after, limit)
	}
	if err := x.walk(next, x.one); err != nil {
		return err
	}
	for left := len(x.failed) + 1; 0 < len(x.failed) && len(x.failed) < left; {
		left = len(x.failed)
		ids := make([]identity.ID, 0, left)
		for _, f := range x.failed {
			ids = append(ids, f.id)
		}
		x.failed = nil
		if err := x.walk(listed(&ids), x.one); err != nil {
			return err
		}
	}
	for _, f := range x.failed {
		e := x.errorRecord(f.err)
		if f.id.Space() == 0 {
			e.Object = f.id
		} else {
			e.ID = f.id
		}
		x.report.add(&x.report.SyncErrors, e)
	}
	if err := x.retries(); err != nil {
		return err
	}
	err = x.batches(func(tx *space.Tx) (bool, error) {
		x.report.Removed[metaverseDeleted] = objects - metaverseObjects(tx)
		return false, nil
	})
	if err != nil {
		return err
	}
	return x.terminated
}

func metaverseObjects(tx *space.Tx) int { return int(tx.Counters("")[space.CountObject]) }

// one removes an object if it is to go.
func (x *removing) one(tx *space.Tx, id identity.ID) error {
	goes := false
	err := tx.Unit(func() error {
		if x.removal.Metaverse != "" {
			mv, err := tx.Object(id)
			goes = mv != nil && mv.Type == x.removal.Metaverse
			return err
		}
		c, err := tx.Connector(id)
		goes = c != nil && x.removal.Has(c)
		return err
	})
	if err != nil || !goes {
		return err
	}
	remove := x.sync.Remove
	if x.removal.Metaverse != "" {
		remove = x.sync.RemoveObject
	}
	result, err := remove(tx, id)
	if err != nil {
		return x.end(err)
	}
	if result.Err != nil {
		x.failed = append(x.failed, failedRemoval{id, result.Err})
		return nil
	}
	x.processed++
	if x.removal.Metaverse == "" {
		x.report.Removed[objectsRemoved]++
		if x.removed != nil {
			x.removed[id] = true
		}
	}
	if result.Inbound != "" {
		x.report.Inbound[result.Inbound]++
		x.details.inbound(&result)
	}
	return x.record(tx, id, result)
}

// forget drops what else is known of what has gone.
func (x *removing) forget() error {
	return x.batches(func(tx *space.Tx) (more bool, err error) {
		r := x.removal
		if r.whole() {
			if err := hold.Forget(tx.Store(), r.Agent); err != nil {
				return false, err
			}
			return tx.Forget(r.Agent)
		}
		known, _, err := tx.Known(r.Agent)
		if err != nil {
			return false, err
		}
		gone := func(name string) bool { return name == r.Object || name == r.Metaverse }
		if types := slices.DeleteFunc(slices.Clone(known.Types), gone); len(types) < len(known.Types) {
			known.Types = types
			if err := tx.SetKnown(r.Agent, known); err != nil {
				return false, err
			}
		}
		if r.Agent == "" {
			return false, nil
		}
		state, err := tx.AgentState(r.Agent)
		if err != nil {
			return false, err
		}
		delete(state.Partitions, r.Partition)
		delete(state.Inbound, r.Object)
		state.Watermark = nil // what comes back is read again, though its system has not changed
		return false, tx.SetAgentState(r.Agent, state)
	})
}
