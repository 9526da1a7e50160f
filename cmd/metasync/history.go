package main

import (
	"errors"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

type historyCmd struct {
	Run_    uint64 `arg:"" optional:"" name:"run" help:"The number of one run to show."`
	Counter string `placeholder:"COUNTER" help:"Show the objects behind this counter of the run, such as stage-update."`
	Step    int    `placeholder:"N" help:"Only those of this step of the run."`
	Agent   string `placeholder:"AGENT" help:"Only those of this agent, to which changes flowed: of a counter of what flows out."`
	limit
}

func (c *historyCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		switch {
		case c.Counter == "" && (c.Step != 0 || c.Agent != ""):
			return errors.New("--step and --agent go with --counter")
		case c.Counter != "" && c.Run_ == 0:
			return errors.New("--counter needs the number of a run")
		case c.Counter != "":
			views, err := service.Details(a.ctx, engine.DetailQuery{
				Run: c.Run_, Step: c.Step, Counter: c.Counter, Agent: c.Agent, Limit: c.most(a),
			})
			if err != nil {
				return err
			}
			return list(a, c.limit, views, a.printDetail)
		}
		if c.Run_ != 0 {
			return a.showRun(service.Record(a.ctx, c.Run_))
		}
		records, err := service.History(a.ctx, c.most(a))
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(records)
		}
		t := newTable(a.stdout)
		t.row("RUN", "STARTED", "TOOK", "AGENT", "PROFILE", "RESULT", "CAUSE")
		for _, r := range records {
			t.row(r.Run, stamp(r.Started), took(r.Started, r.Ended), runAgent(r), r.Profile, r.Result, causeText(r.Cause))
		}
		if err := t.end(); err != nil {
			return err
		}
		c.mention(a, len(records))
		return nil
	})
}

func (a *app) showRun(record *run.Record, err error) error {
	switch {
	case err != nil:
		return err
	case record == nil:
		return fault.New("unknown-run", "there is no such run in the history")
	case a.JSON:
		return a.printJSON(record)
	}
	return a.printRecord(record)
}
