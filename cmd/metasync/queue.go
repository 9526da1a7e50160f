package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
)

type queueCmd struct {
	List queueListCmd `cmd:"" default:"1" help:"Show what runs, what waits and what it waits for (default)."`
	Add  queueAddCmd  `cmd:"" help:"Ask for a run and do not wait for it."`
	Drop queueDropCmd `cmd:"" help:"Take a request out of the queue."`
}

// serve calls fn with the daemon that is running, or with one of its own.
func (a *app) serve(fn func(console.Service) error) (err error) {
	service, closer, err := a.service()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	return fn(service)
}

// order has the scheduler do something and says that it was done.
func (a *app) order(o daemon.Order, done string) error {
	o.User = userName()
	return a.serve(func(s console.Service) error {
		if err := s.Order(a.ctx, o); err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(o)
		}
		fmt.Fprintln(a.stdout, done)
		return nil
	})
}

type queueListCmd struct{}

// A queueView is what `queue --json` prints.
type queueView struct {
	Running  []autosync.Running `json:"running"`
	Waiting  []autosync.Waiting `json:"waiting"`
	Backoff  []autosync.Backoff `json:"backoff"`
	Controls []autosync.Control `json:"controls"`
}

func (c *queueListCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		status, err := service.Status(a.ctx)
		if err != nil {
			return err
		}
		s := status.Scheduler
		if a.JSON {
			return a.printJSON(queueView{s.Running, s.Queue, s.Backoff, s.Controls})
		}
		if len(s.Running)+len(s.Queue)+len(s.Backoff)+len(s.Controls) == 0 {
			fmt.Fprintln(a.stdout, "nothing runs and nothing waits")
			return nil
		}
		return printScheduler(a.stdout, status)
	})
}

type queueAddCmd struct {
	Agent     string `arg:"" help:"The agent."`
	Profile   string `arg:"" help:"The run profile; with --partition, also a kind of step."`
	Partition string `placeholder:"P" help:"The partition that the profile must be about."`
	Exclusive bool   `help:"Let nothing else run meanwhile."`
	Immediate bool   `help:"Let it go before everything that waits."`
}

func (*queueAddCmd) Help() string {
	return "The request is kept until its run has ended, also if the daemon restarts. Without a daemon it waits for the next one, or for `once`."
}

func (c *queueAddCmd) Run(a *app) error {
	return a.order(daemon.Order{
		Do: daemon.OrderRequest, Agent: c.Agent, Profile: c.Profile, Partition: c.Partition, Exclusive: c.Exclusive, Immediate: c.Immediate,
	}, fmt.Sprintf("%s %s is in the queue", c.Agent, c.Profile))
}

type queueDropCmd struct {
	Agent   string `arg:"" help:"The agent."`
	Profile string `arg:"" help:"The run profile."`
}

func (c *queueDropCmd) Run(a *app) error {
	return a.order(daemon.Order{Do: daemon.OrderDrop, Agent: c.Agent, Profile: c.Profile}, fmt.Sprintf("%s %s is out of the queue", c.Agent, c.Profile))
}

type pauseCmd struct {
	Agent  string `arg:"" optional:"" help:"The agent; all of them if absent."`
	Reason string `placeholder:"TEXT" help:"Why; it is shown wherever something waits."`
	For    span   `placeholder:"2h" help:"How long; until resume if absent."`
	Drain  bool   `help:"Synchronize, export and confirm what is pending, and import nothing new."`
	Cancel bool   `help:"Stop what is running, too."`
}

func (*pauseCmd) Help() string {
	return "A run that is going on comes to its end. What is asked for meanwhile waits. The pause survives a restart of the daemon."
}

func (c *pauseCmd) Run(a *app) error {
	o := daemon.Order{Do: daemon.OrderPause, Agent: c.Agent, Reason: c.Reason, For: time.Duration(c.For)}
	if c.Drain {
		if c.Cancel {
			a.printError(fault.New("", "--drain and --cancel contradict each other"))
			return exitUsage
		}
		o.Do = daemon.OrderDrain
	}
	if err := a.order(o, whom(c.Agent)+" "+map[bool]string{true: "drained", false: "paused"}[c.Drain]); err != nil || !c.Cancel {
		return err
	}
	err := a.order(daemon.Order{Do: daemon.OrderCancel, Agent: c.Agent}, "what is running ends")
	if fault.Name(err) == "nothing-to-cancel" {
		return nil
	}
	return err
}

func whom(agent string) string {
	if agent == "" {
		return "everything is"
	}
	return agent + " is"
}

type resumeCmd struct {
	Agent string `arg:"" optional:"" help:"The agent; what keeps back all of them if absent."`
}

func (c *resumeCmd) Run(a *app) error {
	done := "runs go on"
	if c.Agent != "" {
		done = c.Agent + " goes on"
	}
	return a.order(daemon.Order{Do: daemon.OrderResume, Agent: c.Agent}, done)
}

type cancelCmd struct {
	Agent string `arg:"" optional:"" help:"The agent; all of them if absent."`
}

func (*cancelCmd) Help() string {
	return "The run ends as soon as it can, and what it has done stays. A request that it was carrying out is dropped; pending work is taken up again after a while, unless the agent is paused."
}

func (c *cancelCmd) Run(a *app) error {
	return a.order(daemon.Order{Do: daemon.OrderCancel, Agent: c.Agent}, "the run ends as soon as it can")
}
