package run

import (
	"context"
	"fmt"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// The step types of what an administrator does by hand with one object. They
// stand in records, as do profiles of the same names; no profile can have them.
const (
	Join       StepType = "join"
	Disconnect StepType = "disconnect"
	Project    StepType = "project"
)

// ByHand does something to one object of an agent, as a run of its own with one
// step, and returns its record, which is in the history already. do gets the
// synchronizer of the run; it does one unit.
//
// What stands against it, as do says in the error of its result, is the error
// here, and then nothing has changed and there is no record. So is a run that is
// in the way, see [ErrBusy].
func (r *Runner) ByHand(ctx context.Context, env *Environment, agentName string, what StepType, cause Cause, do func(*sync.Synchronizer, *space.Tx) (sync.Result, error)) (*Record, error) {
	return r.single(ctx, env, agentName, what, cause, true, do)
}

// single carries out a run of one step with one unit. whole says that an error on
// the object undoes the run.
func (r *Runner) single(ctx context.Context, env *Environment, agentName string, what StepType, cause Cause, whole bool, do func(*sync.Synchronizer, *space.Tx) (sync.Result, error)) (*Record, error) {
	a, err := env.agent(agentName)
	if err != nil {
		return nil, err
	}
	release, err := r.acquire(agentName, &Profile{Steps: []Step{{Type: DeltaSync}}}, false)
	if err != nil {
		return nil, err
	}
	defer release()

	s := &step{
		Runner: r, ctx: ctx, env: env, agent: a, log: r.log.With("agent", agentName, "step", what),
		report: newReport(what, r.now()),
	}
	record := &Record{
		Agent: agentName, Profile: string(what), Cause: cause, Result: InProgress, Started: s.report.Started, Steps: []*Report{s.report},
	}
	err = r.space.Update(func(tx *space.Tx) error {
		x := &synchronization{step: s, sync: sync.New(ctx, env.Rules, r.space, s.report.Started)}
		var limited *lone
		if what == CommitPreview {
			limited = x.limitLone(tx)
		}
		result, err := do(x.sync, tx)
		if err != nil {
			return err
		}
		if result.Err != nil && whole {
			return result.Err
		}
		// The record is there before the change is, so that there is none without.
		if _, err := r.history.begin(record); err != nil {
			return err
		}
		s.details, s.number, s.profile = s.newDetails(record.Run, 1), record.Run, record.Profile
		if err := limited.conclude(&result); err != nil {
			return err
		}
		if result.Inbound != "" {
			s.report.Inbound[result.Inbound]++
			s.details.inbound(&result)
		}
		if err := x.record(tx, result.Subject.ID, result); err != nil {
			return err
		}
		return s.details.secure()
	})
	switch {
	case err != nil && record.Run == 0:
		return nil, s.redacted(err)
	case err != nil: // the store has failed
		s.report.stop(err)
	default:
		s.details.close()
		s.finish(1, CompletedSyncErrors)
	}
	s.report.Ended = r.now()
	record.Result, record.Ended = record.severest(), s.report.Ended
	if endErr := r.history.end(record); endErr != nil {
		return nil, endErr
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	r.log.Info("done by hand", "agent", agentName, "run", record.Run, "step", what, "cause", cause.Kind, "user", cause.User)
	return record, nil
}

// redacted takes secrets out of an error on an object.
func (s *step) redacted(err error) error {
	named := fault.As(err, "")
	if s.env.Redact == nil || named == nil || named.Name == "" {
		return err
	}
	clean := *named
	clean.Text, clean.Err = s.env.Redact(named.Detail()), nil
	return &clean
}
