package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// triggerKind registers what wakes the scheduler.
var triggerKind = host.Kind{
	Name:      "trigger",
	Signature: "<A extends AgentName>(name: string, options: TriggerOptions<A>): void",
	Doc: "Registers a trigger, which requests a run profile when it is due:\n" +
		"`trigger(\"HR file\", { agent: \"HR\", watch: \"data/*.csv\", settle: \"2s\", run: \"full-import\" })`.\n" +
		"A trigger only requests; the scheduler decides when to run.",
	Declare: declareTrigger,
}

var triggerOptionsType = host.Type{
	Name: "Trigger options",
	Doc: "What a trigger does. Exactly one of every, cron and watch says when it is due, and exactly one of run and check\n" +
		"what it requests then.",
	Text: `interface TriggerOptions<A extends AgentName> {
	/** The management agent. Only a check that names an agent in each of its answers can do without. */
	agent?: A;
	/** The interval, such as "30s", "15m" or "1h". */
	every?: string;
	/** Five fields: minute, hour, day, month, weekday; or @daily and the like. */
	cron?: string;
	/** The time zone of cron, such as "Europe/Berlin". */
	timezone?: string;
	/** A file, or a pattern such as "data/*.csv", relative to the folder of the configuration. */
	watch?: string;
	/** For how long the watched files must be quiet. */
	settle?: string;
	/** The run profile to request. */
	run?: ProfileName<A>;
	/** How long check may take, at most "30s"; "10s" if absent. */
	timeout?: string;
	/** Decides what to request: a run profile of the agent, other requests, or nothing. */
	check?(ctx: TriggerContext): Requests<A> | Promise<Requests<A>>;
}`,
}

var requestsType = host.Type{
	Name: "Requests",
	Doc:  "What a check may request.",
	Text: `type AgentRequest = { [A in AgentName]: { agent: A; run: ProfileName<A> } }[AgentName];
type Request<A extends AgentName = AgentName> = ProfileName<A> | AgentRequest | { agent?: undefined; run: ProfileName<A> };
type Requests<A extends AgentName = AgentName> = Request<A> | readonly Request<A>[] | null | undefined | void;`,
}

// triggerContext is the type of the argument of check.
var triggerContext = &host.Object{
	Name: "TriggerContext",
	Doc:  "What a check is given. It is of no use after the check has returned.",
	Members: []host.Member{
		{Name: "trigger", Doc: "The name of the trigger.", Text: func(a *host.Active) string { return checkOf(a).name }},
		{Name: "agent", Doc: "The agent of the trigger, or an empty text.", Text: func(a *host.Active) string { return checkOf(a).agent }},
		{Name: "state", Doc: "What the trigger remembers, also after a restart.", Object: triggerState},
		{Name: "log", Doc: "The same as the global log.", Object: host.Log},
	},
}

// triggerState is the type of what a trigger remembers.
var triggerState = &host.Object{
	Name: "TriggerState",
	Doc:  "Durable values of one trigger, by name. A value is whatever JSON can hold.",
	Members: []host.Member{
		{
			Name: "get", Signature: "(key: string): any",
			Doc: "Returns a value, undefined if there is none.", Call: stateGet,
		},
		{
			Name: "set", Signature: "(key: string, value: any): void",
			Doc: "Keeps a value, of 64 KiB at most as JSON, under one of 1000 keys at most. It stays even if the check fails later.", Call: stateSet,
		},
		{
			Name: "delete", Signature: "(key: string): void",
			Doc: "Forgets a value.", Call: stateDelete,
		},
	},
}

// A triggerSpec is a trigger as it was written.
type triggerSpec struct {
	Agent, Run, Cron, TimeZone, Watch string
	Every, Settle, Timeout            time.Duration
	HasCheck                          bool
}

func declareTrigger(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 {
		return none, errors.New("takes a name and an object of options")
	}
	if !goja.IsString(args[0]) || args[0].String() == "" {
		return none, invalid("%s is not a name", quoted(args[0]))
	}
	name := args[0].String()
	o := readOptions(strconv.Quote(name), args[1],
		"agent", "every", "cron", "timezone", "watch", "settle", "run", "timeout", "check")
	if o.err == nil {
		o.exactlyOne("every", "cron", "watch")
		o.exactlyOne("run", "check")
		o.needs("timezone", "cron")
		o.needs("settle", "watch")
		o.needs("timeout", "check")
		o.needs("run", "agent")
	}
	spec := triggerSpec{
		Agent: o.text("agent"), Run: o.text("run"),
		Every: o.duration("every"), Cron: o.text("cron"), TimeZone: o.text("timezone"),
		Watch: o.text("watch"), Settle: o.duration("settle"),
		Timeout: o.duration("timeout"), HasCheck: o.has("check"),
	}
	if spec.Timeout > host.MaxTimeout {
		o.fail(invalid("%q: timeout is longer than %s", name, host.MaxTimeout))
	}
	if _, err := filepath.Match(spec.Watch, ""); err != nil {
		o.fail(invalid("%q: watch %q is not a pattern", name, spec.Watch))
	}
	if spec.TimeZone != "" {
		if _, err := time.LoadLocation(spec.TimeZone); err != nil {
			e := invalid("%q: there is no time zone %q", name, spec.TimeZone)
			e.Hint = `write it like "Europe/Berlin"`
			o.fail(e)
		}
	}
	d := host.Declaration{Name: name, Spec: spec}
	if check := o.function("check"); check != nil {
		d.Hooks = map[string]goja.Value{"check": check}
	}
	if o.err != nil {
		return none, o.err
	}
	return d, nil
}

// triggerSpec makes a registration something that can wake the scheduler.
func (g *Generation) triggerSpec(r *host.Registration) autosync.TriggerSpec {
	spec := r.Spec.(triggerSpec)
	t := autosync.TriggerSpec{
		Name: r.Name, Agent: spec.Agent, Run: spec.Run,
		Every: spec.Every, Cron: spec.Cron, Settle: spec.Settle,
		Position: r.Position,
	}
	if spec.TimeZone != "" {
		t.TimeZone, _ = time.LoadLocation(spec.TimeZone) // it was found before
	}
	if spec.Watch != "" {
		t.Watch = spec.Watch
		if !filepath.IsAbs(t.Watch) {
			t.Watch = filepath.Join(g.base, t.Watch)
		}
	}
	if spec.HasCheck {
		t.Check = func(ctx context.Context, state autosync.State) ([]autosync.Request, error) {
			return g.check(ctx, r, spec, state)
		}
	}
	return t
}

// A check is one run of a trigger's check function.
type check struct {
	name, agent string
	state       autosync.State
}

func checkOf(a *host.Active) *check {
	if hook, ok := a.Data().(*hookCall); ok {
		return &hook.check
	}
	return a.Data().(*check)
}

func (g *Generation) check(ctx context.Context, r *host.Registration, spec triggerSpec, state autosync.State) ([]autosync.Request, error) {
	timeout := spec.Timeout
	if timeout == 0 {
		timeout = checkTimeout
	}
	var requests []autosync.Request
	err := g.host.Do(ctx, host.Call{
		// A test has a time of its own, and reaches nothing.
		Of: r, Timeout: timeout, Now: rules.Now(ctx), Outside: rules.Now(ctx).IsZero(),
		Data: &check{name: r.Name, agent: spec.Agent, state: state},
		Log:  []slog.Attr{slog.String("trigger", r.Name)},
	}, func(a *host.Active) error {
		answer, err := a.Invoke("check", a.Object(triggerContext))
		if err != nil {
			return err
		}
		return a.Guard(func() error {
			requests, err = readRequests(a, answer, spec.Agent)
			return err
		})
	})
	if err != nil {
		return nil, inFunction(explained(err), r)
	}
	return requests, nil
}

// readRequests reads the answer of a check.
func readRequests(a *host.Active, v goja.Value, agent string) ([]autosync.Request, error) {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil, nil
	}
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		request, err := readRequest(a, v, agent)
		if err != nil {
			return nil, err
		}
		return []autosync.Request{request}, nil
	}
	n := obj.Get("length").ToInteger()
	if n > maxRequest {
		return nil, unexpected("%d requests", n)
	}
	requests := make([]autosync.Request, n)
	for i := range requests {
		var err error
		if requests[i], err = readRequest(a, obj.Get(strconv.Itoa(i)), agent); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

func readRequest(a *host.Active, v goja.Value, agent string) (autosync.Request, error) {
	request := autosync.Request{Agent: agent}
	if goja.IsString(v) {
		request.Profile = v.String()
	} else {
		o := readOptions("a request", v, "agent", "run")
		if name := o.text("agent"); name != "" {
			request.Agent = name
		}
		request.Profile = o.text("run")
		if o.err != nil {
			e := unexpected("%s: %s", a.Describe(v), o.err.Detail())
			e.Hint = `return a run profile, {agent, run}, an array of these, or nothing`
			return request, e
		}
	}
	switch {
	case request.Profile == "":
		return request, unexpected("a request that names no run profile")
	case request.Agent == "":
		return request, unexpected("%q for no agent: neither the trigger nor the request names one", request.Profile)
	}
	return request, nil
}

func stateGet(a *host.Active, args []goja.Value) (goja.Value, error) {
	key, err := stateKey(args)
	if err != nil {
		return nil, err
	}
	text, err := checkOf(a).state.Get(key)
	if err != nil || text == nil {
		return nil, err
	}
	return a.ParseJSON(string(text))
}

func stateSet(a *host.Active, args []goja.Value) (goja.Value, error) {
	key, err := stateKey(args)
	if err != nil {
		return nil, err
	}
	if len(args) != 2 || goja.IsUndefined(args[1]) {
		return nil, errors.New("set takes a key and a value")
	}
	plain, err := a.Plain(args[1])
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("keep %q: %w", key, err)
	}
	if len(text) > maxStateValue {
		return nil, fmt.Errorf("keep %q: the value has %d bytes as JSON, and may have %d", key, len(text), maxStateValue)
	}
	return nil, checkOf(a).state.Set(key, text)
}

func stateDelete(a *host.Active, args []goja.Value) (goja.Value, error) {
	key, err := stateKey(args)
	if err != nil {
		return nil, err
	}
	return nil, checkOf(a).state.Set(key, nil)
}

func stateKey(args []goja.Value) (string, error) {
	if len(args) == 0 || !goja.IsString(args[0]) || args[0].String() == "" {
		return "", errors.New("the key must be a text")
	}
	if len(args[0].String()) > maxStateKey {
		return "", fmt.Errorf("the key has more than %d bytes", maxStateKey)
	}
	return args[0].String(), nil
}
