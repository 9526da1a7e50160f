package scripting

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// The kinds of registration that are the rules extensions (sync-engine §9).
var (
	flowKind = host.Kind{
		Name:      "flow",
		Signature: "<S extends FlowSource>(source: S, name: string, fn: (entry: FlowEntry<S>, ctx: FlowContext) => Result | Promise<Result>): void",
		Doc: "Registers a flow: a rule takes a value from it with `{script: name}`. The source is `AGENT.OBJECT` for inbound\n" +
			"flows, `flow(\"HR.employee\", \"department\", employee => ...)`, and a metaverse type for outbound ones.\n" +
			"\n" +
			"undefined contributes nothing, so that the next in precedence may; null leaves the attribute without a value;\n" +
			"`throw new DeclineMapping()` leaves it as it is.",
		Declare: declareFlow,
	}
	extensionKind = host.Kind{
		Name:      "extension",
		Signature: "<A extends AgentName>(agent: A, functions: Extension<A>): void",
		Doc:       "Registers the rules extension of an agent: functions that decide about its objects.",
		Declare:   declareExtension,
	}
	metaverseKind = host.Kind{
		Name:      "metaverse",
		Signature: "<T extends MetaverseTypeName>(type: T, functions: MetaverseExtension<T>): void",
		Doc:       "Registers the rules extension of a metaverse type.",
		Declare:   declareMetaverse,
	}
)

var extensionTypes = host.Type{
	Name: "Rules extensions",
	Doc:  "The functions of `extension` and `metaverse`.",
	Text: `interface Extension<A extends AgentName> {
	/** Whether the object stays out of the metaverse. It must say true or false. */
	filter?(cs: ConnectorEntry<ConnectorTypeName<A>>, ctx: RuleContext): boolean;
	/** The values that a join criterion {script: name} looks for. */
	joinValues?(cs: ConnectorEntry<ConnectorTypeName<A>>, name: string, ctx: RuleContext): Result;
	/**
	 * Which of the metaverse objects that a criterion found the object is joined with: one of them or its index, null for
	 * none; or {join, type} to change the metaverse type as well.
	 */
	resolveJoin?(cs: ConnectorEntry<ConnectorTypeName<A>>, candidates: readonly MetaverseEntry[], rule: string, ctx: RuleContext):
		MetaverseEntry | number | null | undefined | { join: MetaverseEntry | number, type: MetaverseTypeName };
	/** The metaverse type that an object which joined nothing becomes, false or null for none. */
	project?(cs: ConnectorEntry<ConnectorTypeName<A>>, ctx: RuleContext): MetaverseTypeName | false | null | undefined;
	/** What becomes of an object whose link is cut, with deprovision: {script: true}. */
	deprovision?(cs: ConnectorEntry<ConnectorTypeName<A>>, ctx: RuleContext): "disconnect" | "explicit-disconnect" | "delete";
}
interface MetaverseExtension<T extends MetaverseTypeName> {
	/** Creates, renames and disconnects objects of the connected systems. It is called after the rules have done so. */
	provision?(mv: MetaverseEntry<T>, ctx: ProvisionContext): void;
	/** Whether the metaverse object is deleted now that cs was disconnected, with delete: {script: true}. */
	shouldDelete?(cs: ConnectorEntry, mv: MetaverseEntry<T>, ctx: RuleContext): boolean;
}`,
}

// The contexts of rule functions.
var (
	ruleContext = &host.Object{
		Name: "RuleContext",
		Doc:  "What a rule function gets beside the objects.",
		Members: []host.Member{
			{Name: "log", Doc: "The same as the global log.", Object: host.Log},
		},
	}
	flowContext = &host.Object{
		Name: "FlowContext",
		Doc:  "What a flow gets beside the object.",
		Members: []host.Member{
			{
				Name: "target", Signature: "(): MetaverseEntry | undefined",
				Doc:  "Of an inbound flow: the metaverse object that it contributes to.",
				Call: flowTarget,
			},
			{Name: "log", Doc: "The same as the global log.", Object: host.Log},
		},
	}
	provisionContext = &host.Object{
		Name: "ProvisionContext",
		Doc:  "What a provisioning function changes the connected systems with.",
		Members: []host.Member{
			{
				Name: "create", Signature: "<A extends AgentName, O extends ObjectName<A>>(agent: A, object: O, attributes: NewAttributes<A, O>): void",
				Doc: "Creates an object in an agent's system, with its dn among the attributes. An object of that name that is not\n" +
					"connected is joined instead; nothing happens if the metaverse object has it already.",
				Call: provisionCreate,
			},
			{
				Name: "taken", Signature: "(agent: AgentName, dn: string): boolean",
				Doc: "Whether an object of an agent has a name, or an anchor that is its name, or is to get it: also one that nobody is\n" +
					"connected with, which create would join.",
				Call: provisionTaken,
			},
			{
				Name: "rename", Signature: "(connector: Connector, dn: string): void",
				Doc:  "Gives a connected object another name. Ask for it in every call.",
				Call: provisionRename,
			},
			{
				Name: "disconnect", Signature: "(connector: Connector): void",
				Doc:  "Cuts the link of an object; its agent's deprovisioning rule says what becomes of it.",
				Call: provisionDisconnect,
			},
			{Name: "log", Doc: "The same as the global log.", Object: host.Log},
		},
	}
)

// extensionErrors are the errors by which a rule function says something else
// than an answer (sync-engine §9.3).
var extensionErrors = []host.ErrorClass{
	{Name: "DeclineMapping", Doc: "Thrown by a flow: the attribute stays as it is.", Err: always(rules.ErrDeclineMapping)},
	{Name: "UnexpectedData", Doc: "Thrown by a rule function: the object fails as extension-unexpected-attribute-value.", Err: always(rules.ErrUnexpectedData)},
	{Name: "EntryPointNotImplemented", Doc: "Thrown by a rule function: the object fails as extension-entry-point-not-implemented.", Err: always(rules.ErrEntryPointNotImplemented)},
	{Name: "TerminateRun", Doc: "Thrown by a rule function: the run ends as stopped-user-termination-from-extension.", Err: always(rules.ErrTerminateRun)},
	{Name: "ObjectAlreadyExists", Doc: "Thrown by ctx.create and ctx.rename of a provision function if the name is taken.", Of: "object-already-exists", Err: always(errors.New("object already exists"))},
	{Name: "MissingParentObject", Doc: "Thrown by ctx.create and ctx.rename if there is no container for the name.", Of: "non-existent-parent", Err: always(errors.New("missing parent object"))},
	{Name: "NoSuchObjectType", Doc: "Thrown by ctx.create if the agent has no such object type.", Of: "no-such-object-type", Err: always(errors.New("no such object type"))},
}

func always(err error) func(any) error { return func(any) error { return err } }

func declareFlow(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 3 {
		return none, errors.New("takes a source, a name and a function")
	}
	for i, what := range []string{"source", "name"} {
		if !goja.IsString(args[i]) || strings.TrimSpace(args[i].String()) == "" {
			return none, invalid("%s is not the %s of a flow", quoted(args[i]), what)
		}
	}
	if _, ok := goja.AssertFunction(args[2]); !ok {
		return none, invalid("the third argument of %s is not a function", quoted(args[1]))
	}
	source := args[0].String()
	spec := flowName(source, args[1].String())
	if strings.Contains(source, ".") && (spec.Agent == "" || spec.Object == "") {
		e := invalid("%s is not the source of a flow", quoted(args[0]))
		e.Hint = `write "AGENT.OBJECT", such as "HR.employee", or a metaverse type`
		return none, e
	}
	return host.Declaration{Name: source + "/" + spec.Name, Spec: spec, Hooks: map[string]goja.Value{"": args[2]}}, nil
}

func declareExtension(args []goja.Value) (host.Declaration, error) {
	return declareFunctions(args, "an agent", "filter", "joinValues", "resolveJoin", "project", "deprovision")
}

func declareMetaverse(args []goja.Value) (host.Declaration, error) {
	return declareFunctions(args, "a metaverse type", "provision", "shouldDelete")
}

// declareFunctions reads a name and an object of functions. The spec is the list
// of those that are given.
func declareFunctions(args []goja.Value, of string, known ...string) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 || !goja.IsString(args[0]) || strings.TrimSpace(args[0].String()) == "" {
		return none, errors.New("takes the name of " + of + " and an object of functions")
	}
	name := args[0].String()
	o := readOptions(quoted(args[0]), args[1], known...)
	d := host.Declaration{Name: name, Hooks: map[string]goja.Value{}}
	var given []string
	for _, function := range known {
		if fn := o.function(function); fn != nil {
			d.Hooks[function] = fn
			given = append(given, function)
		}
	}
	if o.err == nil && len(given) == 0 {
		o.fail(invalid("%s has no functions", quoted(args[0])))
	}
	if o.err != nil {
		return none, o.err
	}
	d.Spec = given
	return d, nil
}

// A Reference is something of the configuration that a registration names.
type Reference struct {
	What          string // the registration, such as `flow "department"`
	Agent, Object string // an agent, and perhaps one of its object types
	Type          string // a metaverse type
	Position      fault.Position
}

// References returns what flows and rules extensions name.
func (g *Generation) References() []Reference {
	var list []Reference
	for _, r := range g.host.Registrations(flowKind.Name) {
		name := r.Spec.(rules.FlowName)
		ref := Reference{What: fmt.Sprintf("flow %q", name.Name), Agent: name.Agent, Object: name.Object, Position: r.Position}
		if name.Agent == "" {
			ref.Object, ref.Type = "", name.Object
		}
		list = append(list, ref)
	}
	for _, r := range g.host.Registrations(extensionKind.Name) {
		list = append(list, Reference{What: "extension", Agent: r.Name, Position: r.Position})
	}
	for _, r := range g.host.Registrations(controllerKind.Name) {
		list = append(list, Reference{What: "controller", Agent: r.Name, Position: r.Position})
	}
	for _, r := range g.host.Registrations(metaverseKind.Name) {
		list = append(list, Reference{What: "metaverse", Type: r.Name, Position: r.Position})
	}
	return list
}

// extensions makes the registrations rules extensions.
func (g *Generation) extensions() rules.Functions {
	f := rules.Functions{
		ByName: g.functions, Version: g.ID(),
		Flows: map[rules.FlowName]rules.Flower{}, FlowVersions: map[rules.FlowName]string{},
		Agents: map[string]rules.AgentExtension{}, Metaverse: map[string]rules.MetaverseExtension{},
	}
	for _, r := range g.host.Registrations(flowKind.Name) {
		name := r.Spec.(rules.FlowName)
		f.Flows[name], f.FlowVersions[name] = g.flow(r), r.Version
	}
	for _, r := range g.host.Registrations(extensionKind.Name) {
		f.Agents[r.Name] = g.agentExtension(r)
	}
	for _, r := range g.host.Registrations(metaverseKind.Name) {
		f.Metaverse[r.Name] = g.metaverseExtension(r)
	}
	return f
}

// A ruleCall is what the contexts of rule functions refer to.
type ruleCall struct {
	source    rules.Entry
	provision rules.ProvisioningEntry
}

func ruleCallOf(a *host.Active) *ruleCall { return a.Data().(*ruleCall) }

// rule calls a rule function on an object. The time stands still during a run,
// and what Math.random gives depends on it, on the function and on the object.
func (g *Generation) rule(ctx context.Context, r *host.Registration, about rules.Entry, data *ruleCall, body func(*host.Active) error) error {
	now := rules.Now(ctx)
	err := g.host.Do(ctx, host.Call{
		Of: r, Apart: g.apart, Now: now, Data: data, Random: randomOf(now.UnixNano(), r.Name, about.ID()),
		Log: []slog.Attr{slog.String(r.Kind, r.Name), slog.String("object", about.ID().String())},
	}, body)
	if err != nil {
		return inFunction(err, r)
	}
	return nil
}

// randomOf returns a source of numbers that depends on its arguments alone.
func randomOf(now int64, name string, id identity.ID) func() float64 {
	var source *rand.Rand
	return func() float64 {
		if source == nil {
			hash := fnv.New64a()
			hash.Write(binary.LittleEndian.AppendUint64([]byte(name), uint64(id)))
			source = rand.New(rand.NewPCG(uint64(now), hash.Sum64()))
		}
		return source.Float64()
	}
}

func (g *Generation) flow(r *host.Registration) rules.Flower {
	return func(ctx context.Context, source rules.Entry) (out expr.Value, err error) {
		err = g.rule(ctx, r, source, &ruleCall{source: source}, func(a *host.Active) error {
			result, err := a.Invoke("", entry(a, source), a.Object(flowContext))
			if err != nil {
				return err
			}
			if goja.IsNull(result) {
				out = expr.OfLiteral(expr.AuthoritativeNull)
				return nil
			}
			out, err = fromScript(a, result)
			return err
		})
		if err != nil {
			return expr.Null(), err
		}
		return out, nil
	}
}

func (g *Generation) agentExtension(r *host.Registration) rules.AgentExtension {
	given := func(name string) bool { return slices.Contains(r.Spec.([]string), name) }
	e := rules.AgentExtension{Version: r.Version}
	if given("filter") {
		e.Filter = func(ctx context.Context, cs rules.ConnectorEntry) (filtered bool, err error) {
			err = g.rule(ctx, r, cs, &ruleCall{source: cs}, func(a *host.Active) error {
				filtered, err = decision(a, "filter", entry(a, cs), a.Object(ruleContext))
				return err
			})
			return filtered && err == nil, err
		}
	}
	if given("joinValues") {
		e.JoinValues = func(ctx context.Context, script string, cs rules.ConnectorEntry) (values []identity.Value, err error) {
			err = g.rule(ctx, r, cs, &ruleCall{source: cs}, func(a *host.Active) error {
				result, err := a.Invoke("joinValues", entry(a, cs), a.Runtime().ToValue(script), a.Object(ruleContext))
				if err != nil {
					return err
				}
				v, err := fromScript(a, result)
				values = v.Values()
				return err
			})
			return values, err
		}
	}
	if given("resolveJoin") {
		e.ResolveJoin = g.resolver(r)
	}
	if given("project") {
		e.Project = func(ctx context.Context, cs rules.ConnectorEntry) (metaverseType string, err error) {
			err = g.rule(ctx, r, cs, &ruleCall{source: cs}, func(a *host.Active) error {
				result, err := a.Invoke("project", entry(a, cs), a.Object(ruleContext))
				switch {
				case err != nil:
					return err
				case declined(a, result):
				case goja.IsString(result):
					metaverseType = result.String()
				default:
					return unexpected("%s; it takes a metaverse type, or false for none", a.Describe(result))
				}
				return nil
			})
			return metaverseType, err
		}
	}
	if given("deprovision") {
		e.Deprovision = func(ctx context.Context, cs rules.ConnectorEntry) (answer rules.Deprovision, err error) {
			err = g.rule(ctx, r, cs, &ruleCall{source: cs}, func(a *host.Active) error {
				result, err := a.Invoke("deprovision", entry(a, cs), a.Object(ruleContext))
				switch {
				case err != nil:
					return err
				case nothing(result):
				case !goja.IsString(result): // no answer either, and reported as what it is
					answer = rules.Deprovision(a.Describe(result))
				case result.String() == "explicitDisconnect":
					answer = rules.ExplicitDisconnect
				default:
					answer = rules.Deprovision(result.String())
				}
				return nil
			})
			return answer, err
		}
	}
	return e
}

// resolver lets a script choose among the candidates of a join.
func (g *Generation) resolver(r *host.Registration) func(context.Context, string, rules.ConnectorEntry, []rules.MetaverseEntry) (rules.Resolution, error) {
	return func(ctx context.Context, rule string, cs rules.ConnectorEntry, candidates []rules.MetaverseEntry) (out rules.Resolution, err error) {
		err = g.rule(ctx, r, cs, &ruleCall{source: cs}, func(a *host.Active) error {
			items := make([]any, len(candidates))
			for i, candidate := range candidates {
				items[i] = entry(a, candidate)
			}
			result, err := a.Invoke("resolveJoin", entry(a, cs), a.Array(items), a.Runtime().ToValue(rule), a.Object(ruleContext))
			if err != nil {
				return err
			}
			return a.Guard(func() error {
				out, err = readResolution(a, result, candidates)
				return err
			})
		})
		if err != nil {
			return rules.Resolution{}, err
		}
		return out, nil
	}
}

func readResolution(a *host.Active, v goja.Value, candidates []rules.MetaverseEntry) (rules.Resolution, error) {
	if declined(a, v) {
		return rules.Resolution{}, nil
	}
	out := rules.Resolution{Join: true}
	if view, ok := host.ViewOf(v); ok {
		shown, ok := view.(*entryView)
		out.Index = -1
		for i, candidate := range candidates {
			if ok && shown.entry == rules.Entry(candidate) {
				out.Index = i
			}
		}
		if out.Index < 0 {
			return rules.Resolution{}, unexpected("an object that is not among the candidates")
		}
		return out, nil
	}
	if obj, ok := v.(*goja.Object); ok {
		o := readOptions("the answer", obj, "join", "type")
		changed := o.text("type")
		if o.err != nil || !o.has("join") {
			return rules.Resolution{}, unexpected("%s; it takes a candidate, its index, null, or {join, type}", a.Describe(v))
		}
		out, err := readResolution(a, o.fields["join"], candidates)
		out.Type = changed
		return out, err
	}
	n, ok := v.Export().(int64)
	if !ok {
		return rules.Resolution{}, unexpected("%s; it takes a candidate, its index, null, or {join, type}", a.Describe(v))
	}
	out.Index = int(n)
	return out, nil
}

func (g *Generation) metaverseExtension(r *host.Registration) rules.MetaverseExtension {
	given := func(name string) bool { return slices.Contains(r.Spec.([]string), name) }
	e := rules.MetaverseExtension{Version: r.Version}
	if given("provision") {
		e.Provision = func(ctx context.Context, mv rules.ProvisioningEntry) error {
			return g.rule(ctx, r, mv, &ruleCall{source: mv, provision: mv}, func(a *host.Active) error {
				_, err := a.Invoke("provision", entry(a, mv), a.Object(provisionContext))
				return err
			})
		}
	}
	if given("shouldDelete") {
		e.ShouldDelete = func(ctx context.Context, cs rules.ConnectorEntry, mv rules.MetaverseEntry) (gone bool, err error) {
			err = g.rule(ctx, r, mv, &ruleCall{source: mv}, func(a *host.Active) error {
				gone, err = decision(a, "shouldDelete", entry(a, cs), entry(a, mv), a.Object(ruleContext))
				return err
			})
			return gone && err == nil, err
		}
	}
	return e
}

// decision calls a function that must say true or false: whatever is undecided
// is an error, and never a decision.
func decision(a *host.Active, hook string, args ...goja.Value) (bool, error) {
	result, err := a.Invoke(hook, args...)
	if err != nil {
		return false, err
	}
	if answer, ok := exported(result).(bool); ok {
		return answer, nil
	}
	e := unexpected("%s", a.Describe(result))
	e.Hint = hook + " must return true or false"
	return false, e
}

// declined reports whether a function that may choose something chose nothing.
func declined(a *host.Active, v goja.Value) bool {
	return nothing(v) || v.StrictEquals(a.Runtime().ToValue(false))
}

func nothing(v goja.Value) bool { return v == nil || goja.IsUndefined(v) || goja.IsNull(v) }

// exported returns the Go value of a primitive, nil for objects and nothing.
func exported(v goja.Value) any {
	if _, ok := v.(*goja.Object); ok || nothing(v) {
		return nil
	}
	return v.Export()
}

func flowTarget(a *host.Active, _ []goja.Value) (goja.Value, error) {
	if flow, ok := ruleCallOf(a).source.(rules.FlowEntry); ok {
		return entry(a, flow.Target()), nil
	}
	return nil, nil
}

func provisionCreate(a *host.Active, args []goja.Value) (goja.Value, error) {
	if len(args) != 3 || !goja.IsString(args[0]) || !goja.IsString(args[1]) {
		return nil, errors.New("create takes an agent, an object type and the attributes")
	}
	attributes, err := attributesFromScript(a, args[2])
	if err != nil {
		return nil, err
	}
	dn := ""
	if values := attributes.Get(rules.DNAttribute); len(values) > 0 {
		dn = values[0].Text()
		attributes = attributes.Set(rules.DNAttribute)
	}
	return nil, ruleCallOf(a).provision.NewConnector(args[0].String(), args[1].String(), dn, attributes)
}

func provisionTaken(a *host.Active, args []goja.Value) (goja.Value, error) {
	if len(args) != 2 || !goja.IsString(args[0]) || !goja.IsString(args[1]) {
		return nil, errors.New("taken takes an agent and a name")
	}
	taken, err := ruleCallOf(a).provision.Taken(args[0].String(), args[1].String())
	return a.Runtime().ToValue(taken), err
}

func provisionRename(a *host.Active, args []goja.Value) (goja.Value, error) {
	connector, err := connectorArgument(args, "rename")
	if err != nil || len(args) != 2 || !goja.IsString(args[1]) {
		return nil, errors.Join(err, errors.New("rename takes a connector and its new dn"))
	}
	return nil, ruleCallOf(a).provision.Rename(connector, args[1].String())
}

func provisionDisconnect(a *host.Active, args []goja.Value) (goja.Value, error) {
	connector, err := connectorArgument(args, "disconnect")
	if err != nil {
		return nil, err
	}
	return nil, ruleCallOf(a).provision.Disconnect(connector)
}

func connectorArgument(args []goja.Value, function string) (identity.ID, error) {
	if len(args) > 0 {
		if view, ok := host.ViewOf(args[0]); ok {
			if shown, ok := view.(*entryView); ok {
				if c, ok := shown.entry.(rules.ConnectorEntry); ok {
					return c.ID(), nil
				}
			}
		}
	}
	e := fault.New(host.NameUnexpectedValue, "%s takes a connector, as $connectors returns it", function)
	return 0, e
}
