package daemon

import (
	"context"
	"os"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	stephold "github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/workflow"
	"github.com/metasync/metasync/triggers"
)

// Status is what there is to say about everything. Its JSON form is the public
// one.
type Status struct {
	Version   string            `json:"version"`
	Running   bool              `json:"running"` // a daemon is at work
	PID       int               `json:"pid"`
	Started   time.Time         `json:"started"`
	File      string            `json:"file"`
	State     string            `json:"state"`
	Scripts   Scripts           `json:"scripts"`
	Rejected  *Rejected         `json:"rejected"` // a change of configuration or scripts that was refused
	Held      *Held             `json:"held"`     // one that waits for approval, or was refused it
	Warnings  []string          `json:"warnings"`
	Orphans   []engine.Orphan   `json:"orphans,omitempty"` // what the configuration no longer has
	Agents    []AgentStatus     `json:"agents"`
	Metaverse int               `json:"metaverseObjects"`
	Scheduler autosync.Status   `json:"scheduler"`
	Triggers  []TriggerStatus   `json:"triggers"`
	Notify    notify.Status     `json:"notify"`                 // messages that wait, and incidents that are open
	Raised    []stephold.Raised `json:"raisedLimits,omitempty"` // thresholds that somebody has raised
	Workflows workflow.Status   `json:"workflows"`
}

// Scripts is the generation of scripts that runs.
type Scripts struct {
	Generation string    `json:"generation"`
	Folder     string    `json:"folder"`
	Files      []string  `json:"files"`
	Since      time.Time `json:"since"`
	Tests      int       `json:"tests"` // that passed when they were loaded
}

// Rejected is a change that did not take effect, and why.
type Rejected struct {
	At         time.Time `json:"at"`
	Generation string    `json:"generation,omitempty"` // of the scripts, that which runs if they are not what is wrong
	Errors     []Problem `json:"errors"`
}

// A Problem is something wrong in a file.
type Problem struct {
	Name   string `json:"error-type"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line-number,omitempty"`
	Column int    `json:"column-number,omitempty"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
}

// AgentStatus is how an agent is doing.
type AgentStatus struct {
	autosync.Facts
	Count map[string]int `json:"count"`             // objects of the connector space (sync-engine §1.5)
	Last  *run.Record    `json:"lastRun,omitempty"` // the newest run of the agent
}

// A TriggerStatus is how a trigger is doing.
type TriggerStatus struct {
	triggers.Health
	Choice *Choice `json:"choice,omitempty"` // of one that nobody declared: how it finds changes
}

// lastRuns is how far back a status looks for the newest run of an agent.
const lastRuns = 200

// Status tells what is going on.
func (d *Daemon) Status(context.Context) (Status, error) {
	d.mu.Lock()
	active, since, rejected, running := d.active, d.since, d.rejected, d.running
	warnings := []string{}
	for _, w := range d.warnings {
		if !engine.IsOrphan(w) { // they are looked for anew
			warnings = append(warnings, config.Redact(active.config.Secrets, w.Error()))
		}
	}
	d.mu.Unlock()
	s := Status{
		Version: d.options.Version, Running: running, PID: os.Getpid(), Started: d.started,
		File: active.config.File, State: active.config.State, Warnings: warnings,
		Scripts: active.status(since), Held: d.heldNow(),
		Scheduler: d.scheduler.Status(), Triggers: []TriggerStatus{},
	}
	for _, h := range d.triggers.Health() {
		s.Triggers = append(s.Triggers, TriggerStatus{h, active.chosen(h.Agent, h.Name, d.listening)})
	}
	if d.options.DryRun {
		s.Scheduler.Export = "dry-run"
	}
	if rejected != nil {
		s.Rejected = rejected.status()
	}
	var err error
	if s.Notify, err = d.notifier.Status(); err != nil {
		return s, err
	}
	if s.Workflows, err = d.queue.Status(); err != nil {
		return s, err
	}
	facts, err := d.engine.Facts()
	if err != nil {
		return s, err
	}
	statistics, objects, err := d.engine.Statistics()
	if err != nil {
		return s, err
	}
	s.Metaverse = objects
	if s.Orphans, err = d.engine.Orphans(); err != nil {
		return s, err
	}
	if s.Raised, err = d.engine.RaisedLimits(""); err != nil {
		return s, err
	}
	for _, o := range s.Orphans {
		s.Warnings = append(s.Warnings, orphanText(o))
	}
	last := map[string]*run.Record{}
	records, err := d.engine.History().Last(lastRuns)
	if err != nil {
		return s, err
	}
	for _, r := range records {
		if last[r.Agent] == nil {
			last[r.Agent] = r
		}
	}
	for i, f := range facts {
		s.Agents = append(s.Agents, AgentStatus{Facts: f, Count: statistics[i].Count, Last: last[f.Agent]})
	}
	return s, nil
}

// orphanText is the warning of an orphan, with what removes it.
func orphanText(o engine.Orphan) string {
	w := o.Warning()
	return w.Error() + "; " + w.Hint
}

// Problems takes an error of a configuration or of scripts apart.
func Problems(err error) []Problem {
	problems := []Problem{}
	for _, e := range fault.All(err) {
		text := e.Detail()
		if e.Rule != "" {
			text = "rule " + e.Rule + ": " + text
		}
		problems = append(problems, Problem{
			Name: e.Name, File: e.Position.File, Line: e.Position.Line, Column: e.Position.Column, Text: text, Hint: e.Hint,
		})
	}
	return problems
}

// History returns the newest run records, the newest first.
func (d *Daemon) History(_ context.Context, limit int) ([]*run.Record, error) {
	return d.engine.History().Last(limit)
}

// Record returns the record of a run, nil if there is none.
func (d *Daemon) Record(_ context.Context, number uint64) (*run.Record, error) {
	return d.engine.History().Record(number)
}

// Connectors calls yield with connector-space objects; see
// [engine.Engine.EachConnector].
func (d *Daemon) Connectors(ctx context.Context, q engine.ConnectorQuery, yield func(engine.ConnectorView) error) error {
	return d.engine.EachConnector(ctx, q, yield)
}

// Objects calls yield with metaverse objects; see [engine.Engine.EachObject].
func (d *Daemon) Objects(ctx context.Context, q engine.ObjectQuery, yield func(engine.ObjectView) error) error {
	return d.engine.EachObject(ctx, q, yield)
}
