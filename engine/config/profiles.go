package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/run"
)

// steps are the steps of a run profile, each a type alone or a mapping.
type steps []run.Step

type stepKeys struct {
	Type      stepType      `yaml:"type,required" doc:"What the step does."`
	Partition word          `yaml:"partition" doc:"The part of the system that is imported or exported; without it all of them, one after the other."`
	Page      count         `yaml:"page" doc:"Entries of an import that are read, and stored, together; 0 leaves it to the engine."`
	Batch     count         `yaml:"batch" doc:"Objects of a synchronization that are stored together, or changes of an export that are sent together; 0 leaves it to the engine."`
	Full      bool          `yaml:"full" default:"false" doc:"Whether an export carries every connected object whole, also those of which nothing has changed. The agent must be able to."`
	TimeLimit time.Duration `yaml:"timeLimit" doc:"How long the step may take. Then it stops; what it has done stays, and an import deletes nothing. 0s is any time."`
	Objects   count         `yaml:"objects" doc:"Entries, objects or changes at which the step may look; with more of them it stops, and an import deletes nothing. 0 is any number."`
	Deletes   limit         `yaml:"deletes" doc:"Deletions that the step may find or carry out, in place of the agent's threshold; 100% is without limit."`
	Errors    count         `yaml:"errors" doc:"Objects with errors that the step may have, in place of the agent's threshold or 5000; with more of them it stops. 0 is any number."`
	Join      string        `yaml:"join" oneof:"all" doc:"all: the join criteria are tried again for objects that are linked, too. One that they lead elsewhere moves there."`
	Unchanged bool          `yaml:"syncUnchanged" default:"false" doc:"Whether objects that the import reports unchanged are synchronized as well, fully."`
	Drop      agent.Path    `yaml:"drop" doc:"A file for what was read or would be sent; nothing else happens."`
	Audit     agent.Path    `yaml:"audit" doc:"A file for what was read or is sent."`
	Resume    agent.Path    `yaml:"resume" doc:"A file that the step takes instead of what the system has or what is pending."`
}

// Which keys have a meaning for which steps.
var (
	importKeys     = []string{"partition", "page", "deletes", "audit", "resume"}
	exportKeys     = []string{"partition", "batch", "full", "deletes", "drop", "audit", "resume"}
	onlyImportKeys = []string{"drop"} // not where a synchronization follows
	syncKeys       = []string{"batch"}
	joinKeys       = []string{"join"}                                                                                              // where everything is synchronized
	unchangedKeys  = []string{"syncUnchanged"}                                                                                     // where only what is pending is synchronized, after an import
	someKeys       = []string{"partition", "page", "batch", "full", "deletes", "join", "syncUnchanged", "drop", "audit", "resume"} // all that are in one of these
)

// stepKeysOf lists those of someKeys that a step of a type may have.
func stepKeysOf(t run.StepType) []string {
	switch {
	case t == run.Export:
		return exportKeys
	case t == run.FullSync:
		return slices.Concat(syncKeys, joinKeys)
	case t.Import() == "":
		return syncKeys
	case t.Sync() == "":
		return slices.Concat(importKeys, onlyImportKeys)
	case t.Sync() == run.FullSync:
		return slices.Concat(importKeys, syncKeys, joinKeys)
	}
	return slices.Concat(importKeys, syncKeys, unchangedKeys)
}

func (k *stepKeys) check(l *loader, n *node) {
	if both := n.given("full", "resume"); len(both) > 1 {
		l.fail(n.get(both[1]).at, "the keys %s exclude each other", strings.Join(both, " and "))
	}
	if files := n.given("drop", "audit", "resume"); len(files) > 1 {
		l.fail(n.get(files[1]).at, "the keys %s exclude each other", strings.Join(files, " and "))
	}
	if k.Type == "" {
		return
	}
	allowed := stepKeysOf(run.StepType(k.Type))
	for _, key := range someKeys {
		if given := n.get(key); given != nil && !slices.Contains(allowed, key) {
			l.fail(given.at, "%s has no meaning in a step %s", key, k.Type)
		}
	}
}

func (k *stepKeys) refine(s *jsonschema.Schema) {
	for _, pair := range [][]string{{"drop", "audit"}, {"drop", "resume"}, {"audit", "resume"}, {"full", "resume"}} {
		s.AllOf = append(s.AllOf, &jsonschema.Schema{Not: &jsonschema.Schema{Required: pair}})
	}
	for _, t := range run.StepTypes {
		then := &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{}}
		for _, key := range someKeys {
			if !slices.Contains(stepKeysOf(t), key) {
				then.Properties[key] = never()
			}
		}
		s.AllOf = append(s.AllOf, &jsonschema.Schema{
			If: &jsonschema.Schema{
				Required:   []string{"type"},
				Properties: map[string]*jsonschema.Schema{"type": {Const: ptr(any(string(t)))}},
			},
			Then: then,
		})
	}
}

// step returns the step as the engine has it.
func (k *stepKeys) step() run.Step {
	return run.Step{
		Type: run.StepType(k.Type), Partition: k.Partition.text, PartitionAt: k.Partition.at,
		Page: k.Page.Count, Batch: k.Batch.Count, Full: k.Full, TimeLimit: k.TimeLimit,
		Objects: k.Objects.Count, Errors: run.Limit(k.Errors), Deletes: run.Limit(k.Deletes),
		JoinAll: k.Join == "all", SyncUnchanged: k.Unchanged,
		Drop: string(k.Drop), Audit: string(k.Audit), Resume: string(k.Resume),
	}
}

func (s *steps) decode(l *loader, n *node) {
	if !l.want(n, listNode) {
		return
	}
	if len(n.items) == 0 {
		l.fail(n.at, "a run profile needs at least one step")
	}
	for _, item := range n.items {
		var k stepKeys
		if item.kind == mappingNode {
			l.fill(item, &k)
		} else {
			k.Type.decode(l, item)
		}
		*s = append(*s, k.step())
	}
}

func (s *steps) schema(g *generator) *jsonschema.Schema {
	step := g.define("step", g.shortOrMapping(new(stepType).schema(g), &stepKeys{}))
	return &jsonschema.Schema{Type: "array", MinItems: ptr(1), Items: step}
}

// A count is a number of objects.
type count run.Limit

const maxCount = 999999999

func (c *count) decode(l *loader, n *node) {
	if n.kind != numberNode && n.kind != textNode || !countPattern.MatchString(n.text) {
		text := n.kind.String()
		if n.kind == numberNode || n.kind == textNode {
			text = n.written
		}
		l.fail(n.at, "want a number of objects such as 50, not %s", text)
		return
	}
	number, _ := strconv.Atoi(n.text) // the pattern holds
	*c = count{Count: number, IsSet: true}
}

func (c *count) schema(g *generator) *jsonschema.Schema {
	return g.define("count", &jsonschema.Schema{
		Description: "A number of objects.",
		AnyOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: ptr(0.0), Maximum: ptr(float64(maxCount))},
			{Type: "string", Pattern: countPattern.String()},
			g.reference(),
		},
	})
}

var countPattern = regexp.MustCompile(`^[0-9]{1,9}$`)
