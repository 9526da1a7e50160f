package main

import (
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
)

type logCmd struct {
	Agent  string `help:"Only of this agent."`
	Kind   string `placeholder:"KIND" help:"Only of this kind, such as run.refused, pause, or run for all that begin so."`
	Acts   bool   `help:"Only what somebody did."`
	Limit  int    `short:"n" default:"50" placeholder:"N" help:"How many lines; 0 is all."`
	Follow bool   `short:"f" help:"Go on with what happens from now on."`
}

func (*logCmd) Help() string {
	return "The log tells what people did, and what the scheduler did besides runs that ended: these are in the history. The newest line is the last one; in JSON it is the first."
}

// followEvery is the interval at which a log that is followed is read.
const followEvery = time.Second

func (c *logCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		q := daemon.LogQuery{Limit: c.Limit, Agent: c.Agent, Kind: c.Kind, Acts: c.Acts}
		notes, err := service.Log(a.ctx, q)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(notes)
		}
		for {
			slices.Reverse(notes)
			if err := a.printLog(notes); err != nil || !c.Follow {
				return err
			}
			if len(notes) > 0 {
				q.After = notes[len(notes)-1].Number
			}
			select {
			case <-a.ctx.Done():
				return nil
			case <-time.After(followEvery):
			}
			q.Limit = 0
			if notes, err = service.Log(a.ctx, q); err != nil {
				return err
			}
		}
	})
}

func (a *app) printLog(notes []daemon.Note) error {
	t := newTable(a.stdout)
	for _, n := range notes {
		var about []string
		for _, part := range []string{n.Profile, n.Result, oneLine(n.Text)} {
			if part != "" {
				about = append(about, part)
			}
		}
		if !n.Until.IsZero() {
			about = append(about, "until "+stamp(n.Until))
		}
		who := n.User
		if who == "" {
			who = "-"
		}
		agent := n.Agent
		if agent == "" {
			agent = "-"
		}
		t.row(stamp(n.At), n.Kind, agent, who, strings.Join(about, ": "))
	}
	return t.end()
}
