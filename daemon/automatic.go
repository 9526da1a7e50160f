package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/run"
)

// What the configuration leaves open is chosen here: which profile stands for which
// step, who is a source, when it is imported (autosync §2).

// The roles of an agent.
const (
	RoleSource = "source" // as many attributes flow in from it as out to it, or more
	RoleTarget = "target" // more attributes flow out to it
)

// An AgentPlan is what was chosen for an agent, and why. Its JSON form is the public
// one.
type AgentPlan struct {
	Agent      string            `json:"agent"`
	Role       string            `json:"role"`
	Inbound    int               `json:"inboundFlows"`
	Outbound   int               `json:"outboundFlows"`
	Operations map[string]string `json:"operations"` // kind of step -> run profile; none for a kind that never runs by itself
	Import     ImportPlan        `json:"import"`
	Triggers   []TriggerPlan     `json:"triggers"`
}

// An ImportPlan says when an agent is imported without being asked.
type ImportPlan struct {
	Every     string `json:"every,omitempty"`     // "" is never
	Suggested string `json:"suggested,omitempty"` // what the history calls for
	Why       string `json:"why"`
}

// A TriggerPlan is a trigger of an agent.
type TriggerPlan struct {
	Name      string `json:"name"`
	Automatic bool   `json:"automatic"` // nobody declared it
	Text      string `json:"text"`

	Choice *Choice `json:"choice,omitempty"` // of an automatic one
}

// Plan tells what was chosen for each agent, in the order of the configuration.
func (d *Daemon) Plan(context.Context) ([]AgentPlan, error) {
	c := d.current()
	plans := make([]AgentPlan, 0, len(c.config.Agents))
	for _, a := range c.config.Agents {
		p := AgentPlan{Agent: a.Name, Operations: map[string]string{}, Triggers: []TriggerPlan{}}
		p.Inbound, p.Outbound = c.flows(a.Name)
		p.Role = role(p.Inbound, p.Outbound)
		for _, s := range c.settings.Agents {
			if s.Name == a.Name {
				for step, profile := range s.Operations {
					p.Operations[string(step)] = profile
				}
			}
		}
		for _, t := range c.triggers {
			if t.Agent == a.Name {
				choice := c.chosen(t.Agent, t.Name, d.listening)
				p.Triggers = append(p.Triggers, TriggerPlan{t.Name, choice != nil, choice.text(t), choice})
			}
		}
		suggested, why, err := d.suggest(a.Name)
		if err != nil {
			return nil, err
		}
		p.Import = importPlan(a, p.Role, c.triggered(a.Name), suggested, why)
		plans = append(plans, p)
	}
	return plans, nil
}

func importPlan(a config.Agent, role string, triggered bool, suggested time.Duration, why string) ImportPlan {
	p := ImportPlan{Suggested: suggested.String()}
	switch {
	case a.Import.Off:
		p.Why = "import: off"
	case a.Import.Every > 0:
		p.Every, p.Why = a.Import.Every.String(), "import: "+a.Import.Every.String()
	case triggered:
		p.Why = "its triggers say when"
	case role == RoleTarget:
		p.Why = "it is a target: exports are confirmed, and nothing else is expected to change"
	default:
		p.Every, p.Why = suggested.String(), why
	}
	return p
}

// text says when a trigger fires; there may be no choice.
func (c *Choice) text(t autosync.TriggerSpec) string {
	if c != nil && c.By == ByPolling {
		return "every " + c.Every
	}
	return triggerText(t)
}

// triggerText says when a trigger fires.
func triggerText(t autosync.TriggerSpec) string {
	switch {
	case t.Disabled:
		return "never: disabled"
	case t.Watch != "":
		return "when " + filepath.Base(t.Watch) + " changes"
	case t.Cron != "":
		return "cron " + t.Cron
	case t.Every > 0:
		return "every " + t.Every.String()
	case t.Schedule != nil && t.Schedule.Every > 0:
		return fmt.Sprintf("every %s since %s", t.Schedule.Every, t.Schedule.Start.Format(time.DateTime))
	case t.Schedule != nil:
		return "at " + t.Schedule.Start.Format(time.DateTime)
	case t.Webhook != nil:
		return "webhook " + t.Webhook.Name
	case t.Changes:
		return "when the system tells of changes"
	case t.SQL != nil:
		return "when database " + t.SQL.Connection + " changes"
	case t.After != nil:
		return strings.TrimSpace("after " + t.After.Agent + " " + t.After.Run)
	}
	return "on request"
}

// flows counts the attribute flows of an agent's rules.
func (c *candidate) flows(agent string) (in, out int) {
	for _, r := range c.config.Model.Rules {
		if r.Agent != agent || r.Disabled {
			continue
		}
		if r.Inbound != nil {
			in += len(r.Inbound.Flows)
		}
		if r.Outbound != nil {
			out += len(r.Outbound.Flows)
		}
	}
	return in, out
}

func role(in, out int) string {
	if in >= out {
		return RoleSource
	}
	return RoleTarget
}

// automaticTriggers are those of sources that nobody gave one: a source that is a
// file is watched, one that may tell of changes is listened to.
func (c *candidate) automaticTriggers() []autosync.TriggerSpec {
	var list []autosync.TriggerSpec
	for _, a := range c.config.Agents {
		declared := slices.ContainsFunc(c.triggers, func(t autosync.TriggerSpec) bool { return t.Agent == a.Name })
		profile := autosync.DefaultOperations(a.Profiles)[run.DeltaImport]
		in, out := c.flows(a.Name)
		if declared || profile == "" || a.Import != (config.Import{}) || role(in, out) != RoleSource {
			continue
		}
		spec := autosync.TriggerSpec{Agent: a.Name, Run: []autosync.Request{{Profile: profile}}, Position: a.Position}
		files, ok := a.Settings.(agent.Files)
		if !ok {
			if c.watcher(a.Name) != nil {
				spec.Name, spec.Changes, spec.MinInterval = a.Name+" changes", true, automaticPause
				list = append(list, spec)
			}
			continue
		}
		watched := files.Files()
		for _, file := range watched {
			spec.Name = a.Name + " file"
			if len(watched) > 1 {
				spec.Name += " " + file // triggers have names of their own
			}
			spec.Watch, spec.Settle = file, automaticSettle
			list = append(list, spec)
		}
	}
	return list
}

// chosen says how an automatic trigger finds changes, nil of one that was declared.
func (c *candidate) chosen(agent, trigger string, l *listening) *Choice {
	at := slices.IndexFunc(c.triggers, func(t autosync.TriggerSpec) bool { return t.Agent == agent && t.Name == trigger })
	if at < 0 || !slices.Contains(c.automatic, trigger) {
		return nil
	}
	choice := Choice{By: ByFiles, Why: "it is a source, and a file"}
	if c.triggers[at].Changes {
		choice = l.choice(agent)
	}
	return &choice
}

// automaticSettle is how long a source must be quiet before it is imported.
const automaticSettle = 2 * time.Second

// How the interval between two imports is chosen (autosync §2.3, in the right units).
const (
	suggestRuns   = 200 // of the history that are looked at
	suggestEnough = 50  // imports of the agent
	shortest      = time.Minute
	longest       = time.Hour
	busy          = 10 // an import may take a tenth of the interval
)

// suggest returns the interval that an agent's imports call for, by how long they
// take and how often they find something.
func (d *Daemon) suggest(agent string) (every time.Duration, why string, err error) {
	records, err := d.engine.History().Last(suggestRuns)
	if err != nil {
		return 0, "", err
	}
	every, why = interval(agent, records)
	return every, why, nil
}

// interval chooses the interval of an agent by its run records, the newest first.
func interval(agent string, records []*run.Record) (every time.Duration, why string) {
	var count [2]int // delta imports and full imports
	var took [2]time.Duration
	var found [2]int
	for _, r := range records {
		if r.Agent != agent || count[0] >= suggestEnough {
			continue
		}
		for _, s := range r.Steps {
			kind := 0
			switch s.Type.Import() {
			case run.FullImport:
				kind = 1
			case run.DeltaImport:
			default:
				continue
			}
			if s.Ended.IsZero() || s.Result.Severity() > run.CompletedExportErrors.Severity() {
				continue
			}
			count[kind]++
			took[kind] += s.Ended.Sub(s.Started)
			if s.Changed() {
				found[kind]++
			}
		}
	}
	kind := 0
	if count[0] == 0 {
		kind = 1
	}
	n := count[kind]
	if n == 0 {
		return autosync.DefaultImportInterval, "the default: it was not imported yet"
	}
	average := took[kind] / time.Duration(n)
	every = autosync.DefaultImportInterval * time.Duration(3*n-2*found[kind]) / time.Duration(2*n)
	every = min(longest, max(shortest, every, busy*average)).Round(time.Minute)
	return every, fmt.Sprintf("%d of the last %d imports found changes, and one takes %s on average",
		found[kind], n, max(average, time.Millisecond).Round(time.Millisecond))
}

// choose completes the import schedules that the configuration leaves open.
func (d *Daemon) choose(c *candidate, s *autosync.Settings) {
	for i := range s.Agents {
		a := &s.Agents[i]
		if a.Import.Off || a.Import.Every > 0 || a.Triggered {
			continue
		}
		if role(c.flows(a.Name)) == RoleTarget {
			a.Triggered = true // by exports alone
			continue
		}
		every, _, err := d.suggest(a.Name)
		if err != nil {
			d.options.Log.Warn("the import interval cannot be chosen from the run history", "agent", a.Name, "err", err)
			every = autosync.DefaultImportInterval
		}
		a.Import.Every = every
	}
}
