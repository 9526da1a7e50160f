package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"

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
	Doc: "What a trigger does. Exactly one of every, schedule, cron, watch, webhook and after says when it is due, and exactly\n" +
		"one of run and check what it requests then.",
	Text: `interface TriggerOptions<A extends AgentName> {
	/** The management agent. Only a trigger that names an agent in each of its requests can do without. */
	agent?: A;

	/** The interval, such as "30s", "15m" or "1h". */
	every?: string;
	/** A start such as "2026-01-31T02:00", and the time from one occasion to the next. Whole days keep the time that the clock shows. */
	schedule?: { start: string; every?: string };
	/** Five fields: minute, hour, day, month, weekday; or @daily and the like. */
	cron?: string;
	/** A file, or a pattern such as "data/*.csv", relative to the folder of the configuration. */
	watch?: string;
	/** For how long the watched files must be quiet. */
	settle?: string;
	/** The name of a webhook: whoever sends POST to /hooks/NAME of console.listen, with the token, makes the trigger due. */
	webhook?: string;
	/** What a caller of the webhook has to know, 16 characters at least: secret("NAME"). */
	token?: Secret;
	/** How many calls of the webhook are taken in a minute; 60 if absent. */
	perMinute?: number;
	/** An agent whose runs make the trigger due when they have ended, by default without errors. */
	after?: AgentName | { [B in AgentName]: { agent: B; run?: ProfileName<B>; result?: "success" | "completed" | "failed" | "any" } }[AgentName];
	/**
	 * A database of scripting.sql in which something changes: a query whose answer is then another one, asked every "30s"
	 * unless every says otherwise, or a channel on which PostgreSQL notifies, or both.
	 */
	sql?: { connection: string; query?: string; listen?: string; every?: string };
	/** Changes that the system of the agent tells by itself, as directories do. */
	changes?: true;
	/** The time zone of cron, schedule and the windows, such as "Europe/Berlin". */
	timezone?: string;

	/** What to request: a run profile of the agent, or other requests. */
	run?: Request<A> | readonly Request<A>[];
	/** Decides what to request: a run profile of the agent, other requests, or nothing. */
	check?(ctx: TriggerContext): Requests<A> | Promise<Requests<A>>;
	/** How long check may take, at most "30s"; "10s" if absent. */
	timeout?: string;
	/** The part of the system that the runs are for; without it all of it. */
	partition?: string;
	/** Whether nothing else may run meanwhile. */
	exclusive?: boolean;
	/** Whether the runs go before those that wait already. */
	immediate?: boolean;

	/** Least time between two times that the trigger acts. What happens earlier waits for its end, and is one. */
	minInterval?: string;
	/** Up to which time the trigger is put off, so that not everything begins at once. */
	jitter?: string;
	/** What becomes of what was due while metasync did not run: it is made up for once ("run"), or passed over. */
	missed?: "run" | "skip";
	/** Windows in which alone the trigger may act. */
	during?: readonly TriggerWindow[];
	/** Windows in which the trigger may not act. */
	exclusions?: readonly TriggerWindow[];
	/** What becomes of what happens outside of these times: it waits for them ("hold"), or is passed over. */
	outside?: "hold" | "drop";
	/** After a failure it tries again, after a pause that grows ("resume"), or it ends, until it is changed. */
	onError?: "resume" | "terminate";
	/** Whether the trigger does nothing. */
	disabled?: boolean;
}
/** Opens at the times of a cron expression, each time for a while. */
interface TriggerWindow { cron: string; for: string }`,
}

var requestsType = host.Type{
	Name: "Requests",
	Doc: "What a trigger may request. What a request leaves out of partition, exclusive and immediate is as the trigger\n" +
		"says.",
	Text: `interface RequestOptions { partition?: string; exclusive?: boolean; immediate?: boolean }
type AgentRequest = { [A in AgentName]: { agent: A; run: ProfileName<A> } & RequestOptions }[AgentName];
type Request<A extends AgentName = AgentName> = ProfileName<A> | AgentRequest | { agent?: undefined; run: ProfileName<A> } & RequestOptions;
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
		{
			Name: "request", Doc: "What was sent to the webhook of the trigger.", Object: triggerRequest,
			Absent: func(a *host.Active) bool { return checkOf(a).Call == nil },
		},
		{
			Name: "run", Doc: "The run that has ended, if the trigger is due after runs.", Object: triggerRun,
			Absent: func(a *host.Active) bool { return checkOf(a).Run == nil },
		},
		{Name: "log", Doc: "The same as the global log.", Object: host.Log},
	},
}

// triggerRequest is the type of a call of a webhook.
var triggerRequest = &host.Object{
	Name: "TriggerRequest",
	Doc:  "A call of a webhook.",
	Members: []host.Member{
		{Name: "body", Doc: "The body, of 64 KiB at most.", Text: func(a *host.Active) string { return checkOf(a).Call.Body }},
		{Name: "contentType", Doc: "The header Content-Type, or an empty text.", Text: func(a *host.Active) string { return checkOf(a).Call.ContentType }},
		{Name: "query", Doc: "What follows ? in the address, or an empty text.", Text: func(a *host.Active) string { return checkOf(a).Call.Query }},
		{
			Name: "json", Signature: "(): any", Doc: "Returns what the body stands for as JSON.",
			Call: func(a *host.Active, _ []goja.Value) (goja.Value, error) { return a.ParseJSON(checkOf(a).Call.Body) },
		},
	},
}

// triggerRun is the type of a run that has ended.
var triggerRun = &host.Object{
	Name: "TriggerRun",
	Doc:  "A run that has ended.",
	Members: []host.Member{
		{Name: "number", Doc: "Its number in the run history.", Text: func(a *host.Active) string { return strconv.FormatUint(checkOf(a).Run.Run, 10) }},
		{Name: "agent", Doc: "The agent.", Text: func(a *host.Active) string { return checkOf(a).Run.Agent }},
		{Name: "profile", Doc: "The run profile.", Text: func(a *host.Active) string { return checkOf(a).Run.Profile }},
		{Name: "result", Doc: "How it ended, such as success.", Text: func(a *host.Active) string { return string(checkOf(a).Run.Result) }},
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
			Doc: "Keeps a value, of 64 KiB at most as JSON, under one of 1000 keys at most, once what the check returns was requested.\n" +
				"What a check that fails has set is not kept.", Call: stateSet,
		},
		{
			Name: "delete", Signature: "(key: string): void",
			Doc: "Forgets a value.", Call: stateDelete,
		},
	},
}

// triggerSpec makes a registration something that can wake the scheduler.
func (g *Generation) triggerSpec(r *host.Registration) autosync.TriggerSpec {
	spec := r.Spec.(triggerSpec)
	t := spec.TriggerSpec
	t.Name, t.Position, t.Version = r.Name, r.Position, r.Version
	if t.Watch != "" && !filepath.IsAbs(t.Watch) {
		t.Watch = filepath.Join(g.base, t.Watch)
	}
	if spec.HasCheck {
		t.Check = func(ctx context.Context, on autosync.Occasion) ([]autosync.Request, error) {
			return g.check(ctx, r, spec, on)
		}
	}
	return t
}

// A check is one run of a trigger's check function.
type check struct {
	name, agent string
	autosync.Occasion
}

func checkOf(a *host.Active) *check {
	switch call := a.Data().(type) {
	case *hookCall:
		return &call.check
	case *activityCall:
		return &call.check
	}
	return a.Data().(*check)
}

func (g *Generation) check(ctx context.Context, r *host.Registration, spec triggerSpec, on autosync.Occasion) ([]autosync.Request, error) {
	timeout := spec.Timeout
	if timeout == 0 {
		timeout = checkTimeout
	}
	var requests []autosync.Request
	err := g.host.Do(ctx, host.Call{
		// A test has a time of its own, and reaches what it makes up.
		Of: r, Timeout: timeout, Now: rules.Now(ctx), Outside: true, Env: environment(ctx),
		Data: &check{name: r.Name, agent: spec.Agent, Occasion: on},
		Log:  []slog.Attr{slog.String("trigger", r.Name)},
	}, func(a *host.Active) error {
		answer, err := a.Invoke("check", a.Object(triggerContext))
		if err != nil {
			return err
		}
		return a.Guard(func() error {
			requests, err = readRequests(a.Describe, answer, spec.Agent)
			return err
		})
	})
	if err != nil {
		return nil, inFunction(explained(err), r)
	}
	return requests, nil
}

// readRequests reads what is to be requested: the answer of a check, or a run that
// is known beforehand. What a request leaves out is the trigger's own.
func readRequests(describe func(goja.Value) string, v goja.Value, agent string) ([]autosync.Request, error) {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil, nil
	}
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		request, err := readRequest(describe, v, agent)
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
		if requests[i], err = readRequest(describe, obj.Get(strconv.Itoa(i)), agent); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

func readRequest(describe func(goja.Value) string, v goja.Value, agent string) (autosync.Request, error) {
	request := autosync.Request{Agent: agent}
	if goja.IsString(v) {
		request.Profile = v.String()
	} else {
		o := readOptions("a request", v, "agent", "run", "partition", "exclusive", "immediate")
		if name := o.text("agent"); name != "" {
			request.Agent = name
		}
		request.Profile, request.Partition = o.text("run"), o.text("partition")
		request.Exclusive, request.Immediate = o.boolean("exclusive"), o.boolean("immediate")
		if o.err != nil {
			e := unexpected("%s: %s", describe(v), o.err.Detail())
			e.Hint = `give a run profile, {agent, run, partition, exclusive, immediate}, an array of these, or nothing`
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
	text, err := checkOf(a).State.Get(key)
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
	return nil, checkOf(a).State.Set(key, text)
}

func stateDelete(a *host.Active, args []goja.Value) (goja.Value, error) {
	key, err := stateKey(args)
	if err != nil {
		return nil, err
	}
	return nil, checkOf(a).State.Set(key, nil)
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
