package config

import (
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A Workflow says what is done about objects after something happened to them.
type Workflow struct {
	Name     string
	On       string // a counter of a run
	Agent    string
	Object   string // "" for all types
	Where    string // an expression, "" for all objects
	Activity string
	Timeout  time.Duration
	Retries  int
	Wait     time.Duration

	Position   fault.Position
	WhereAt    fault.Position
	ActivityAt fault.Position
}

// workflow is a workflow as it is written.
type workflow struct {
	Name     word          `yaml:"name,required" doc:"Its name, which no other workflow has."`
	On       counterName   `yaml:"on,required" doc:"What has to happen to an object: a counter of a run, such as export-add, export-delete, disconnector-projected-flow or stage-delete."`
	Agent    word          `yaml:"agent,required" doc:"The agent whose objects they are. For counters of what flows out, that which it flows to."`
	Object   word          `yaml:"object" doc:"The object type; without it every one."`
	Where    word          `yaml:"where" doc:"An =expression that must be true for the object."`
	Activity word          `yaml:"activity,required" doc:"What is called for each such object: the name of an activity of a script."`
	Timeout  interval      `yaml:"timeout" default:"10s" doc:"How long one call may take, 30s at most."`
	Retry    workflowRetry `yaml:"retry" doc:"What becomes of a call that failed."`

	at fault.Position
}

type workflowRetry struct {
	Times int      `yaml:"times" default:"5" doc:"How often it is tried again, 100 times at most. Then it has failed until somebody decides."`
	Wait  interval `yaml:"wait" default:"1m" doc:"How long before the first time; before the second it is twice as long, and so on up to 6h."`
}

// Bounds of calls of activities.
const (
	maxActivityTime = 30 * time.Second
	maxRetries      = 100
)

func (w *workflow) check(l *loader, n *node) {
	w.at = n.at
	if given := n.get("timeout"); given != nil && w.Timeout.length > maxActivityTime {
		l.fail(given.at, "timeout may be %s at most", maxActivityTime)
	}
}

func (w *workflow) refine(*jsonschema.Schema) {}

func (r *workflowRetry) check(l *loader, n *node) {
	if given := n.get("times"); given != nil && given.kind == numberNode && (r.Times < 0 || r.Times > maxRetries) {
		l.fail(given.at, "times must be a number from 0 to %d", maxRetries)
	}
}

func (r *workflowRetry) refine(s *jsonschema.Schema) {
	s.Properties["times"].Minimum, s.Properties["times"].Maximum = ptr(0.0), ptr(float64(maxRetries))
}

// A counterName is the name of a counter of runs that leads to objects.
type counterName string

func counterNames() (names []string) {
	for _, group := range []run.CounterGroup{run.StagingCounters, run.InboundCounters, run.OutboundCounters, run.ExportCounters} {
		names = append(names, run.DetailedCounters(group)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *counterName) decode(l *loader, n *node) {
	var w word
	if w.decode(l, n); w.text != "" && l.exists("counter", w, counterNames()) {
		*c = counterName(w.text)
	}
}

func (c *counterName) schema(g *generator) *jsonschema.Schema { return g.choice(counterNames()) }

// workflows returns the workflows, and notes those that name what there is not.
func (l *loader) workflows(k *keys) []Workflow {
	var list []Workflow
	first := map[string]fault.Position{}
	for i := range k.Workflows {
		w := &k.Workflows[i]
		if at, again := first[w.Name.text]; again && w.Name.text != "" {
			l.fail(w.Name.at, "workflow %q is already given at %s", w.Name.written, at)
			continue
		}
		first[w.Name.text] = w.Name.at
		if l.exists("agent", w.Agent, k.Agents.names()) {
			if objects := k.Agents.get(w.Agent.text).Objects; len(objects) > 0 {
				l.exists("object type", w.Object, objects.names())
			}
		}
		list = append(list, Workflow{
			Name: w.Name.text, On: string(w.On), Agent: w.Agent.text, Object: w.Object.text, Where: w.Where.text, Activity: w.Activity.text,
			Timeout: w.Timeout.length, Retries: w.Retry.Times, Wait: w.Retry.Wait.length,
			Position: w.at, WhereAt: w.Where.at, ActivityAt: w.Activity.at,
		})
	}
	return list
}
