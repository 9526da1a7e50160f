package config

import (
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// DefaultState is where the state is unless the configuration says otherwise.
const DefaultState = ".metasync"

// keys is a configuration file as it is written.
type keys struct {
	Include    []word               `yaml:"include" doc:"Files that belong to this configuration, relative to the file that includes them; a name may hold the wildcards of a shell. Their agents, metaverse types and rules come after those of the file itself."`
	State      agent.Path           `yaml:"state" default:".metasync" doc:"Folder of the store."`
	Scripts    agent.Path           `yaml:"scripts" default:"scripts" doc:"Folder of the scripts, which is watched."`
	Dialect    string               `yaml:"dialect" oneof:"fim entra" default:"fim" doc:"Dialect of the expressions, unless a rule says otherwise."`
	Parameters named[parameter]     `yaml:"parameters" doc:"Parameters of the expressions: a text, a number, true or false each; $name in the dialect fim, %name% in entra."`
	Precedence string               `yaml:"precedence" oneof:"fim entra" default:"fim" doc:"Whose value wins. fim: that of the agent that the attribute ranks first, and among its rules that of the first rule; entra: that of the rule with the smallest precedence over all agents."`
	Metaverse  named[metaverseType] `yaml:"metaverse" doc:"The object types of the metaverse."`
	Provision  string               `yaml:"provisioning" oneof:"none scripted sync-rule both" default:"both" doc:"Who may create, rename and disconnect objects of the systems: the rules, the scripts, both or none. Attributes flow in any case to objects that are connected."`
	Agents     named[agentForm]     `yaml:"agents" doc:"The management agents. Their order is the default precedence of attributes: the first is the strongest."`
	Rules      []rule               `yaml:"rules" doc:"The synchronization rules: inbound, outbound, or both in one."`
	Workflows  []workflow           `yaml:"workflows" doc:"What is done about objects after something happened to them."`
	Autosync   autosyncForm         `yaml:"autosync" doc:"The scheduler."`
	Notify     notifyForm           `yaml:"notify" doc:"Who is told what went wrong, and that it is right again."`
	History    History              `yaml:"history" doc:"The run history."`
	Log        Log                  `yaml:"log" doc:"The log of the daemon."`
	Scripting  Scripting            `yaml:"scripting" doc:"The script host."`
	Console    consoleForm          `yaml:"console" doc:"Where the daemon listens."`
	Lookups    named[lookup]        `yaml:"lookups" doc:"The tables in which scripts look values up, by name."`
}

// Autosync is the configuration of the scheduler.
type Autosync struct {
	Mode                 string        `yaml:"mode" oneof:"supported overlap exclusive" default:"overlap" doc:"Which runs may go on at the same time. supported: a synchronization runs alone; overlap: imports and exports may run beside one synchronization; exclusive: one run at a time."`
	Export               string        `yaml:"export" oneof:"auto off" default:"auto" doc:"Whether the scheduler exports at all. off is staging mode: everything is imported and synchronized, and exports are left to manual runs."`
	Stagger              time.Duration `yaml:"stagger" default:"0s" doc:"Least time between the starts of two runs."`
	NeverTogether        [][]string    `yaml:"neverTogether" doc:"Lists of agents of which only one runs at a time."`
	FullSyncOnRuleChange string        `yaml:"fullSyncOnRuleChange" oneof:"auto hold off" default:"auto" doc:"auto: after a change of rules or scripts the objects about which they decide are synchronized fully; hold: nothing of their agents is synchronized before that was requested; off: only on request."`
	Coalesce             time.Duration `yaml:"coalesce" default:"0s" doc:"How long pending imports of an agent wait for more of them before they are synchronized together."`
	StuckAfter           time.Duration `yaml:"stuckAfter" default:"1h" doc:"After which time a run is reported as stuck; one that usually takes longer, after three times its usual time."`
	Exclusions           []Exclusion   `yaml:"exclusions" doc:"Times in which nothing starts by itself."`
	Retry                Retry         `yaml:"retry" doc:"Runs that are tried again soon after they stopped."`
}

// Retry says which runs are tried again soon, and how often.
type Retry struct {
	Results []string      `yaml:"results" doc:"The results of such runs; stopped-deadlocked and stopped-connectivity if absent."`
	Times   int           `yaml:"times" default:"5" doc:"How often in a row; -1 is for ever. After that, and with every other result, the time between two tries grows from 5 seconds to 5 minutes."`
	Wait    time.Duration `yaml:"wait" default:"5s" doc:"How long before the first try; before the second it is twice as long, and so on."`
}

// autosyncForm keeps the places of the agents that the scheduler's keys name.
type autosyncForm struct {
	Autosync
	agents []word
}

func (a *autosyncForm) decode(l *loader, n *node) {
	l.fill(n, &a.Autosync)
	if lists := n.get("exclusions"); lists != nil {
		for _, list := range lists.items {
			if named := list.get("agents"); named != nil {
				for _, item := range named.items {
					a.agents = append(a.agents, word{item.text, item.written, item.at})
				}
			}
		}
	}
	if lists := n.get("neverTogether"); lists != nil {
		for _, list := range lists.items {
			for _, item := range list.items {
				a.agents = append(a.agents, word{item.text, item.written, item.at})
			}
		}
	}
}

func (a *autosyncForm) schema(g *generator) *jsonschema.Schema { return g.object(&a.Autosync) }

// History says what is kept of the run history.
type History struct {
	Keep  time.Duration `yaml:"keep" default:"30d" doc:"How long a run is kept."`
	Count int           `yaml:"count" default:"0" doc:"How many runs are kept at most; 0 is any number."`

	SaveTo agent.Path `yaml:"saveTo" doc:"Folder into which runs are saved before they are removed, as JSON Lines; without it they are not saved. What cannot be saved is not removed."`

	Details      bool `yaml:"details" default:"true" doc:"Whether the objects behind counters are kept with a run."`
	DetailsLimit int  `yaml:"detailsLimit" default:"100000" doc:"Of how many objects at most, for each counter of a step."`
}

func (h *History) check(l *loader, n *node) {
	if count := n.get("count"); count != nil && h.Count < 0 {
		l.fail(count.at, "count must not be negative")
	}
	if limit := n.get("detailsLimit"); limit != nil && h.DetailsLimit < 1 {
		e := l.fail(limit.at, "detailsLimit must be 1 at least")
		e.Hint = "details: false keeps none"
	}
}

func (h *History) refine(s *jsonschema.Schema) {
	s.Properties["count"].Minimum = ptr(0.0)
	s.Properties["detailsLimit"].Minimum = ptr(1.0)
}

// Scripting is the configuration of the script host.
type Scripting struct {
	Timeout time.Duration `yaml:"timeout" default:"1s" doc:"How long one call of a rule function may take."`
	Workers int           `yaml:"workers" default:"0" doc:"How many calls may run at the same time; 0 is one per processor."`
	Memory  Size          `yaml:"memory" default:"512MiB" doc:"By how much the memory of the process may grow while scripts run, before calls that take long are ended and everything that variables of scripts hold is thrown away."`
	Allow   Allow         `yaml:"allow" doc:"What the scripts may reach that may reach out, such as triggers. Nothing is granted by default."`
	Guard   Guard         `yaml:"guard" doc:"When a change of scripts or rules is held for approval."`
	Secrets Secrets       `yaml:"secrets" doc:"Secrets for requests of scripts, by name: each is ${env:NAME} or ${file:PATH}. Scripts can pass them on, but not see them."`

	SQL  Databases   `yaml:"sql" doc:"Databases that scripts may ask which may reach out, by name. To declare one is to grant it."`
	LDAP Directories `yaml:"ldap" doc:"Directory servers that such scripts may read, by name. To declare one is to grant it."`
}

// minMemory leaves the program room to breathe beside the scripts.
const minMemory = 16 << 20

func (s *Scripting) check(l *loader, n *node) {
	if timeout := n.get("timeout"); timeout != nil && s.Timeout == 0 {
		l.fail(timeout.at, "timeout must be longer than nothing")
	}
	if memory := n.get("memory"); memory != nil && s.Memory < minMemory {
		l.fail(memory.at, "memory must be 16MiB at least")
	}
	if workers := n.get("workers"); workers != nil && s.Workers < 0 {
		l.fail(workers.at, "workers must not be negative")
	}
}

func (s *Scripting) refine(schema *jsonschema.Schema) {
	schema.Properties["workers"].Minimum = ptr(0.0)
}

// A metaverseType is an object type of the metaverse.
type metaverseType struct {
	Attributes named[metaverseAttribute] `yaml:"attributes" doc:"The attributes: a type, or a mapping."`
	Delete     deletion                  `yaml:"delete" doc:"When an object is deleted: last-connector, held, or a mapping."`
}

// A metaverseAttribute is written as a type alone or as a mapping.
type metaverseAttribute struct {
	Type       attributeType
	Indexed    bool
	Unique     bool
	Precedence precedence
}

type metaverseAttributeKeys struct {
	Type       attributeType `yaml:"type" default:"string" doc:"The data type."`
	Indexed    bool          `yaml:"indexed" default:"false" doc:"Whether searches for the attribute are fast. Attributes that joins use are indexed in any case."`
	Unique     bool          `yaml:"unique" default:"false" doc:"Whether no two objects of the type may have a value in common, whatever its case."`
	Precedence precedence    `yaml:"precedence" doc:"The agents, the strongest first; or equal, which is deprecated: the last one who writes wins; or manual: scripts decide."`
}

func (a *metaverseAttribute) decode(l *loader, n *node) {
	a.Type = stringType
	if n.kind != mappingNode {
		a.Type.decode(l, n)
		return
	}
	var k metaverseAttributeKeys
	l.fill(n, &k)
	*a = metaverseAttribute(k)
}

func (a *metaverseAttribute) schema(g *generator) *jsonschema.Schema {
	return g.define("metaverse attribute", g.shortOrMapping(new(attributeType).schema(g), &metaverseAttributeKeys{}))
}

// A precedence is equal, manual or a list of agents.
type precedence struct {
	rules.Precedence
	agents []word
}

var precedenceModes = []string{string(rules.Equal), string(rules.Manual)}

func (p *precedence) decode(l *loader, n *node) {
	switch n.kind {
	case textNode:
		if l.choice(n, precedenceModes) {
			p.Mode = rules.PrecedenceMode(n.text)
		}
	case listNode:
		p.Mode = rules.Ranked
		l.fill(n, &p.agents)
		l.unique(p.agents)
		p.Agents = words(p.agents)
	default:
		l.fail(n.at, "want a list of agents, equal or manual, not %s", n.kind)
	}
}

func (p *precedence) schema(g *generator) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		g.choice(precedenceModes),
		{Type: "array", Items: textSchema(), UniqueItems: true},
	}}
}

// A deletion is last-connector or held alone, or a mapping.
type deletion struct {
	deletionKeys
	at fault.Position
}

type deletionKeys struct {
	When   string `yaml:"when" oneof:"last-connector any-of held" doc:"last-connector: when no connector is left; any-of: when an object loses its connector of one of the agents; held: when no rule holds the object any more, see link."`
	Ignore []word `yaml:"ignore" doc:"With last-connector: agents whose connectors do not count."`
	Agents []word `yaml:"agents" doc:"With any-of: the agents."`
	Script bool   `yaml:"script" doc:"Always true: a script decides."`
}

// deletionWords are the deletion rules that need nothing else.
var deletionWords = []string{string(rules.LastConnector), string(rules.Held)}

func (d *deletion) decode(l *loader, n *node) {
	d.at = n.at
	if n.kind == textNode {
		if l.choice(n, deletionWords) {
			d.When = n.text
		}
		return
	}
	if l.want(n, mappingNode) {
		l.fill(n, &d.deletionKeys)
	}
}

func (d *deletion) schema(g *generator) *jsonschema.Schema {
	return g.shortOrMapping(g.choice(deletionWords), &deletionKeys{})
}

func (d *deletionKeys) check(l *loader, n *node) {
	l.exactlyOne(n, "when", "script")
	if script := n.get("script"); script != nil && script.kind == booleanNode && !d.Script {
		l.fail(script.at, "script can only be true")
	}
	ignore, agents := n.get("ignore"), n.get("agents")
	if ignore != nil && d.When != string(rules.LastConnector) {
		l.fail(ignore.at, "ignore has no meaning without when: last-connector")
	}
	switch {
	case agents != nil && d.When != string(rules.AnyOf):
		l.fail(agents.at, "agents has no meaning without when: any-of")
	case agents == nil && d.When == string(rules.AnyOf):
		l.fail(n.at, "any-of needs agents")
	case agents != nil && agents.kind == listNode && len(agents.items) == 0:
		l.fail(agents.at, "any-of needs at least one agent")
	}
	l.unique(d.Ignore)
	l.unique(d.Agents)
}

func (d *deletionKeys) refine(s *jsonschema.Schema) {
	exactlyOneOf(s, "when", "script")
	onlyTrue(s, "script")
	s.Properties["ignore"].UniqueItems = true
	s.Properties["agents"].UniqueItems = true
	s.Properties["agents"].MinItems = ptr(1)
	when := func(value rules.DeletionCondition) *jsonschema.Schema {
		return &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"when": {Const: ptr(any(string(value)))}}}
	}
	anyOf := when(rules.AnyOf)
	anyOf.Required = []string{"when"}
	// Without when, both conditions hold, and both keys are forbidden.
	s.AllOf = append(s.AllOf,
		&jsonschema.Schema{If: anyOf, Then: &jsonschema.Schema{Required: []string{"agents"}}},
		&jsonschema.Schema{If: when(rules.LastConnector), Then: without("agents")},
		&jsonschema.Schema{If: when(rules.AnyOf), Then: without("ignore")},
		&jsonschema.Schema{If: when(rules.Held), Then: without("agents")},
		&jsonschema.Schema{If: when(rules.Held), Then: without("ignore")},
	)
}

// rule returns the deletion as the rules have it.
func (d *deletion) rule() rules.DeletionRule {
	return rules.DeletionRule{
		When: rules.DeletionCondition(d.When), Ignore: words(d.Ignore), Agents: words(d.Agents),
		Script: d.Script, Position: d.at,
	}
}
