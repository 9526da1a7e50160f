package run

import (
	"context"
	"log/slog"

	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// CommitPreview is the step type of the synchronization of a single object on
// demand (sync-engine §3.12). No profile can have it.
const CommitPreview StepType = "commit-preview"

// Preview lets do synchronize objects of an agent, or of the metaverse if there is
// no such agent, in a transaction that nobody commits, and reports what a step would. No run is recorded and nothing is
// locked. The clock of the synchronizer stands, as in a run.
func (r *Runner) Preview(ctx context.Context, env *Environment, agentName string, tx *space.Tx, do func(*sync.Synchronizer) (sync.Result, error)) (*Report, error) {
	s := &step{
		Runner: r, ctx: ctx, env: env, agent: env.Agents[agentName], log: slog.New(slog.DiscardHandler),
		report: newReport(CommitPreview, r.now()),
	}
	x := &synchronization{step: s, sync: sync.New(ctx, env.Rules, tx.Space(), s.report.Started)}
	result, err := do(x.sync)
	if err != nil {
		return nil, s.redacted(err)
	}
	if result.Inbound != "" {
		s.report.Inbound[result.Inbound]++
	}
	if err := x.record(tx, result.Subject.ID, result); err != nil {
		return nil, err
	}
	s.finish(1, CompletedSyncErrors)
	s.report.Ended = r.now()
	return s.report, nil
}

// Commit synchronizes one object for good, as a run of its own with one step, and
// returns its record, which is in the history already. An error on the object is in
// the record and stays with the object, as after any synchronization; so is what the
// limits of synchronizations hold. The error
// here is one of the store, of do, or a run that is in the way, see [ErrBusy].
func (r *Runner) Commit(ctx context.Context, env *Environment, agentName string, cause Cause, do func(*sync.Synchronizer, *space.Tx) (sync.Result, error)) (*Record, error) {
	return r.single(ctx, env, agentName, CommitPreview, cause, false, do)
}
