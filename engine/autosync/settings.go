package autosync

import (
	"slices"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A Mode says which runs may overlap. Runs of one agent and synchronizations
// never do.
type Mode string

// The modes.
const (
	Supported Mode = "supported" // a synchronization is alone
	Overlap   Mode = "overlap"   // imports and exports overlap with everything; the default
	Exclusive Mode = "exclusive" // one run in the whole system
)

// DefaultImportInterval is how often an agent without triggers is imported,
// unless its schedule says otherwise.
const DefaultImportInterval = 15 * time.Minute

// Settings are what the administrator decides about scheduling.
type Settings struct {
	Mode          Mode            // "" is [Overlap]
	Agents        []AgentSettings // in the order of the configuration
	NeverTogether [][]string      // of the agents of one list only one runs at a time
	Stagger       time.Duration   // the least time between two starts

	Exclusions []Exclusion   // when nothing starts by itself
	Retry      Retry         // of runs that stopped
	StuckAfter time.Duration // when a run is reported as stuck; 0 is [DefaultStuckAfter]
	Coalesce   time.Duration // how long pending imports wait for more of them before they are synchronized

	// ExportOff says that no agent has an operation for exports, because the
	// administrator wants to look at everything first. It is only shown.
	ExportOff bool

	// FullSyncOnRuleChange lets the scheduler start a full synchronization when
	// the rules of an agent changed. Otherwise one has to be requested.
	FullSyncOnRuleChange bool

	// HoldOnRuleChange keeps everything of an agent from being synchronized, but for
	// what somebody requests by hand, as long as the rules about its objects have
	// changed.
	HoldOnRuleChange bool
}

// AgentSettings are the settings of one agent.
type AgentSettings struct {
	Name     string
	Profiles []run.Profile // all that may be requested

	// Operations names the profile of each kind of step that the scheduler
	// starts by itself. A kind that is missing is never started without a
	// request: without imports the agent is neither awaited before the first
	// synchronization nor confirmed, without exports its changes are kept back.
	// See [DefaultOperations].
	Operations map[run.StepType]string

	Controller Controller // has a say in its runs

	Import    Schedule // when it is imported without anybody asking
	Triggered bool     // it has triggers, so an automatic schedule does nothing
}

// A Schedule is the import schedule of an agent. The zero Schedule is
// automatic: every [DefaultImportInterval] unless the agent has triggers.
type Schedule struct {
	Off   bool
	Every time.Duration
}

// interval returns the time between two imports, 0 for never.
func (a AgentSettings) interval() time.Duration {
	switch {
	case a.Import.Off:
		return 0
	case a.Import.Every > 0:
		return a.Import.Every
	case a.Triggered:
		return 0
	}
	return DefaultImportInterval
}

// DefaultOperations chooses the profile for each kind of step: the one that is
// named after it, or else the last one, of those that do just that and all of it
// (see [run.Profile.Operation]). Without a delta import the full import stands in
// for it.
func DefaultOperations(profiles []run.Profile) map[run.StepType]string {
	operations := map[run.StepType]string{}
	for i := range profiles {
		p := &profiles[i]
		if t := p.Operation(); t != "" && operations[t] != string(t) {
			operations[t] = p.Name
		}
	}
	if full, ok := operations[run.FullImport]; ok && operations[run.DeltaImport] == "" {
		operations[run.DeltaImport] = full
	}
	return operations
}

// initial returns the profile of the first import, "" if the agent is not
// imported automatically.
func (a AgentSettings) initial() string {
	if name := a.Operations[run.FullImport]; name != "" {
		return name
	}
	return a.Operations[run.DeltaImport]
}

func (a AgentSettings) profile(name string) (run.Profile, bool) {
	for _, p := range a.Profiles {
		if p.Name == name {
			return p, true
		}
	}
	return run.Profile{}, false
}

func (s Settings) agent(name string) (AgentSettings, bool) {
	for _, a := range s.Agents {
		if a.Name == name {
			return a, true
		}
	}
	return AgentSettings{}, false
}

// steps returns what the steps of a profile do, see [run.Profile.Parts]; nothing if
// there is no such profile.
func (s Settings) steps(k key) []run.StepType {
	a, _ := s.agent(k.agent)
	p, _ := a.profile(k.profile)
	return p.Parts()
}

// wholeSteps returns the same for a profile of which a run may stand for another
// one, nothing for one that does its work in part or with a file.
func (s Settings) wholeSteps(k key) []run.StepType {
	a, _ := s.agent(k.agent)
	if p, _ := a.profile(k.profile); p.IsWhole() {
		return p.Parts()
	}
	return nil
}

// check returns an error for an agent or a profile that does not exist.
func (s Settings) check(k key) error {
	agent, ok := s.agent(k.agent)
	if !ok {
		var names []string
		for _, a := range s.Agents {
			names = append(names, a.Name)
		}
		err := fault.New("unknown-agent", "there is no agent %q", k.agent)
		err.Hint = didYouMean(k.agent, names)
		return err
	}
	if _, ok := agent.profile(k.profile); !ok {
		var names []string
		for _, p := range agent.Profiles {
			names = append(names, p.Name)
		}
		err := fault.New("unknown-run-profile", "there is no run profile %q", k.profile)
		err.Agent, err.Hint = k.agent, didYouMean(k.profile, names)
		return err
	}
	return nil
}

// resolve finds the profile that a request means, and checks that it exists.
func (s Settings) resolve(r *Request) error {
	if r.Partition != "" {
		if a, ok := s.agent(r.Agent); ok {
			if err := a.resolve(r); err != nil {
				return err
			}
		}
	}
	return s.check(key{r.Agent, r.Profile})
}

// resolve finds the profile of a request for one partition: the one of that name
// if all its steps are about the partition, or else the last one whose only step is
// of the type so named and about it.
func (a AgentSettings) resolve(r *Request) error {
	name := ""
	for _, p := range a.Profiles {
		about := !slices.ContainsFunc(p.Steps, func(step run.Step) bool { return step.Partition != r.Partition })
		switch {
		case !about || len(p.Steps) == 0:
		case p.Name == r.Profile:
			return nil
		case len(p.Steps) == 1 && string(p.Steps[0].Type) == r.Profile:
			name = p.Name
		}
	}
	if name == "" {
		err := fault.New("unknown-run-profile", "no run profile does %s in partition %q", r.Profile, r.Partition)
		err.Agent = a.Name
		return err
	}
	r.Profile = name
	return nil
}

func didYouMean(text string, candidates []string) string {
	if near := fault.Suggest(text, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// validate returns an error if an operation could do something else than it
// stands for: the scheduler would wait for its own effects for ever.
func (s Settings) validate() error {
	switch s.Mode {
	case "", Supported, Overlap, Exclusive:
	default:
		return fault.New("bad-configuration", "unknown run mode %q", s.Mode)
	}
	for _, a := range s.Agents {
		for operation, name := range a.Operations {
			if name == "" {
				continue
			}
			if err := s.check(key{a.Name, name}); err != nil {
				return err
			}
			steps := s.steps(key{a.Name, name})
			for _, step := range steps {
				if kindOf(step) != kindOf(operation) {
					err := fault.New("bad-configuration", "run profile %q has a step %s and cannot serve as %s", name, step, operation)
					err.Agent = a.Name
					return err
				}
			}
			if len(steps) == 0 {
				err := fault.New("bad-configuration", "run profile %q has no steps", name)
				err.Agent = a.Name
				return err
			}
		}
	}
	return nil
}

// A kind groups the steps that stand for one another.
type kind int

const (
	importing kind = iota
	syncing
	exporting
)

func kindOf(t run.StepType) kind {
	switch t {
	case run.FullSync, run.DeltaSync, run.Resync:
		return syncing
	case run.Export:
		return exporting
	}
	return importing
}

func hasKind(steps []run.StepType, k kind) bool {
	return slices.ContainsFunc(steps, func(t run.StepType) bool { return kindOf(t) == k })
}

// covers reports whether a run of some steps does all that asked would do.
func covers(steps, asked []run.StepType) bool {
	if len(asked) != 1 {
		return false
	}
	full := map[run.StepType]run.StepType{run.DeltaImport: run.FullImport, run.DeltaSync: run.FullSync, run.Resync: run.FullSync}
	return slices.ContainsFunc(steps, func(t run.StepType) bool {
		return t == asked[0] || t == full[asked[0]]
	})
}
