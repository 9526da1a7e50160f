package discover

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// pageSize is how many entries are asked for at a time.
const pageSize = 500

// System looks at a system. An agent that is no [Discoverer] is asked for its schema and
// its partitions, and all of its objects are read and counted.
func System(ctx context.Context, settings agent.Settings, env agent.Env) (*Discovery, error) {
	d, err := discovered(ctx, settings, env)
	if err != nil {
		return nil, err
	}
	if _, watched := settings.(agent.Files); watched {
		d.Capabilities = append(d.Capabilities, Capability{"change notification", "files", "a trigger with watch hears that the file was changed"})
	}
	if d.Agent != nil {
		known := map[string]bool{}
		for _, c := range d.Capabilities {
			known[c.Name] = true
		}
		for _, c := range capabilities(d.Agent) {
			if !known[c.Name] {
				d.Capabilities = append(d.Capabilities, c)
			}
		}
	}
	return d, nil
}

func discovered(ctx context.Context, settings agent.Settings, env agent.Env) (*Discovery, error) {
	if discoverer, ok := settings.(Discoverer); ok {
		return discoverer.Discover(ctx, env)
	}
	a, err := settings.Open(env)
	if err != nil {
		return nil, err
	}
	var keeper guard.Keeper
	d := &Discovery{Agent: a}
	g := &general{Discovery: d, agent: keeper.Wrap(env.Name, a), env: env}
	if err := g.schema(ctx); err != nil {
		return nil, err
	}
	g.others(ctx, &keeper, settings)
	return d, g.count(ctx)
}

// general is the discovery of an agent that only does what all do.
type general struct {
	*Discovery
	agent  agent.Agent
	env    agent.Env
	asked  identity.Schema
	places Places
}

func (g *general) schema(ctx context.Context) error {
	var err error
	g.asked, err = g.agent.Schema(ctx)
	for _, t := range g.asked.Types {
		g.Types = append(g.Types, Type{
			ObjectType: t, Objects: Uncounted,
			Configured: slices.ContainsFunc(g.env.Objects, func(o agent.Object) bool { return o.Name == t.Name }),
		})
	}
	return err
}

// others adds the object types that the system has and the configuration does not name.
// What it says without them may not be an agent that works: that is no mistake.
func (g *general) others(ctx context.Context, keeper *guard.Keeper, settings agent.Settings) {
	if len(g.env.Objects) == 0 {
		return
	}
	env := g.env
	env.Objects = nil
	a, err := settings.Open(env)
	if err != nil {
		return
	}
	schema, err := keeper.Wrap(env.Name, a).Schema(ctx)
	if err != nil {
		return
	}
	for _, t := range schema.Types {
		if g.asked.Type(t.Name) == nil {
			g.Types = append(g.Types, Type{ObjectType: t, Objects: Uncounted})
		}
	}
}

// count reads all objects.
func (g *general) count(ctx context.Context) error {
	importer, reads := g.agent.(agent.Importer)
	if !reads {
		g.Warnings = append(g.Warnings, "the agent only exports: nothing can be counted")
		return nil
	}
	divided, ok := g.agent.(agent.Partitioner)
	var partitions []agent.Partition
	if ok {
		var err error
		if partitions, err = divided.Partitions(ctx); err != nil {
			return err
		}
	}
	if len(partitions) == 0 {
		partitions = []agent.Partition{{}}
	}
	values := map[string]map[string]*Values{}
	objects := map[string]int{}
	bad, stopped := 0, false
	for _, p := range partitions {
		err := g.read(ctx, importer, p, func(e *agent.Entry) {
			if e.Err != nil {
				bad++
				return
			}
			objects[e.ObjectType]++
			if p.Name != "" {
				g.places.AddTo(e.ObjectType, p.Name)
			}
			of := values[e.ObjectType]
			if of == nil {
				of = map[string]*Values{}
				values[e.ObjectType] = of
			}
			for i := range e.Attributes {
				a := &e.Attributes[i]
				if of[a.Name] == nil {
					of[a.Name] = &Values{}
				}
				of[a.Name].Add(texts(a.Values)...)
			}
		})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			stopped = true
			g.Warnings = append(g.Warnings, "the objects could not be read to the end: "+fault.As(err, "stopped-ma").Error())
		}
	}
	if bad > 0 {
		g.Warnings = append(g.Warnings, Counted(bad, "object has an error and was", "objects have errors and were")+" not counted: an import tells which")
	}
	for i := range g.Types {
		t := &g.Types[i]
		if g.asked.Type(t.Name) == nil {
			continue
		}
		t.Objects, t.Read, t.AtLeast = objects[t.Name], objects[t.Name], stopped
		t.Looked(values[t.Name])
	}
	g.Containers = g.places.List()
	return nil
}

// Counted is a number of things in words.
func Counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return strconv.Itoa(n) + " " + many
}

func texts(values []identity.Value) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.Text()
	}
	return list
}

// Looked sets what the values of the objects that were read tell.
func (t *Type) Looked(values map[string]*Values) {
	t.Use = map[string]Use{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		if v.Use().Objects > 0 {
			t.Use[name] = v.Use()
		}
		if v.Unique(t.Read) && t.Read == t.Objects && !t.AtLeast {
			t.Candidates = append(t.Candidates, name)
		}
	}
}

// read delivers the entries of a partition.
func (g *general) read(ctx context.Context, importer agent.Importer, p agent.Partition, entry func(*agent.Entry)) error {
	stream, err := importer.OpenImport(ctx, agent.ImportRequest{Schema: g.asked, Partition: p.Name, PageSize: pageSize})
	if err != nil {
		return err
	}
	var page agent.Page
	for err == nil {
		if err = stream.Next(ctx, &page); err == nil {
			for i := range page.Entries {
				entry(&page.Entries[i])
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	// Aborted: what was read here is no state that a later import could go on from.
	_, closeErr := stream.Close(ctx, agent.Aborted)
	return errors.Join(err, closeErr)
}

// capabilities returns what can be said of any agent (sync-engine §10.3).
func capabilities(a agent.Agent) []Capability {
	c := a.Capabilities()
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return "no"
	}
	_, imports := a.(agent.Importer)
	_, exports := a.(agent.Exporter)
	_, single := a.(agent.ObjectReader)
	_, hierarchical := a.(agent.Hierarchical)
	_, tells := a.(agent.Watcher)
	confirmed := "all changes"
	switch c.Confirmation {
	case agent.NoDeleteConfirmation:
		confirmed = "all but deletions"
	case agent.NoAddAndDeleteConfirmation:
		confirmed = "updates"
	case agent.NoConfirmation:
		confirmed = "nothing"
	}
	level := [...]string{agent.ValueLevel: "value", agent.AttributeLevel: "attribute", agent.ObjectLevel: "object"}
	list := []Capability{
		{"import", yes(imports), ""},
		{"delta import", yes(c.DeltaImport), ""},
		{"single objects", yes(single), ""},
		{"containers", yes(hierarchical), ""},
		{"change notification", yes(tells), ""},
		{"export", yes(exports), ""},
	}
	if exports {
		list = append(list, []Capability{
			{"export level", level[c.ExportLevel], ""},
			{"full export", yes(c.FullExport), ""},
			{"all or nothing", yes(c.AllOrNothing), ""},
			{"confirmed by imports", confirmed, ""},
			{"rename", yes(!c.NoRename && !c.AnchorIsDN), ""},
			{"empty text", yes(!c.NoEmptyText), ""},
		}...)
	}
	return list
}
