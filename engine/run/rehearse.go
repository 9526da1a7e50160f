package run

import (
	"context"
	"log/slog"
	"time"

	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Rehearse synchronizes agents fully, one after the other, in a transaction that
// nobody commits, and returns what their steps would report. No run is recorded
// and nothing is locked: real runs may go on, the rehearsal does not see them.
func (r *Runner) Rehearse(ctx context.Context, env *Environment, agents []string, tx *space.Tx, progress Progress) ([]*Report, error) {
	if progress == nil {
		progress = func(string, StepType, int, int) {}
	}
	var reports []*Report
	for _, name := range agents {
		s := &step{
			Runner: r, ctx: ctx, env: env, agent: env.Agents[name], log: slog.New(slog.DiscardHandler),
			report: newReport(FullSync, r.now()), progress: progress, limits: limitsOf(Step{Type: FullSync}, Thresholds{}),
		}
		x := s.rehearsal(tx, s.now())
		if err := x.all(true); err != nil {
			return nil, err
		}
		s.finish(x.processed, CompletedSyncErrors)
		s.report.Ended = r.now()
		reports = append(reports, s.report)
	}
	return reports, nil
}

// rehearsal returns a synchronization in a transaction that nobody commits, at a
// time of the caller's.
func (s *step) rehearsal(tx *space.Tx, now time.Time) *synchronization {
	x := s.synchronization()
	x.sync = sync.New(s.ctx, s.env.Rules, tx.Space(), now)
	x.batches = func(fn func(*space.Tx) (bool, error)) error {
		for {
			if more, err := fn(tx); err != nil || !more {
				return err
			}
		}
	}
	return x
}
