package config

import (
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/fault"
)

// A trigger asks for runs: at a time, after a time, or when something happens.
type trigger struct {
	Name word `yaml:"name" doc:"Its name in messages and records; by default made of the agent and what it waits for."`

	Cron     word          `yaml:"cron" doc:"A time: five fields, or a descriptor such as @daily."`
	Every    interval      `yaml:"every" doc:"A length of time."`
	Schedule *period       `yaml:"schedule" doc:"A start, and from then on a period."`
	Watch    word          `yaml:"watch" doc:"A file, or a pattern of files in a folder, that is watched for changes."`
	Settle   time.Duration `yaml:"settle" default:"2s" doc:"How long the watched files must be quiet."`
	Webhook  word          `yaml:"webhook" doc:"The name of a webhook: whoever sends POST to /hooks/NAME of console.listen, with the token, makes the trigger due."`
	Token    secret        `yaml:"token" doc:"What a caller of the webhook has to know, 16 characters at least: ${env:NAME} or ${file:PATH}."`
	Rate     int           `yaml:"perMinute" default:"60" doc:"How many calls of the webhook are taken in a minute."`
	After    *after        `yaml:"after" doc:"An agent whose runs make the trigger due when they have ended: its name, or a mapping."`
	SQL      *sqlWatch     `yaml:"sql" doc:"A database in which something changes."`
	Changes  bool          `yaml:"changes" default:"false" doc:"true: changes that the system of the agent tells by itself, as directories do."`
	TimeZone word          `yaml:"timezone" doc:"The time zone of cron, schedule and the windows, such as Europe/Berlin; by default that of the machine."`

	Run       requests `yaml:"run,required" doc:"What to ask for: a run profile, a mapping, or a list of these."`
	Partition word     `yaml:"partition" doc:"The part of the system that the runs are for; without it all of it."`
	Exclusive bool     `yaml:"exclusive" default:"false" doc:"Whether nothing else may run meanwhile."`
	Immediate bool     `yaml:"immediate" default:"false" doc:"Whether the runs go before those that wait already."`

	MinInterval time.Duration `yaml:"minInterval" default:"0s" doc:"Least time between two times that the trigger acts. What happens earlier waits for its end, and is one."`
	Jitter      time.Duration `yaml:"jitter" default:"0s" doc:"Up to which time the trigger is put off, so that not everything begins at once."`
	Missed      string        `yaml:"missed" oneof:"run skip" default:"run" doc:"What becomes of what was due while metasync did not run. run: it is made up for, once; skip: it is passed over."`
	During      []window      `yaml:"during" doc:"Windows in which alone the trigger may act."`
	Exclusions  []window      `yaml:"exclusions" doc:"Windows in which the trigger may not act."`
	Outside     string        `yaml:"outside" oneof:"hold drop" default:"hold" doc:"What becomes of what happens outside of these times. hold: it waits for them; drop: it is passed over."`
	OnError     string        `yaml:"onError" oneof:"resume terminate" default:"resume" doc:"After a failure. resume: the trigger tries again after a pause that grows; terminate: it ends, until it is changed."`
	Disabled    bool          `yaml:"disabled" default:"false" doc:"Whether the trigger does nothing."`

	at       fault.Position
	location *time.Location
	start    time.Time
}

// triggerKinds are the keys of which a trigger has exactly one.
var triggerKinds = []string{"cron", "every", "schedule", "watch", "webhook", "after", "sql", "changes"}

// zoned are the keys for which a time zone has a meaning.
var zoned = []string{"cron", "schedule", "during", "exclusions"}

func (t *trigger) check(l *loader, n *node) {
	t.at = n.at
	l.exactlyOne(n, triggerKinds...)
	l.needs(n, "settle", "watch")
	l.needs(n, "token", "webhook")
	l.needs(n, "perMinute", "webhook")
	if zone := n.get("timezone"); zone != nil && len(n.given(zoned...)) == 0 {
		l.fail(zone.at, "timezone has no meaning without cron, schedule, during or exclusions")
	}
	if outside := n.get("outside"); outside != nil && len(n.given("during", "exclusions")) == 0 {
		l.fail(outside.at, "outside has no meaning without during or exclusions")
	}
	if n.get("webhook") != nil && n.get("token") == nil {
		l.fail(t.Webhook.at, "a webhook needs a token").Hint = "write token: ${env:NAME} or ${file:PATH}"
	}
	if given := n.get("perMinute"); given != nil && given.kind == numberNode && t.Rate < 1 {
		l.fail(given.at, "perMinute must be 1 at least")
	}
	if given := n.get("changes"); given != nil && !t.Changes {
		l.fail(given.at, "changes can only be true")
	}
	l.checkCron(t.Cron)
	if t.TimeZone.text != "" {
		location, err := time.LoadLocation(t.TimeZone.text)
		if err != nil {
			l.fail(t.TimeZone.at, "unknown time zone %q", t.TimeZone.written)
		}
		t.location = location
	}
	if t.Schedule != nil && t.Schedule.Start.text != "" {
		var err error
		if t.start, err = calendar.ParseStart(t.Schedule.Start.text, t.location); err != nil {
			e := l.fail(t.Schedule.Start.at, "%q is not a date with a time", t.Schedule.Start.written)
			e.Hint = fault.As(err, "").Hint
		}
	}
}

func (t *trigger) refine(s *jsonschema.Schema) {
	exactlyOneOf(s, triggerKinds...)
	s.DependentRequired = map[string][]string{
		"settle": {"watch"}, "token": {"webhook"}, "webhook": {"token"}, "perMinute": {"webhook"},
	}
	s.DependentSchemas = map[string]*jsonschema.Schema{
		"timezone": anyKeyOf(zoned...), "outside": anyKeyOf("during", "exclusions"),
	}
	s.Properties["perMinute"].Minimum = ptr(1.0)
}

// anyKeyOf describes a mapping that has one of some keys.
func anyKeyOf(keys ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	for _, key := range keys {
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{key}})
	}
	return s
}

// A sqlWatch is what is watched in a database.
type sqlWatch struct {
	Connection word     `yaml:"connection,required" doc:"The database, one of scripting.sql."`
	Query      word     `yaml:"query" doc:"A query whose answer is another one when something has changed, such as a greatest version."`
	Listen     word     `yaml:"listen" doc:"A channel on which PostgreSQL notifies of changes; with a query, it is asked then."`
	Every      interval `yaml:"every" doc:"How often the query is asked; 30s by default, with listen 10m."`
}

func (w *sqlWatch) check(l *loader, n *node) {
	if n.get("query") == nil && n.get("listen") == nil {
		l.fail(n.at, "sql needs a query, or a channel to listen on")
	}
	l.needs(n, "every", "query")
}

func (w *sqlWatch) refine(s *jsonschema.Schema) {
	s.AnyOf = []*jsonschema.Schema{{Required: []string{"query"}}, {Required: []string{"listen"}}}
	s.DependentRequired = map[string][]string{"every": {"query"}}
}

// checkCron notes what is wrong with a cron time.
func (l *loader) checkCron(w word) {
	if w.text == "" {
		return
	}
	if _, err := calendar.ParseCron(w.text, nil); err != nil {
		e := l.fail(w.at, "%q is not a cron time of five fields, or a descriptor such as @daily", w.written)
		e.Hint = fault.As(err, "").Hint
	}
}

// A period is when a schedule is due.
type period struct {
	Start word     `yaml:"start,required" doc:"The first time, such as 2026-01-31T02:00, in the time zone of the trigger."`
	Every interval `yaml:"every" doc:"The time from one to the next; without it there is only one. Whole days keep the time that the clock shows."`
}

// An after says after which runs a trigger is due: those of an agent, or a mapping.
type after struct{ afterKeys }

type afterKeys struct {
	Agent  word   `yaml:"agent,required" doc:"The agent."`
	Run    word   `yaml:"run" doc:"The run profile; without it every one."`
	Result string `yaml:"result" oneof:"success completed failed any" default:"success" doc:"How the run ended. success: without errors; completed: at its end, if with errors on some objects; failed: stopped or held before it; any."`
}

func (a *after) decode(l *loader, n *node) {
	if n.kind == textNode {
		a.Agent.decode(l, n)
		a.Result = autosync.AfterResults[0]
		return
	}
	if l.want(n, mappingNode) {
		l.fill(n, &a.afterKeys)
	}
}

func (a *after) schema(g *generator) *jsonschema.Schema {
	return g.shortOrMapping(textSchema(), &afterKeys{})
}

// A window opens at times, each time for a while.
type window struct {
	Cron word     `yaml:"cron,required" doc:"When it opens: five fields, or a descriptor such as @daily."`
	For  interval `yaml:"for,required" doc:"How long it is open."`
}

func (w *window) check(l *loader, _ *node) {
	l.checkCron(w.Cron)
}

func (w *window) refine(*jsonschema.Schema) {}

// requests are run profiles to ask for: one, or a list.
type requests []request

func (r *requests) decode(l *loader, n *node) {
	if n.kind != listNode {
		var one request
		one.decode(l, n)
		*r = requests{one}
		return
	}
	if len(n.items) == 0 {
		l.fail(n.at, "must not be empty")
	}
	for _, item := range n.items {
		var one request
		one.decode(l, item)
		*r = append(*r, one)
	}
}

func (r *requests) schema(g *generator) *jsonschema.Schema {
	one := new(request).schema(g)
	one.AnyOf = append(one.AnyOf, &jsonschema.Schema{Type: "array", Items: new(request).schema(g), MinItems: ptr(1)})
	return one
}

// A request is a run profile of the agent, or a mapping.
type request struct{ requestKeys }

type requestKeys struct {
	Agent     word `yaml:"agent" doc:"Another agent than that of the trigger."`
	Run       word `yaml:"run,required" doc:"The run profile."`
	Partition word `yaml:"partition" doc:"The part of the system that the run is for."`
	Exclusive bool `yaml:"exclusive" default:"false" doc:"Whether nothing else may run meanwhile."`
	Immediate bool `yaml:"immediate" default:"false" doc:"Whether the run goes before those that wait already."`
}

func (r *request) decode(l *loader, n *node) {
	switch n.kind {
	case textNode:
		r.Run.decode(l, n)
	case mappingNode:
		l.fill(n, &r.requestKeys)
	default:
		l.fail(n.at, "want a run profile or a mapping, not %s", n.kind)
	}
}

func (r *request) schema(g *generator) *jsonschema.Schema {
	return g.shortOrMapping(textSchema(), &requestKeys{})
}

// spec returns the trigger as the scheduler has it.
func (t *trigger) spec(l *loader, agentName string) autosync.TriggerSpec {
	spec := autosync.TriggerSpec{
		Name: t.Name.text, Agent: agentName, Position: t.at,
		Partition: t.Partition.text, Exclusive: t.Exclusive, Immediate: t.Immediate,
		Every: t.Every.length, Cron: t.Cron.text, TimeZone: t.location,
		MinInterval: t.MinInterval, Jitter: t.Jitter, SkipMissed: t.Missed == "skip",
		During: windows(t.During), Exclusions: windows(t.Exclusions), DropOutside: t.Outside == "drop",
		TerminateOnError: t.OnError == "terminate", Disabled: t.Disabled,
	}
	for _, r := range t.Run {
		spec.Run = append(spec.Run, autosync.Request{
			Agent: r.Agent.text, Profile: r.Run.text, Partition: r.Partition.text, Exclusive: r.Exclusive, Immediate: r.Immediate,
		})
	}
	what := "every " + t.Every.written
	switch {
	case t.Cron.text != "":
		what = "cron " + t.Cron.written
	case t.Schedule != nil:
		what = "schedule " + t.Schedule.Start.written
		spec.Schedule = &autosync.Period{Start: t.start, Every: t.Schedule.Every.length}
	case t.Watch.text != "":
		what = "watch " + t.Watch.written
		spec.Watch, spec.Settle = l.path(t.Watch.text), t.Settle
	case t.Webhook.text != "":
		what = "webhook " + t.Webhook.written
		spec.Webhook = &autosync.Webhook{Name: t.Webhook.text, Token: string(t.Token), PerMinute: t.Rate}
	case t.After != nil:
		what = "after " + t.After.Agent.written
		if t.After.Run.text != "" {
			what += " " + t.After.Run.written
		}
		spec.After = &autosync.After{Agent: t.After.Agent.text, Run: t.After.Run.text, Result: t.After.Result}
	case t.Changes:
		what, spec.Changes = "changes", true
	case t.SQL != nil:
		what = "sql " + t.SQL.Connection.written
		spec.SQL = &autosync.SQLWatch{
			Connection: t.SQL.Connection.text, Query: t.SQL.Query.text, Listen: t.SQL.Listen.text, Every: t.SQL.Every.length,
		}
	}
	if spec.Name == "" {
		spec.Name = agentName + " " + what
	}
	return spec
}

func windows(list []window) []calendar.Window {
	var out []calendar.Window
	for _, w := range list {
		out = append(out, calendar.Window{Cron: w.Cron.text, For: w.For.length})
	}
	return out
}

// checkTriggers notes the agents and run profiles of triggers that do not exist.
func (l *loader) checkTriggers(k *keys) {
	agents := k.Agents.names()
	profile := func(agentName string, w word) {
		var names []string
		for _, p := range profiles(k.Agents.get(agentName).Profiles) {
			names = append(names, p.Name)
		}
		l.exists("run profile", w, names)
	}
	for _, e := range k.Agents {
		for _, t := range e.value.Triggers {
			for _, r := range t.Run {
				switch {
				case r.Agent.text == "":
					profile(e.name, r.Run)
				case l.exists("agent", r.Agent, agents):
					profile(r.Agent.text, r.Run)
				}
			}
			if t.After != nil && l.exists("agent", t.After.Agent, agents) {
				profile(t.After.Agent.text, t.After.Run)
			}
			if t.Webhook.text != "" && k.Console.Listen.text == "" {
				l.fail(t.Webhook.at, "a webhook needs console.listen, the address at which it is called").Hint = "write console: {listen: 127.0.0.1:8080}"
			}
		}
	}
}
