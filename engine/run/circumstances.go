package run

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/space"
)

// A StepWarning is something about a step as a whole that an administrator should
// know, and that stands against nothing. It does not change the result.
type StepWarning struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// The step warnings: a delta step after a change that only a full one brings to
// all objects (sync-engine §2.3).
const (
	fullImportRequired = "full-import-required"
	fullSyncRequired   = "full-sync-required"
)

// changed tells of a change after which a full step should have run: by a warning
// in the report or, if the agent is strict, by an error.
func (s *step) changed(warning StepWarning) error {
	if s.agent.Strict {
		err := fault.New(string(NoStartFullImport), "%s", warning.Detail)
		err.Hint = warning.Hint
		return err
	}
	s.report.Warnings = append(s.report.Warnings, warning)
	return nil
}

// Reconfigured reports whether an import of the agent that came to its end was
// one by another configuration than the present. "" is the configuration that
// nobody knows.
func (a *Agent) Reconfigured(state space.PartitionState) bool {
	return state.Imported && a.Configuration != "" && state.Configuration != "" && a.Configuration != state.Configuration
}

// checkImport finds out whether a delta import may build on what was imported
// before.
func (s *step) checkImport(state space.PartitionState) error {
	if !s.agent.Reconfigured(state) {
		return nil
	}
	return s.changed(StepWarning{
		fullImportRequired,
		fmt.Sprintf("the configuration of %s has changed since its last full import: objects that do not change are still as they were read then", s.place()),
		"run a full import",
	})
}

// checkRules finds out whether a delta synchronization leaves objects behind about
// which other rules decided.
func (s *step) checkRules() error {
	var outdated []Outdated
	err := s.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(s.agent.Name)
		if err != nil || state.Rules == "" || state.Rules == s.env.Rules.Fingerprint {
			return err
		}
		outdated, err = FindOutdated(tx, s.env.Rules, s.agent.Name)
		return err
	})
	if err != nil || len(outdated) == 0 {
		return err
	}
	var parts []string
	for _, o := range outdated {
		part := fmt.Sprintf("%q", o.Type)
		if o.Outbound {
			part += " outbound"
		}
		if o.Objects > 0 {
			part += fmt.Sprintf(" (%d)", o.Objects)
		}
		parts = append(parts, part)
	}
	return s.changed(StepWarning{
		fullSyncRequired,
		"the rules have changed since objects of these types were last synchronized fully: " + strings.Join(parts, ", "),
		"run a resync or a full synchronization",
	})
}
