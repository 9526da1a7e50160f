package scripting

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

const (
	// defaultBatch is how many changes a script exports in one call unless the type
	// says otherwise: one request each, at a second or less, is done in time.
	defaultBatch = 20

	maxBatch = 10_000
)

// agentTypeKind registers a kind of connected system (sync-engine §10).
var agentTypeKind = host.Kind{
	Name:      "agentType",
	Signature: "(name: string, type: AgentType): void",
	Doc: "Registers a type of management agent, which the configuration names as `type: badge-api`:\n" +
		"`agentType(\"badge-api\", { schema: {...}, import(ctx) {...}, export(ctx, changes) {...} })`.\n" +
		"Its functions may reach out. Nothing is kept in variables between two calls: what one call leaves for the next is\n" +
		"the session, the cursor and the watermark.",
	Declare: declareAgentType,
}

// The functions of an agent type, as its hooks are called.
const (
	hookSchema     = "schema"
	hookPartitions = "partitions"
	hookOpen       = "open"
	hookImport     = "import"
	hookRead       = "read"
	hookExport     = "export"
	hookClose      = "close"
)

var (
	agentFunctions = []string{hookOpen, hookImport, hookRead, hookExport, hookClose}
	agentOptions   = append([]string{"doc", "settings", "capabilities", "timeout", "batchSize", hookSchema, hookPartitions}, agentFunctions...)
)

// An agentTypeSpec is an agent type as it was registered, without its functions.
type agentTypeSpec struct {
	Doc          string
	Settings     []agentSetting // what agents can be told
	Declared     bool           // nothing else than Settings
	Capabilities agent.Capabilities
	Timeout      time.Duration
	Batch        int
	Schema       *identity.Schema  // nil if a function tells it
	Partitions   []agent.Partition // unless a function tells them
	Functions    []string          // that are given, in the order of agentOptions
}

func (s *agentTypeSpec) has(function string) bool { return slices.Contains(s.Functions, function) }

var agentTypeName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func declareAgentType(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 {
		return none, errors.New("takes a name and an object")
	}
	if !goja.IsString(args[0]) || !agentTypeName.MatchString(args[0].String()) {
		e := invalid("%s is not the name of an agent type", quoted(args[0]))
		e.Hint = `write it in small letters, digits and hyphens, such as "badge-api"`
		return none, e
	}
	name := args[0].String()
	o := readOptions(strconv.Quote(name), args[1], agentOptions...)
	spec := &agentTypeSpec{Doc: o.text("doc"), Timeout: o.duration("timeout"), Batch: o.whole("batchSize", 1, maxBatch)}
	spec.Batch = cmp.Or(spec.Batch, defaultBatch)
	if spec.Timeout > host.MaxTimeout {
		o.fail(invalid("%q: timeout is longer than %s", name, host.MaxTimeout))
	}
	d := host.Declaration{Name: name, Spec: spec, Hooks: map[string]goja.Value{}}
	for _, function := range []string{hookSchema, hookPartitions} {
		if isFunction(o.fields[function]) {
			d.Hooks[function] = o.fields[function]
			spec.Functions = append(spec.Functions, function)
		}
	}
	for _, function := range agentFunctions {
		if fn := o.function(function); fn != nil {
			d.Hooks[function] = fn
			spec.Functions = append(spec.Functions, function)
		}
	}
	spec.Settings, spec.Declared = o.settings("settings")
	spec.Capabilities = o.capabilities("capabilities")
	o.staticSchema(spec)
	if given := o.fields[hookPartitions]; given != nil && !spec.has(hookPartitions) {
		partitions, err := readPartitions(given)
		o.fail(err)
		spec.Partitions = partitions
	}
	switch {
	case o.err != nil:
	case !spec.has(hookImport) && !spec.has(hookExport):
		o.fail(invalid("%q needs import, export or both", name))
	case spec.has(hookRead) && !spec.has(hookImport):
		o.fail(invalid("%q: read has a meaning only with import", name))
	case spec.Capabilities.AllOrNothing && spec.has(hookExport) && !spec.has(hookClose):
		o.fail(invalid("%q: allOrNothing needs close, which carries out what export was given", name))
	case spec.Capabilities.AnchorIsDN && spec.Capabilities.LDAPNames:
		o.fail(invalid("%q: what names are cannot be both, anchorIsDN and ldapNames", name))
	}
	if o.err != nil {
		return none, o.err
	}
	return d, nil
}

// staticSchema reads a schema that is data, and not told by a function.
func (o *options) staticSchema(spec *agentTypeSpec) {
	switch {
	case spec.has(hookSchema):
	case !o.has(hookSchema):
		o.fail(invalid("%s needs a schema", o.what))
	default:
		schema, err := readSchema(o.fields[hookSchema])
		o.fail(err)
		spec.Schema = &schema
	}
}

func isFunction(v goja.Value) bool {
	_, ok := goja.AssertFunction(v)
	return ok
}

// flag returns true or false, false if the option is absent.
func (o *options) flag(name string) bool {
	v := o.fields[name]
	if v == nil {
		return false
	}
	on, ok := exported(v).(bool)
	if !ok {
		o.fail(invalid("%s: %s must be true or false", o.what, name))
	}
	return on
}

// whole returns a whole number within bounds, 0 if the option is absent.
func (o *options) whole(name string, least, most int64) int {
	v := o.fields[name]
	if v == nil {
		return 0
	}
	n, ok := exported(v).(int64)
	if !ok || n < least || n > most {
		o.fail(invalid("%s: %s must be a whole number from %d to %d", o.what, name, least, most))
	}
	return int(n)
}

// choiceIndex returns the index of one of several words, 0 if the option is absent.
func (o *options) choiceIndex(name string, words ...string) int {
	return max(0, slices.Index(words, o.choice(name, words...)))
}

// Kinds returns the kinds of connected systems that a configuration may name: those
// that are built in, and the agent types of the scripts. An agent type that is called
// like a kind that is built in is an error.
func (g *Generation) Kinds(builtIn []agent.Kind) ([]agent.Kind, error) {
	kinds := slices.Clone(builtIn)
	var problems fault.List
	for _, r := range g.host.Registrations(agentTypeKind.Name) {
		if slices.ContainsFunc(builtIn, func(k agent.Kind) bool { return k.Name == r.Name }) {
			e := invalid("%s: the type %q is built in", agentTypeKind.Name, r.Name)
			e.Position = r.Position
			problems = append(problems, e)
			continue
		}
		kinds = append(kinds, g.kind(r))
	}
	return kinds, problems.Err()
}

func (g *Generation) kind(r *host.Registration) agent.Kind {
	spec := r.Spec.(*agentTypeSpec)
	kind := agent.Kind{
		Name: r.Name, Version: r.Version,
		Doc: cmp.Or(spec.Doc, "A connected system that a script implements, see "+agentTypeKind.Name+"."),
	}
	written := agentKeys{generation: g, r: r, Timeout: cmp.Or(spec.Timeout, host.MaxTimeout)}
	if slices.ContainsFunc(spec.Settings, func(s agentSetting) bool { return s.Required }) {
		kind.New = func() agent.Settings { return &neededSettings{written, spec.form()} }
	} else {
		kind.New = func() agent.Settings { return &optionalSettings{written, spec.form()} }
	}
	return kind
}
