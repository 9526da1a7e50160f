package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/workflow"
	"github.com/metasync/metasync/scripting"
)

// Workflows: after each run the objects that they are about are put into a queue in
// the state, and the activities of scripts are called for them one by one.

// watches returns what the engine has to keep for the workflows.
func (c *candidate) watches() (list []engine.Watch) {
	for _, w := range c.config.Workflows {
		list = append(list, engine.Watch{
			Name: w.Name, Counter: w.On, Agent: w.Agent, Object: w.Object, Where: w.Where, Position: w.Position, WhereAt: w.WhereAt,
		})
	}
	return list
}

// workflows returns the workflows as the queue knows them.
func (c *candidate) workflows() (list []workflow.Definition) {
	for _, w := range c.config.Workflows {
		list = append(list, workflow.Definition{Name: w.Name, Retries: w.Retries, Wait: w.Wait})
	}
	return list
}

// checkWorkflow finds out whether the activity of a workflow exists.
func (c *candidate) checkWorkflow(w config.Workflow) error {
	names := c.scripts.Activities()
	if slices.Contains(names, w.Activity) {
		return nil
	}
	err := fault.New("unknown-activity", "workflow %q: no script registers the activity %q", w.Name, w.Activity)
	err.Position = w.ActivityAt
	if near := fault.Suggest(w.Activity, names); near != "" {
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		err.Hint = fmt.Sprintf("activity(%q, ctx => { ... }) in a script registers it", w.Activity)
	}
	return err
}

// workflowsEvery is how often the queue is looked at if nothing wakes it.
const workflowsEvery = time.Minute

// wakeWorkflows says that there may be something to do for workflows.
func (d *Daemon) wakeWorkflows() {
	select {
	case d.workflowsWake <- struct{}{}:
	default:
	}
}

// runWorkflows gathers and carries out what workflows have to do, until ctx is done.
func (d *Daemon) runWorkflows(ctx context.Context) error {
	for {
		next := d.work(ctx)
		wait := workflowsEvery
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(d.options.Now()), 0))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-d.workflowsWake:
			timer.Stop()
		}
	}
}

// work does what workflows have to do now, and returns when it has to be called
// again at the latest; zero if nothing waits. Running dry, it only gathers: an
// activity reaches systems.
func (d *Daemon) work(ctx context.Context) (next time.Time) {
	if err := d.queue.Gather(ctx); err != nil {
		if ctx.Err() == nil {
			d.options.Log.Error("what workflows have to do cannot be found out; it is tried again", "err", err)
		}
		return time.Time{}
	}
	if d.options.DryRun {
		return time.Time{}
	}
	next, err := d.queue.Work(ctx, d.perform, d.workflowFailed)
	if err != nil {
		d.options.Log.Error("the queue of workflows cannot be read or written", "err", err)
	}
	return next
}

// perform calls the activity of an entry.
func (d *Daemon) perform(ctx context.Context, e *workflow.Entry) error {
	c, done := d.acquire()
	defer done()
	i := slices.IndexFunc(c.config.Workflows, func(w config.Workflow) bool { return w.Name == e.Workflow })
	if i < 0 {
		return fault.New("unknown-workflow", "the configuration has no workflow %q any more", e.Workflow)
	}
	w := c.config.Workflows[i]
	call := scripting.ActivityCall{
		Activity: w.Activity, Timeout: w.Timeout, ID: strconv.FormatUint(e.ID, 10), Try: e.Tries + 1,
		Workflow: e.Workflow, Counter: e.Counter, Operation: e.Operation, Changes: e.Changes,
	}
	var err error
	if call.Run, err = json.Marshal(e.Run); err != nil {
		return err
	}
	if call.Object, err = e.Object.Connector(); err != nil {
		return err
	}
	if e.Metaverse != 0 {
		mv, err := d.engine.Snapshot(ctx, e.Metaverse)
		if err != nil {
			return err
		}
		if mv != nil {
			if call.Metaverse, err = mv.Entry(); err != nil {
				return err
			}
		}
	}
	err = redactedError(c.scripts.Perform(ctx, d.surroundings(), call), c.config.Secrets)
	d.scheduler.Unexpected(err, w.Agent, "activity "+w.Activity)
	return err
}

// workflowFailed tells of a try that failed.
func (d *Daemon) workflowFailed(e *workflow.Entry, err error) {
	log := d.options.Log.With("workflow", e.Workflow, "run", e.Run.Run, "agent", e.Object.Agent, "object", e.Object.DN, "tries", e.Tries)
	if !e.Next.IsZero() {
		log.Warn("a workflow failed; it is tried again", "next", e.Next, "err", err)
		return
	}
	log.Error("a workflow failed", "err", err)
	note := Note{
		Kind: "workflow.failed", Agent: e.Object.Agent, Run: e.Run.Run,
		Text: fmt.Sprintf("%s: %s %q: %s", e.Workflow, e.Object.Type, e.Object.DN, e.Error),
	}
	if err := d.note(note); err != nil {
		d.options.Log.Error("a workflow that failed cannot be written into the log", "err", err)
	}
}

// A WorkflowVerdict is what somebody decides about what failed.
type WorkflowVerdict struct {
	ID   uint64 `json:"id"`   // of an entry; 0 is all that failed for good
	Drop bool   `json:"drop"` // they are forgotten; otherwise they are tried again
}

// DecideWorkflow has entries that failed for good tried again, or forgets them, for
// the given user. It returns how many.
func (d *Daemon) DecideWorkflow(_ context.Context, v WorkflowVerdict, user string) (int, error) {
	act, what := d.queue.Retry, "workflow.retry"
	if v.Drop {
		act, what = d.queue.Drop, "workflow.drop"
	}
	n, err := act(v.ID)
	text := fmt.Sprintf("all %d that failed", n)
	if v.ID != 0 {
		text = strconv.FormatUint(v.ID, 10)
	}
	d.did(Note{Kind: what, User: user, Text: text}, nil, err)
	d.wakeWorkflows()
	return n, err
}
