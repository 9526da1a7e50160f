package engine

import (
	"cmp"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A TouchingRun is a step of a run that counted an object: with what it did to it.
type TouchingRun struct {
	Run      uint64       `json:"run"`
	Started  time.Time    `json:"started"` // the step
	Agent    string       `json:"agent"`   // of the step: a synchronization of another agent may reach the object
	Step     run.StepType `json:"step"`
	Counters []string     `json:"counters"`
}

// touchingRuns is how many runs that touched an object are told.
const touchingRuns = 5

// touchedBy finds the newest runs that changed an object, or failed to. Counters of
// those with which nothing happened lead to no objects worth telling.
func (x *explaining) touchedBy(c *space.Connector) error {
	x.touching[c.ID] = []TouchingRun{}
	records, err := x.e.history.Last(searchedRuns)
	if err != nil {
		return err
	}
	agent, looked := x.agentOf(c.ID), 0
	for _, record := range records {
		for i := len(record.Steps) - 1; i >= 0; i-- {
			step := record.Steps[i]
			touching := TouchingRun{record.Run, step.Started, cmp.Or(step.Agent, record.Agent), step.Type, nil}
			for _, group := range []run.CounterGroup{run.StagingCounters, run.InboundCounters, run.OutboundCounters, run.ExportCounters} {
				if group != run.OutboundCounters && touching.Agent != agent {
					continue
				}
				for _, counter := range run.DetailedCounters(group) {
					if counted(step, group, agent, counter) == 0 || counter == string(sync.ConnectorNoFlow) || looked >= searchedObjects {
						continue
					}
					found := false
					err := x.e.history.Details(record.Run, i+1, group, agent, counter, func(d run.Detail) bool {
						looked++
						found = d.ID == c.ID
						return !found && looked < searchedObjects
					})
					if err != nil {
						return err
					}
					if found {
						touching.Counters = append(touching.Counters, counter)
					}
				}
			}
			if touching.Counters == nil {
				continue
			}
			x.touching[c.ID] = append(x.touching[c.ID], touching)
			if len(x.touching[c.ID]) == touchingRuns {
				return nil
			}
		}
	}
	return nil
}

// counted returns how many objects of an agent a step counted.
func counted(step *run.Report, group run.CounterGroup, agent, counter string) int {
	switch group {
	case run.StagingCounters:
		return step.Staging[counter]
	case run.InboundCounters:
		return step.Inbound[sync.Counter(counter)]
	case run.OutboundCounters:
		return step.Outbound[agent][sync.Counter(counter)]
	}
	return step.Exports[counter]
}
