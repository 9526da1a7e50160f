package config

import (
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/robfig/cron/v3"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
)

// A trigger asks for a run: at a time, after a time, or when files change.
type trigger struct {
	Name     word          `yaml:"name" doc:"Its name in messages and records; by default made of the agent and what it waits for."`
	Cron     word          `yaml:"cron" doc:"A time: five fields, or a descriptor such as @daily."`
	TimeZone word          `yaml:"timezone" doc:"The time zone of cron, such as Europe/Berlin; by default that of the machine."`
	Watch    word          `yaml:"watch" doc:"A file, or a pattern of files in a folder, that is watched for changes."`
	Settle   time.Duration `yaml:"settle" default:"2s" doc:"How long the watched files must be quiet."`
	Every    interval      `yaml:"every" doc:"A length of time."`
	Run      word          `yaml:"run,required" doc:"The run profile to ask for."`

	at       fault.Position
	location *time.Location
}

func (t *trigger) check(l *loader, n *node) {
	t.at = n.at
	l.exactlyOne(n, "cron", "watch", "every")
	l.needs(n, "timezone", "cron")
	l.needs(n, "settle", "watch")
	if t.Cron.text != "" && !validCron(t.Cron.text) {
		l.fail(t.Cron.at, "%q is not a cron time of five fields, or a descriptor such as @daily", t.Cron.written)
	}
	if t.TimeZone.text != "" {
		location, err := time.LoadLocation(t.TimeZone.text)
		if err != nil {
			l.fail(t.TimeZone.at, "unknown time zone %q", t.TimeZone.written)
		}
		t.location = location
	}
}

func (t *trigger) refine(s *jsonschema.Schema) {
	exactlyOneOf(s, "cron", "watch", "every")
	s.DependentRequired = map[string][]string{"timezone": {"cron"}, "settle": {"watch"}}
}

// spec returns the trigger as the scheduler has it.
func (t *trigger) spec(l *loader, agentName string) autosync.TriggerSpec {
	spec := autosync.TriggerSpec{
		Name: t.Name.text, Agent: agentName, Run: t.Run.text,
		Every: t.Every.length, Cron: t.Cron.text, TimeZone: t.location, Position: t.at,
	}
	what := "every " + t.Every.written
	switch {
	case t.Cron.text != "":
		what = "cron " + t.Cron.written
	case t.Watch.text != "":
		what = "watch " + t.Watch.written
		spec.Watch, spec.Settle = l.path(t.Watch.text), t.Settle
	}
	if spec.Name == "" {
		spec.Name = agentName + " " + what
	}
	return spec
}

// validCron reports whether a text is a cron time. A zone in front of the fields
// and @every are not: they have keys of their own.
func validCron(text string) bool {
	if strings.Contains(text, "TZ=") || strings.HasPrefix(text, "@every") {
		return false
	}
	_, err := cron.ParseStandard(text)
	return err == nil
}
