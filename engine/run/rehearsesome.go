package run

import (
	"context"
	"log/slog"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A Sampling synchronizes chosen objects fully, in a transaction that nobody commits.
type Sampling struct {
	tx    *space.Tx
	parts map[string]*synchronization
	order []string
}

// Sample begins to synchronize chosen objects of agents, in this order, in a
// transaction that nobody commits; now is the time that all of them see. As with
// [Runner.Rehearse], no run is recorded and nothing is locked.
func (r *Runner) Sample(ctx context.Context, env *Environment, agents []string, tx *space.Tx, now time.Time) *Sampling {
	p := &Sampling{tx: tx, parts: map[string]*synchronization{}, order: agents}
	for _, name := range agents {
		s := &step{
			Runner: r, ctx: ctx, env: env, agent: env.Agents[name], log: slog.New(slog.DiscardHandler),
			report: newReport(FullSync, now), limits: limitsOf(Step{Type: FullSync}, Thresholds{}),
		}
		x := s.rehearsal(tx, now)
		x.mode = sync.Full
		p.parts[name] = x
	}
	return p
}

// Synchronize synchronizes objects that belong together: agent by agent, and in the
// end those that are gone from their systems. Objects of agents that the sampling
// does not have are left alone. What is wrong with an object is no error; an
// extension that ends the run is one, which wraps [rules.ErrTerminateRun].
func (p *Sampling) Synchronize(ids []identity.ID) error {
	for _, name := range p.order {
		x := p.parts[name]
		for _, id := range ids {
			if p.tx.Space().AgentOf(id) != name {
				continue
			}
			if err := x.ordinary(p.tx, id); err != nil {
				return err
			}
			if x.terminated != nil {
				return x.terminated
			}
		}
	}
	for _, name := range p.order {
		x := p.parts[name]
		for _, id := range x.deleted {
			if err := x.object(p.tx, id); err != nil {
				return err
			}
			if x.terminated != nil {
				return x.terminated
			}
		}
		x.deleted = x.deleted[:0]
	}
	return nil
}

// Failed returns the objects that could not be synchronized.
func (p *Sampling) Failed() map[identity.ID]bool {
	failed := map[identity.ID]bool{}
	for _, x := range p.parts {
		for _, e := range x.report.SyncErrors {
			if !e.Warning {
				failed[e.ID] = true
			}
		}
	}
	return failed
}
