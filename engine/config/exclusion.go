package config

import (
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/autosync/calendar"
)

// An Exclusion is a time in which agents start nothing by themselves.
type Exclusion struct {
	Window   calendar.Window
	TimeZone *time.Location // nil is that of the machine
	Agents   []string       // none is all of them
}

// exclusion is its textual form.
type exclusion struct {
	Cron     word     `yaml:"cron,required" doc:"When it begins: five fields, or a descriptor such as @daily."`
	For      interval `yaml:"for,required" doc:"How long it takes."`
	TimeZone word     `yaml:"timezone" doc:"The time zone of cron, such as Europe/Berlin; by default that of the machine."`
	Agents   []word   `yaml:"agents" doc:"The agents; all of them if absent."`
}

func (e *Exclusion) decode(l *loader, n *node) {
	var form exclusion
	l.fill(n, &form)
	l.checkCron(form.Cron)
	l.unique(form.Agents)
	*e = Exclusion{Window: calendar.Window{Cron: form.Cron.text, For: form.For.length}, Agents: words(form.Agents)}
	if form.TimeZone.text == "" {
		return
	}
	zone, err := time.LoadLocation(form.TimeZone.text)
	if err != nil {
		l.fail(form.TimeZone.at, "unknown time zone %q", form.TimeZone.written)
	}
	e.TimeZone = zone
}

func (e *Exclusion) schema(g *generator) *jsonschema.Schema { return g.object(&exclusion{}) }
