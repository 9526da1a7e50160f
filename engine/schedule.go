package engine

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/run"
)

// Scheduling returns the settings of a scheduler that drives all agents of the
// definition by itself, with the defaults of package autosync. It starts the
// steps that an agent can carry out and has a profile for: one that does not
// implement [agent.Exporter] is never exported to, one without [agent.Importer]
// never imported. Change the result as you like.
func (d Definition) Scheduling() autosync.Settings {
	s := autosync.Settings{FullSyncOnRuleChange: true}
	for _, a := range d.Agents {
		profiles := a.profiles()
		operations := autosync.DefaultOperations(profiles)
		if _, reads := a.Agent.(agent.Importer); !reads {
			delete(operations, run.FullImport)
			delete(operations, run.DeltaImport)
		}
		if _, writes := a.Agent.(agent.Exporter); !writes {
			delete(operations, run.Export)
		}
		s.Agents = append(s.Agents, autosync.AgentSettings{Name: a.Name, Profiles: profiles, Operations: operations})
	}
	return s
}

func (a *Agent) profiles() []run.Profile {
	if a.Profiles == nil {
		return run.DefaultProfiles()
	}
	return a.Profiles
}

var _ autosync.Engine = (*Engine)(nil)

// Execute implements [autosync.Engine]: it is [Engine.Run] as a scheduler sees it.
func (e *Engine) Execute(ctx context.Context, agentName, profile string, cause Cause) (autosync.Outcome, error) {
	record, err := e.Run(ctx, agentName, profile, cause, nil)
	if err != nil {
		return autosync.Outcome{}, err
	}
	return autosync.OutcomeOf(record), nil
}
