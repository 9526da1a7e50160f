package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// The kinds of orphans.
const (
	AgentNotConfigured         = "agent-not-configured"
	PartitionNotConfigured     = "partition-not-configured"
	ObjectTypeNotConfigured    = "object-type-not-configured"
	MetaverseTypeNotConfigured = "metaverse-type-not-configured"
)

// An Orphan is something that the configuration no longer has, and of which there
// are objects: nobody decides about them, they keep their links, and nothing is
// deleted by itself. If the configuration has it again, everything goes on as
// before. Its JSON form is the public one.
type Orphan struct {
	Type      string `json:"type"`
	Agent     string `json:"agent,omitempty"`
	Partition string `json:"partition,omitempty"`
	Object    string `json:"object,omitempty"`
	Metaverse string `json:"metaverse,omitempty"`
	Objects   int    `json:"objects"`
	Linked    int    `json:"linked"` // to the metaverse
	Command   string `json:"command"`
}

// Warning returns the orphan as the warning that [Engine.Configure] gives.
func (o Orphan) Warning() *fault.Error {
	var text, back string
	switch o.Type {
	case AgentNotConfigured:
		text, back = "the configuration no longer has the agent", "if it only has another name now, give it the old one back"
	case PartitionNotConfigured:
		text, back = fmt.Sprintf("the agent no longer has the partition %q", o.Partition), "if that is a mistake, put it back"
	case ObjectTypeNotConfigured:
		text, back = fmt.Sprintf("the configuration no longer has the object type %q", o.Object), "if that is a mistake, put it back"
	default:
		err := fault.New(o.Type, "the configuration no longer has the metaverse type %q, and there are still %d objects of it", o.Metaverse, o.Objects)
		err.Hint = "if that is a mistake, put it back; nothing is deleted until then, or until " + o.Command
		return err
	}
	err := fault.New(o.Type, "%s, and %d of its objects are still linked to the metaverse, of %d that are known", text, o.Linked, o.Objects)
	err.Agent = o.Agent
	err.Hint = back + "; nothing is deleted until then, or until " + o.Command
	return err
}

// IsOrphan reports whether a warning of [Engine.Configure] is that of an orphan.
func IsOrphan(warning error) bool {
	switch fault.Name(warning) {
	case AgentNotConfigured, PartitionNotConfigured, ObjectTypeNotConfigured, MetaverseTypeNotConfigured:
		return true
	}
	return false
}

// command returns what removes the orphan, as one types it.
func (o Orphan) command() string {
	quoted := func(name string) string {
		if strings.ContainsFunc(name, isSpecial) {
			return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
		}
		return name
	}
	switch o.Type {
	case PartitionNotConfigured:
		return fmt.Sprintf("metasync remove %s --partition %s", quoted(o.Agent), quoted(o.Partition))
	case ObjectTypeNotConfigured:
		return fmt.Sprintf("metasync remove %s --object %s", quoted(o.Agent), quoted(o.Object))
	case MetaverseTypeNotConfigured:
		return "metasync remove --metaverse " + quoted(o.Metaverse)
	}
	return "metasync remove " + quoted(o.Agent)
}

// isSpecial reports whether a shell could take a character for something else.
func isSpecial(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// Orphans returns what the configuration no longer has and of which there are
// objects: agents, then their partitions and object types, ordered by agent, then
// metaverse types.
func (e *Engine) Orphans() ([]Orphan, error) {
	env := e.current.Load()
	if env == nil {
		return nil, ErrNotConfigured
	}
	return e.orphans(env)
}

// OrphansOf returns what another definition does not have, likewise. It changes
// nothing.
func (e *Engine) OrphansOf(ctx context.Context, d Definition, functions rules.Functions) ([]Orphan, error) {
	env, _, err := e.compile(ctx, d, functions)
	if err != nil {
		return nil, err
	}
	return e.orphaned(ctx, env)
}

// orphans looks at objects only where it is known that the configuration had
// something that it has no longer.
func (e *Engine) orphans(env *environment) (list []Orphan, err error) {
	err = e.space.View(func(tx *space.Tx) error {
		for _, name := range e.space.Agents() {
			found, err := env.orphansOf(tx, name)
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		gone, err := knownTypes(tx, "")
		if err != nil {
			return err
		}
		gone = without(gone, env.Rules.Types())
		if len(gone) == 0 {
			return nil
		}
		counts := make([]int, len(gone))
		for o, err := range tx.Objects() {
			if err != nil {
				return err
			}
			if i := slices.Index(gone, o.Type); i >= 0 {
				counts[i]++
			}
		}
		for i, name := range gone {
			if counts[i] > 0 {
				list = append(list, Orphan{Type: MetaverseTypeNotConfigured, Metaverse: name, Objects: counts[i], Linked: counts[i]})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for what the configuration no longer has: %w", err)
	}
	for i := range list {
		list[i].Command = list[i].command()
	}
	return list, nil
}

// orphansOf returns what is orphaned of one agent.
func (env *environment) orphansOf(tx *space.Tx, name string) (list []Orphan, err error) {
	if env.Agents[name] == nil {
		counters := tx.Counters(name)
		o := Orphan{Type: AgentNotConfigured, Agent: name}
		for _, n := range counters[:space.CountPlaceholder] { // those of the states
			o.Objects += int(n)
		}
		o.Linked = int(counters[space.CountConnector] + counters[space.CountExplicitConnector])
		if o.Objects > 0 {
			list = append(list, o)
		}
		return list, nil
	}
	types, err := knownTypes(tx, name)
	if err != nil {
		return nil, err
	}
	state, err := tx.AgentState(name)
	if err != nil {
		return nil, err
	}
	if partitions := env.partitions[name]; len(partitions) > 0 { // a system that is not divided has what its parts had
		for part := range state.Partitions {
			if !slices.Contains(partitions, part) {
				list = append(list, Orphan{Type: PartitionNotConfigured, Agent: name, Partition: part})
			}
		}
		slices.SortFunc(list, func(a, b Orphan) int { return strings.Compare(a.Partition, b.Partition) })
	}
	for _, t := range without(types, env.types[name]) {
		list = append(list, Orphan{Type: ObjectTypeNotConfigured, Agent: name, Object: t})
	}
	if len(list) == 0 {
		return nil, nil
	}
	for c, err := range tx.Connectors(name) {
		if err != nil {
			return nil, err
		}
		for i := range list {
			if r := (run.Removal{Agent: name, Partition: list[i].Partition, Object: list[i].Object}); r.Has(c) {
				list[i].Objects++
				if c.State.IsConnector() {
					list[i].Linked++
				}
			}
		}
	}
	return slices.DeleteFunc(list, func(o Orphan) bool { return o.Objects == 0 }), nil
}

// knownTypes returns the object types that objects of an agent may have, of the
// metaverse if agent is "": those of the present and earlier configurations.
func knownTypes(tx *space.Tx, agent string) ([]string, error) {
	known, _, err := tx.Known(agent)
	if err != nil {
		return nil, err
	}
	types := known.Types
	for _, c := range tx.Census(agent) {
		types = append(types, c.Type)
	}
	if agent != "" {
		state, err := tx.AgentState(agent)
		if err != nil {
			return nil, err
		}
		if state.Schema != nil {
			for _, t := range state.Schema.Types {
				types = append(types, t.Name)
			}
		}
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// remember keeps what is needed of a configuration once it no longer has an agent
// or a type. orphans is what it no longer has now.
func (e *Engine) remember(env *environment, orphans []Orphan) error {
	want := map[string]space.Known{"": {Types: env.Rules.Types()}}
	for _, name := range env.order {
		a := env.Rules.Agent(name)
		want[name] = space.Known{
			Types: slices.Clone(env.types[name]), NoRecall: !a.Recall, OrphansLowest: a.OrphansLowest,
			AnchorIsDN: a.AnchorIsDN, LDAPNames: a.LDAPNames,
			IgnoreCase: env.Agents[name].Agent.Capabilities().IgnoreCase,
		}
	}
	for _, o := range orphans {
		if name := o.Object + o.Metaverse; name != "" {
			k := want[o.Agent]
			k.Types = append(k.Types, name)
			want[o.Agent] = k
		}
	}
	same := true
	look := func(tx *space.Tx, visit func(name string, k space.Known) error) error {
		for name, k := range want {
			slices.Sort(k.Types)
			k.Types = slices.Compact(k.Types)
			known, found, err := tx.Known(name)
			if err == nil && (!found || !known.Equal(k)) {
				err = visit(name, k)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := e.space.View(func(tx *space.Tx) error {
		return look(tx, func(string, space.Known) error {
			same = false
			return nil
		})
	})
	if err != nil || same {
		return err
	}
	return e.space.Update(func(tx *space.Tx) error { return look(tx, tx.SetKnown) })
}

// nameFormer says how the objects of agents are named that the configuration no
// longer has.
func (e *Engine) nameFormer(env *environment) error {
	for _, name := range e.space.Agents() {
		if env.Agents[name] != nil {
			continue
		}
		var known space.Known
		found := false
		err := e.space.View(func(tx *space.Tx) (err error) {
			known, found, err = tx.Known(name)
			return err
		})
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := e.space.Register(name, namingOf(known.AnchorIsDN, known.LDAPNames, known.IgnoreCase)); err != nil {
			return err
		}
	}
	return nil
}

// askPartitions asks the systems for their partitions that are known to have, or
// to have had, some. One that does not answer has all that it had.
func (e *Engine) askPartitions(ctx context.Context, env *environment) error {
	env.partitions = map[string][]string{}
	for _, name := range env.order {
		p, ok := env.Agents[name].Agent.(agent.Partitioner)
		divided := false
		err := e.space.View(func(tx *space.Tx) error {
			state, err := tx.AgentState(name)
			divided = len(state.Partitions) > 0
			return err
		})
		if err != nil {
			return err
		}
		if !ok || !divided {
			continue
		}
		partitions, err := p.Partitions(ctx)
		if err != nil {
			continue
		}
		for _, known := range partitions {
			env.partitions[name] = append(env.partitions[name], known.Name)
		}
	}
	return nil
}

// typesOf returns the object types of an agent: those of its system, and those
// that the configuration names.
func typesOf(m *rules.Agent, objects []agent.Object) []string {
	var names []string
	for _, t := range m.Schema.Types {
		names = append(names, t.Name)
	}
	for _, o := range objects {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
