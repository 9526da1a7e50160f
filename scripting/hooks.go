package scripting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/scripting/host"
)

// The kinds of registration that have a say in what the scheduler does, and hear
// of it (autosync §5).
var (
	controllerKind = host.Kind{
		Name:      "controller",
		Signature: "<A extends AgentName>(agent: A, functions: Controller): void",
		Doc: "Registers the controller of an agent: a function that allows or refuses each run right before it starts, and one\n" +
			"that hears how it ended:\n" +
			"`controller(\"AD\", { shouldExecute: run => isOpen() || { reason: \"maintenance\", retryAfter: \"15m\" } })`.",
		Declare: declareController,
	}
	onKind = host.Kind{
		Name:      "on",
		Signature: "<E extends EventName>(event: E, fn: (event: Events[E], ctx: HookContext) => void | Promise<void>): void",
		Doc: "Registers a function that is called after something happened: `on(\"run.completed\", event => ...)`. Nothing waits\n" +
			"for it, and what it returns does not matter. Functions are called in the order of the events.",
		Many:    true,
		Declare: host.Listeners(eventNames()...),
	}
)

// eventNames returns what a script can hear of.
func eventNames() []string {
	var names []string
	for _, kind := range []autosync.EventKind{
		autosync.RunStarted, autosync.RunCompleted, autosync.RunFailed, autosync.RunRefused, autosync.RunStuck,
		autosync.HookFailed, autosync.AgentStopped, autosync.AgentPaused, autosync.AgentResumed, autosync.ChainParked,
		autosync.StepHeld, autosync.StepApproved, autosync.StepRejected,
		autosync.ObjectParked,
	} {
		names = append(names, string(kind))
	}
	return names
}

var hookTypes = host.Type{
	Name: "Controllers and events",
	Doc:  "What controllers answer and are told, and the events of `on`.",
	Text: `interface Controller {
	/**
	 * Asked right before a run starts, while it holds its locks. true, or nothing, allows it. false refuses it: a request
	 * is dropped, pending work is asked about again after a while. With retryAfter, such as "15m", the run is kept and
	 * asked about again then. An error keeps the run back and is reported.
	 */
	shouldExecute?(run: PlannedRun, ctx: HookContext): Permission | Promise<Permission>;
	/** Told how a run ended, before anything follows from it. An error is reported and changes nothing. */
	executionComplete?(run: RunRecord, ctx: HookContext): void | Promise<void>;
	/** How long a function may take, at most "30s"; "10s" if absent. */
	timeout?: string;
}
type Permission = boolean | string | { allow?: boolean, reason?: string, retryAfter?: string } | null | undefined | void;
interface PlannedRun {
	readonly agent: AgentName;
	/** The run profile. */
	readonly run: string;
	readonly partition?: string;
	readonly exclusive: boolean;
	readonly cause: Cause;
}
/** Why a run takes place: the kind is trigger, schedule, follow-up, manual, initial or retry. */
interface Cause { readonly kind: string; readonly name?: string; readonly parent?: number; readonly user?: string; }
/** A run as ` + "`metasync history --json`" + ` shows it. */
interface RunRecord {
	readonly run: number;
	readonly agent: AgentName;
	readonly profile: string;
	readonly result: string;
	readonly cause: Cause;
	/** When it started and ended, in RFC 3339. */
	readonly started: string;
	readonly ended: string;
	readonly steps: readonly RunStep[];
}
interface RunStep {
	readonly type: string;
	readonly result: string;
	readonly error?: string;
	readonly "staging-counters": { readonly [counter: string]: number };
	readonly "inbound-flow-counters": { readonly [counter: string]: number };
	readonly "outbound-flow-counters": { readonly [agent: string]: { readonly [counter: string]: number } };
	readonly "export-counters": { readonly [counter: string]: number };
	readonly "discovery-errors": readonly any[];
	readonly "synchronization-errors": readonly any[];
	readonly "export-errors": readonly any[];
	/** What a threshold held. */
	readonly held?: Hold;
}
interface AnyEvent {
	readonly event: string;
	/** When it happened, in RFC 3339. */
	readonly at: string;
	/** The agent; absent if it is about all of them. */
	readonly agent?: AgentName;
	readonly profile?: string;
	readonly run?: number;
	readonly cause?: Cause;
	readonly result?: string;
	/** The object, by its DN or anchor, if it is about one. */
	readonly object?: string;
	/** Why it stopped, was refused or is kept back. */
	readonly reason?: string;
	/** The user or the hook that did it. */
	readonly by?: string;
	/** When it ends by itself. */
	readonly until?: string;
}
interface RunCompleted extends AnyEvent { readonly record: RunRecord; }
interface StepEvent extends AnyEvent {
	/** import, sync or export. */
	readonly step: string;
}
interface StepHeld extends StepEvent {
	readonly hold: Hold;
}
/** What a threshold holds, as ` + "`metasync hold --json`" + ` shows it. */
interface Hold {
	readonly agent: AgentName;
	/** What is held: import, sync or export; and whose limits it exceeds. */
	readonly step: string;
	readonly of: string;
	readonly profile: string;
	readonly run: number;
	readonly since: string;
	readonly reasons: readonly HoldReason[];
	/** The first of the objects, with what would happen to them. */
	readonly objects: readonly { readonly id: string, readonly object: string, readonly dn: string, readonly anchor?: string, readonly what: string }[];
}
interface HoldReason { readonly kind: string; readonly count: number; readonly of: number; readonly limit: string; readonly window?: string; readonly before?: number; }
interface Events {
	"run.started": AnyEvent;
	"run.completed": RunCompleted;
	/** A run that did not start. */
	"run.failed": AnyEvent;
	/** A run that a controller refused. */
	"run.refused": AnyEvent;
	/** A run that takes much longer than usual. */
	"run.stuck": AnyEvent;
	/** A function of a controller that failed. */
	"hook.failed": AnyEvent;
	/** A hook stopped an agent, or all, by UnexpectedChange. */
	"agent.stopped": AnyEvent;
	"agent.paused": AnyEvent;
	"agent.resumed": AnyEvent;
	/** Follow-ups go round in circles and come slower. */
	"chain.parked": AnyEvent;
	/** A threshold keeps a step back until somebody decides. */
	"step.held": StepHeld;
	"step.approved": StepEvent;
	"step.rejected": StepEvent;
	/** What is exported to an object goes round in circles: it is left out of exports for a day. */
	"object.parked": AnyEvent;
}
type EventName = keyof Events;`,
}

// hookContext is the type of the second argument of hooks.
var hookContext = &host.Object{
	Name: "HookContext",
	Doc:  "What a hook is given beside the run or the event. It is of no use after the hook has returned.",
	Members: []host.Member{
		{Name: "agent", Doc: "The agent, or an empty text.", Text: func(a *host.Active) string { return checkOf(a).agent }},
		{Name: "state", Doc: "What the registration remembers, also after a restart.", Object: triggerState},
		{
			Name: "details", Signature: "(counter: string, options?: { step?: number, limit?: number }): readonly any[]",
			Doc: "The objects behind a counter of the run, such as \"export-add\", as `metasync history RUN --counter` shows them;\n" +
				"100 unless limit says otherwise, 1000 at most.",
			Call: hookDetails,
		},
		{Name: "log", Doc: "The same as the global log.", Object: host.Log},
	},
}

// unexpectedChange is the class of errors by which a hook stops an agent or all.
var unexpectedChange = host.ErrorClass{
	Name: "UnexpectedChange",
	Doc: "Thrown by a function of a trigger or controller, or of `on`: stops its agent, with stopAll every agent, until\n" +
		"somebody resumes. A rule function that throws it ends its run, as TerminateRun does.",
	Options: "{ stopAll?: boolean }",
	Err: func(options any) error {
		fields, _ := options.(map[string]any)
		all, _ := fields["stopAll"].(bool)
		return &hardStop{autosync.UnexpectedChange{All: all}}
	},
}

// A hardStop is an unexpected change, which ends the run of a rule function.
type hardStop struct{ autosync.UnexpectedChange }

// Is makes it end a run, and one of its class.
func (h *hardStop) Is(target error) bool {
	_, same := target.(*hardStop)
	return same || target == rules.ErrTerminateRun
}

// As makes it a [autosync.UnexpectedChange].
func (h *hardStop) As(target any) bool {
	change, ok := target.(**autosync.UnexpectedChange)
	if ok {
		*change = &h.UnexpectedChange
	}
	return ok
}

// explained gives an unexpected change the message that the script gave it.
func explained(err error) error {
	var stop *hardStop
	if errors.As(err, &stop) {
		stop.Message = fault.As(err, "").Text
	}
	return err
}

// A Surroundings is what hooks reach of the program that calls them.
type Surroundings struct {
	// State returns what a registration remembers, by its kind and name.
	State func(kind, name string) autosync.State

	// Details returns the objects behind a counter of a run as a JSON array. step is
	// 0 for all steps.
	Details func(run uint64, counter string, step, limit int) ([]byte, error)
}

// A controllerSpec is a controller as it was written.
type controllerSpec struct {
	Functions []string
	Timeout   time.Duration
}

func declareController(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 || !goja.IsString(args[0]) || strings.TrimSpace(args[0].String()) == "" {
		return none, errors.New("takes the name of an agent and an object of functions")
	}
	o := readOptions(quoted(args[0]), args[1], "shouldExecute", "executionComplete", "timeout")
	d := host.Declaration{Name: args[0].String(), Hooks: map[string]goja.Value{}}
	spec := controllerSpec{Timeout: o.duration("timeout")}
	for _, name := range []string{"shouldExecute", "executionComplete"} {
		if fn := o.function(name); fn != nil {
			d.Hooks[name] = fn
			spec.Functions = append(spec.Functions, name)
		}
	}
	if o.err == nil && len(spec.Functions) == 0 {
		o.fail(invalid("%s has no functions", quoted(args[0])))
	}
	if spec.Timeout > host.MaxTimeout {
		o.fail(invalid("%s: timeout is longer than %s", quoted(args[0]), host.MaxTimeout))
	}
	if o.err != nil {
		return none, o.err
	}
	d.Spec = spec
	return d, nil
}

// A hookCall is what the context of a hook refers to.
type hookCall struct {
	check
	run     uint64
	details func(run uint64, counter string, step, limit int) ([]byte, error)
}

// Controllers returns the controllers by agent.
func (g *Generation) Controllers(s Surroundings) map[string]autosync.Controller {
	controllers := map[string]autosync.Controller{}
	for _, r := range g.host.Registrations(controllerKind.Name) {
		var c autosync.Controller
		for _, function := range r.Spec.(controllerSpec).Functions {
			switch function {
			case "shouldExecute":
				c.ShouldExecute = func(ctx context.Context, p autosync.Planned) (autosync.Permission, error) {
					return g.shouldExecute(ctx, r, s, p)
				}
			case "executionComplete":
				c.ExecutionComplete = func(ctx context.Context, p autosync.Planned, o autosync.Outcome) error {
					return g.executionComplete(ctx, r, s, o.Record)
				}
			}
		}
		controllers[r.Name] = c
	}
	return controllers
}

// hook calls a function of a registration with a document and a context.
func (g *Generation) hook(ctx context.Context, r *host.Registration, s Surroundings, agent string, run uint64, function string, document any, answer func(*host.Active, goja.Value) error) error {
	timeout := hookTimeout
	if spec, ok := r.Spec.(controllerSpec); ok && spec.Timeout > 0 {
		timeout = spec.Timeout
	}
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("%s %q: %w", r.Kind, r.Name, err)
	}
	name := r.Name
	if r.Kind == onKind.Name {
		name += " " + r.Position.File
	}
	call := &hookCall{check: check{name: r.Name, agent: agent, Occasion: autosync.Occasion{State: s.State(r.Kind, name)}}, run: run, details: s.Details}
	err = g.host.Do(ctx, host.Call{
		Of: r, Timeout: timeout, Now: rules.Now(ctx), Outside: true, Env: environment(ctx), Data: call,
		Log: []slog.Attr{slog.String(r.Kind, r.Name)},
	}, func(a *host.Active) error {
		argument, err := a.ParseJSON(string(text))
		if err != nil {
			return err
		}
		result, err := a.Invoke(function, argument, a.Object(hookContext))
		if err != nil || answer == nil {
			return err
		}
		return a.Guard(func() error { return answer(a, result) })
	})
	if err != nil {
		return inFunction(explained(err), r)
	}
	return nil
}

func (g *Generation) shouldExecute(ctx context.Context, r *host.Registration, s Surroundings, p autosync.Planned) (out autosync.Permission, err error) {
	document := struct {
		Agent     string         `json:"agent"`
		Run       string         `json:"run"`
		Partition string         `json:"partition,omitempty"`
		Exclusive bool           `json:"exclusive"`
		Cause     autosync.Cause `json:"cause"`
	}{p.Agent, p.Profile, p.Partition, p.Exclusive, p.Cause}
	err = g.hook(ctx, r, s, p.Agent, 0, "shouldExecute", document, func(a *host.Active, v goja.Value) error {
		out, err = readPermission(a, v)
		return err
	})
	if err != nil {
		return autosync.Permission{}, err
	}
	return out, nil
}

// readPermission reads the answer of shouldExecute.
func readPermission(a *host.Active, v goja.Value) (autosync.Permission, error) {
	hint := `return true, false, a reason, or {allow, reason, retryAfter: "15m"}`
	switch {
	case nothing(v):
		return autosync.Permission{}, nil
	case goja.IsString(v):
		return autosync.Permission{Refused: true, Reason: v.String()}, nil
	}
	if allowed, ok := v.Export().(bool); ok {
		return autosync.Permission{Refused: !allowed}, nil
	}
	o := readOptions("the answer", v, "allow", "reason", "retryAfter")
	p := autosync.Permission{Refused: true, Reason: o.text("reason"), RetryAfter: o.duration("retryAfter")}
	if allow := o.fields["allow"]; allow != nil {
		allowed, ok := allow.Export().(bool)
		if !ok || allowed && p.RetryAfter > 0 {
			o.fail(invalid("allow: %s", a.Describe(allow)))
		}
		p.Refused = !allowed
	} else if o.err == nil && len(o.fields) == 0 {
		o.fail(invalid("it says nothing"))
	}
	if o.err != nil {
		e := unexpected("%s: %s", a.Describe(v), o.err.Detail())
		e.Hint = hint
		return autosync.Permission{}, e
	}
	return p, nil
}

func (g *Generation) executionComplete(ctx context.Context, r *host.Registration, s Surroundings, record *run.Record) error {
	return g.hook(ctx, r, s, record.Agent, record.Run, "executionComplete", record, nil)
}

// eventDocument is an event as scripts see it.
type eventDocument struct {
	Event   autosync.EventKind `json:"event"`
	At      time.Time          `json:"at"`
	Agent   string             `json:"agent,omitempty"`
	Profile string             `json:"profile,omitempty"`
	Run     uint64             `json:"run,omitempty"`
	Cause   *autosync.Cause    `json:"cause,omitempty"`
	Result  run.Result         `json:"result,omitempty"`
	Object  string             `json:"object,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	By      string             `json:"by,omitempty"`
	Until   time.Time          `json:"until,omitzero"`
	Record  *run.Record        `json:"record,omitempty"`
	Step    string             `json:"step,omitempty"`
	Hold    *hold.Hold         `json:"hold,omitempty"`
}

// Hears reports whether a script listens to events of a kind.
func (g *Generation) Hears(kind autosync.EventKind) bool {
	for _, r := range g.host.Registrations(onKind.Name) {
		if r.Name == string(kind) {
			return true
		}
	}
	return false
}

// Tell calls every function that listens to an event, in the order of the files,
// and returns their errors, joined.
func (g *Generation) Tell(ctx context.Context, s Surroundings, e autosync.Event) error {
	d := eventDocument{
		Event: e.Kind, At: e.At.UTC(), Agent: e.Agent, Profile: e.Profile, Run: e.Run, Result: e.Result,
		Object: e.Object, Reason: e.Reason, By: e.By, Until: e.Until, Record: e.Record, Step: string(e.Step), Hold: e.Hold,
	}
	if e.Cause.Kind != "" {
		d.Cause = &e.Cause
	}
	var errs []error
	for _, r := range g.host.Registrations(onKind.Name) {
		if r.Name == string(e.Kind) {
			errs = append(errs, g.hook(ctx, r, s, e.Agent, e.Run, "", d, nil))
		}
	}
	return errors.Join(errs...)
}

// maxDetails bounds what one call of details returns.
const maxDetails = 1000

func hookDetails(a *host.Active, args []goja.Value) (goja.Value, error) {
	call, ok := a.Data().(*hookCall)
	if !ok || call.run == 0 || call.details == nil {
		return nil, fault.New(host.NameNotAllowed, "details are those of a run, and there is none")
	}
	if len(args) == 0 || !goja.IsString(args[0]) {
		return nil, errors.New("details takes the name of a counter and options")
	}
	step, limit := 0, 100
	if len(args) > 1 && !nothing(args[1]) {
		o := readOptions("the options", args[1], "step", "limit")
		for name, to := range map[string]*int{"step": &step, "limit": &limit} {
			if v := o.fields[name]; v != nil {
				n, ok := v.Export().(int64)
				if !ok || n < 1 || n > maxDetails {
					o.fail(invalid("%s must be a number from 1 to %s", name, strconv.Itoa(maxDetails)))
				}
				*to = int(n)
			}
		}
		if o.err != nil {
			return nil, o.err
		}
	}
	text, err := call.details(call.run, args[0].String(), step, limit)
	if err != nil {
		return nil, err
	}
	return a.ParseJSON(string(text))
}
