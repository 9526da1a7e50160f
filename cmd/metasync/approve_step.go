package main

import (
	"fmt"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/hold"
)

// approveStep approves what thresholds hold of an agent.
func (a *app) approveStep(agent, step string, raise bool, reason string) error {
	return a.decideStep(daemon.Decision{Do: daemon.DecideApprove, Agent: agent, Step: hold.Step(step), Raise: raise, Reason: reason}, "approved")
}

// rejectStep rejects what thresholds hold of an agent.
func (a *app) rejectStep(agent, step, reason string) error {
	return a.decideStep(daemon.Decision{Do: daemon.DecideReject, Agent: agent, Step: hold.Step(step), Reason: reason}, "rejected")
}

// rejectLimits takes back the limits of an agent that were raised.
func (a *app) rejectLimits(agent, reason string) error {
	return a.decideStep(daemon.Decision{Do: daemon.DecideLimits, Agent: agent, Reason: reason}, "taken back")
}

// decideStep has a decision carried out and says what it was about.
func (a *app) decideStep(by daemon.Decision, done string) error {
	by.User = userName()
	return a.serve(func(service console.Service) error {
		about, err := service.Decide(a.ctx, by)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(daemon.Holds{Holds: append([]hold.Hold{}, about.Holds...), Raised: append([]hold.Raised{}, about.Raised...)})
		}
		for _, h := range about.Holds {
			fmt.Fprintf(a.stdout, "%s %s: %s: %s\n", h.Agent, h.Step, done, hold.Text(h.Reasons))
		}
		for _, r := range about.Raised {
			fmt.Fprintf(a.stdout, "%s: %s: %s\n", r.Agent, done, r)
		}
		if len(about.Holds)+len(about.Raised) == 0 {
			fmt.Fprintln(a.stdout, "no limit was raised")
		}
		return nil
	})
}
