package scripting

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// activityKind registers what workflows do about objects.
var activityKind = host.Kind{
	Name:      "activity",
	Signature: "(name: string, fn: (ctx: ActivityContext) => void | Promise<void>): void",
	Doc: "Registers an activity, which a workflow of the configuration calls for an object after something happened to it:\n" +
		"`activity(\"welcome letter\", ctx => http.post(url, { to: ctx.metaverse?.mail }))`.\n" +
		"It is called again if it fails, and perhaps if the process dies while it works: ctx.id tells that it is the same.",
	Declare: func(args []goja.Value) (host.Declaration, error) {
		name, fn, err := host.NameAndFunction(args)
		return host.Declaration{Name: name, Hooks: map[string]goja.Value{"": fn}}, err
	},
}

var activityTypes = host.Type{
	Name: "Activities",
	Doc:  "What an activity is told of the run and of the object.",
	Text: `interface ActivityRun {
	readonly run: number;
	readonly agent: AgentName;
	readonly profile: string;
	readonly cause: Cause;
	/** When it started and ended, in RFC 3339. */
	readonly started: string;
	readonly ended: string;
}
/** Changes by attribute, as ` + "`metasync history RUN --counter`" + ` shows them; removed holds the values before. */
interface Changes { readonly [attribute: string]: { readonly operation: string; readonly values?: readonly any[]; readonly removed?: readonly any[] } }`,
}

// activityContext is the type of the argument of an activity.
var activityContext = &host.Object{
	Name: "ActivityContext",
	Doc:  "What an activity is given. It is of no use after the activity has returned.",
	Members: []host.Member{
		{
			Name: "id", Type: "string", Doc: "What is to be done, for ever: a second try has the same, and nothing else.",
			Value: func(a *host.Active) goja.Value { return a.Runtime().ToValue(activityOf(a).ID) },
		},
		{
			Name: "try", Type: "number", Doc: "1 for the first try, and so on.",
			Value: func(a *host.Active) goja.Value { return a.Runtime().ToValue(activityOf(a).Try) },
		},
		{Name: "workflow", Doc: "The name of the workflow.", Text: func(a *host.Active) string { return activityOf(a).Workflow }},
		{Name: "on", Doc: "What happened: the counter of the workflow.", Text: func(a *host.Active) string { return activityOf(a).Counter }},
		{Name: "operation", Doc: "What was staged, flowed or sent, such as add; an empty text if nobody knows.", Text: func(a *host.Active) string { return activityOf(a).Operation }},
		{
			Name: "object", Type: "ConnectorEntry",
			Doc: "The object of the connected system as it was then, with what was exported to it. One that was gone when the run\n" +
				"had ended has a name, an anchor and no attributes.",
			Value: func(a *host.Active) goja.Value {
				if activityOf(a).Object == nil {
					return nil
				}
				return entry(a, activityOf(a).Object)
			},
		},
		{
			Name: "changes", Type: "Changes", Doc: "What changed. Of an object that was added, or is gone, it is only which attributes there were.",
			Value: func(a *host.Active) goja.Value { return parsed(a, activityOf(a).Changes) },
		},
		{
			Name: "metaverse", Type: "MetaverseEntry | undefined", Doc: "The metaverse object as it is now; undefined if the object was not linked, or if it is gone.",
			Value: func(a *host.Active) goja.Value {
				if activityOf(a).Metaverse == nil {
					return nil
				}
				return entry(a, activityOf(a).Metaverse)
			},
		},
		{
			Name: "run", Type: "ActivityRun", Doc: "The run in which it happened.",
			Value: func(a *host.Active) goja.Value { return parsed(a, activityOf(a).Run) },
		},
		{Name: "state", Doc: "What the activity remembers, also after a restart.", Object: triggerState},
		{Name: "log", Doc: "The same as the global log.", Object: host.Log},
	},
}

// An ActivityCall is a call of an activity: what it is told.
type ActivityCall struct {
	Activity  string
	Timeout   time.Duration // 0 is that of hooks
	ID        string
	Try       int
	Workflow  string
	Counter   string
	Operation string
	Changes   json.RawMessage // nil for none
	Run       json.RawMessage
	Object    rules.ConnectorEntry
	Metaverse rules.MetaverseEntry // nil without one
}

// activityCall is what the context of an activity refers to.
type activityCall struct {
	check
	ActivityCall
}

func activityOf(a *host.Active) *ActivityCall { return &a.Data().(*activityCall).ActivityCall }

// parsed returns what JSON stands for, an empty object for none.
func parsed(a *host.Active, text json.RawMessage) goja.Value {
	if text == nil {
		text = json.RawMessage("{}")
	}
	v, err := a.ParseJSON(string(text))
	if err != nil {
		return nil
	}
	return v
}

// Activities returns the names of the activities, in the order of the files.
func (g *Generation) Activities() []string {
	var names []string
	for _, r := range g.host.Registrations(activityKind.Name) {
		names = append(names, r.Name)
	}
	return names
}

// Perform calls an activity. The error is what it threw, or why it could not be
// called.
func (g *Generation) Perform(ctx context.Context, s Surroundings, c ActivityCall) error {
	registrations := map[string]*host.Registration{}
	for _, r := range g.host.Registrations(activityKind.Name) {
		registrations[r.Name] = r
	}
	r := registrations[c.Activity]
	if r == nil {
		return unregistered("activity", c.Activity, registrations)
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = hookTimeout
	}
	agent := ""
	if c.Object != nil {
		agent = c.Object.Agent()
	}
	var state autosync.State
	if s.State != nil {
		state = s.State(activityKind.Name, r.Name)
	}
	err := g.host.Do(ctx, host.Call{
		Of: r, Timeout: timeout, Now: rules.Now(ctx), Outside: true, Env: environment(ctx),
		Data: &activityCall{check{name: r.Name, agent: agent, Occasion: autosync.Occasion{State: state}}, c},
		Log:  []slog.Attr{slog.String("activity", r.Name), slog.String("workflow", c.Workflow)},
	}, func(a *host.Active) error {
		_, err := a.Invoke("", a.Object(activityContext))
		return err
	})
	if err != nil {
		return inFunction(explained(err), r)
	}
	return nil
}
