package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
)

const groupConfiguration = `
metaverse:
  person: {attributes: {number: {type: string, indexed: true}}}
  group: {attributes: {number: {type: string, indexed: true}, members: "reference[]"}}
agents:
  HR:
    type: memory
    objects:
      employee: {anchor: [id]}
      team: {anchor: [id], attributes: {members: "reference[]"}}
  Directory:
    type: memory
    objects:
      user: {anchor: [number]}
      group: {anchor: [number], attributes: {member: "reference[]"}}
rules:
  - {name: employees, agent: HR, object: employee, metaverse: person, join: [{id: number}], inbound: {project: true, flows: {number: id}}}
  - {name: teams, agent: HR, object: team, metaverse: group, join: [{id: number}], inbound: {project: true, flows: {number: id, members: members}}}
  - {name: users, agent: Directory, object: user, metaverse: person, join: [{number: number}], outbound: {provision: true, flows: {number: number}}}
  - {name: groups, agent: Directory, object: group, metaverse: group, join: [{number: number}], outbound: {provision: true, flows: {number: number, member: members}}}
`

// groupSteps is the way of one member.
var groupSteps = []struct{ name, agent, profile string }{
	{"delta import", "HR", "delta-import"},
	{"delta sync", "HR", "delta-sync"},
	{"export", "Directory", "export"},
	{"confirming import", "Directory", "delta-import"},
	{"delta sync after it", "Directory", "delta-sync"},
}

// rounds is how often a member comes or goes in one run of the phase.
const rounds = 10

// groupFigure is what one step of one member cost, without what happened within
// the connected system.
type groupFigure struct {
	Name   string           `json:"name"`
	Time   time.Duration    `json:"time"`
	Bytes  uint64           `json:"bytes"` // of memory
	Work   storetest.Counts `json:"work"`
	Values int              `json:"values"` // that the system was sent
}

// operations is what the store was asked for.
func (f groupFigure) operations() int {
	return f.Work.Gets + f.Work.Scanned + f.Work.Puts + f.Work.Deletes
}

// groupRun makes a group of so many people and measures one more and one less.
func groupRun(dir string, size int) error {
	w, err := newGroupWorld(dir, size)
	if err != nil {
		return err
	}
	defer w.store.Close()
	figures := make([]groupFigure, len(groupSteps))
	for round := range rounds {
		w.setMembers(size - round%2) // there are all but one at first
		for i, step := range groupSteps {
			f, err := w.step(step.name, step.agent, step.profile)
			if err != nil {
				return err
			}
			if round == 0 {
				figures[i] = f
				continue
			}
			best := &figures[i]
			best.Time, best.Bytes = min(best.Time, f.Time), min(best.Bytes, f.Bytes)
			best.Values = max(best.Values, f.Values)
			best.Work.Gets, best.Work.Scanned = max(best.Work.Gets, f.Work.Gets), max(best.Work.Scanned, f.Work.Scanned)
			best.Work.Puts, best.Work.Deletes = max(best.Work.Puts, f.Work.Puts), max(best.Work.Deletes, f.Work.Deletes)
		}
		if group, _ := w.systems["Directory"].Object("team"); len(group.Attributes.Get("member")) != size-round%2 {
			return fmt.Errorf("a group of %d members instead of %d arrived", len(group.Attributes.Get("member")), size-round%2)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	for _, f := range figures {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

type groupWorld struct {
	store   store.Store
	counter *storetest.Counter
	engine  *engine.Engine
	systems map[string]*timedDirectory
	all     []identity.Value // who may be a member
}

// newGroupWorld returns an engine and two systems that are in step: a group of
// all people but one.
func newGroupWorld(dir string, size int) (*groupWorld, error) {
	w := &groupWorld{systems: map[string]*timedDirectory{}}
	path := filepath.Join(dir, "state-group")
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	st, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		return nil, err
	}
	w.store, w.counter = st, storetest.Counting(st)
	if w.engine, err = w.open(dir); err != nil {
		return nil, err
	}
	hr := w.systems["HR"]
	for i := range size {
		id := strconv.Itoa(firstID + i)
		hr.Put(agenttest.Object{Type: "employee", Anchor: id})
		w.all = append(w.all, identity.Reference(id))
	}
	w.setMembers(size - 1)
	for _, run := range [...][2]string{
		{"HR", "full-import"},
		{"Directory", "full-import"},
		{"HR", "full-sync"},
		{"Directory", "export"},
		{"Directory", "full-import"},
		{"Directory", "full-sync"},
		{"HR", "full-sync"},
	} {
		if err := w.run(run[0], run[1]); err != nil {
			return nil, err
		}
	}
	for _, s := range w.systems {
		s.TrimLog()
	}
	return w, nil
}

func (w *groupWorld) open(dir string) (*engine.Engine, error) {
	kind := agent.Kind{
		Name: "memory", Doc: "A directory in memory that delivers and takes single values.",
		New: func() agent.Settings { return &memorySettings{w} },
	}
	path := filepath.Join(dir, "group.yaml")
	if err := os.WriteFile(path, []byte(groupConfiguration), 0o600); err != nil {
		return nil, err
	}
	return openEngine(path, w.counter, kind)
}

type memorySettings struct{ world *groupWorld }

// Open implements [agent.Settings].
func (s *memorySettings) Open(env agent.Env) (agent.Agent, error) {
	var schema identity.Schema
	for _, o := range env.Objects {
		t := identity.ObjectType{Name: o.Name, Anchor: o.Anchor}
		for _, name := range o.Anchor {
			t.Attributes = append(t.Attributes, identity.AttributeType{Name: name, Type: identity.TypeString})
		}
		for _, a := range o.Attributes {
			t.Attributes = append(t.Attributes, identity.AttributeType{Name: a.Name, Type: a.Type, Multi: a.Multi})
		}
		schema.Types = append(schema.Types, t)
	}
	d := &timedDirectory{Directory: agenttest.NewDirectory(schema, agent.Capabilities{DeltaImport: true, AnchorIsDN: true})}
	s.world.systems[env.Name] = d
	return d, nil
}

// setMembers makes the first n people the members of the group in HR.
func (w *groupWorld) setMembers(n int) {
	var attributes identity.Attributes
	w.systems["HR"].Put(agenttest.Object{Type: "team", Anchor: "team", Attributes: attributes.Set("members", w.all[:n]...)})
}

func (w *groupWorld) run(agentName, profile string) error {
	record, err := w.engine.Run(context.Background(), agentName, profile, engine.Cause{Kind: "manual"}, nil)
	if err == nil && record.Result.Severity() > 0 {
		err = fmt.Errorf("%s %s: %s: %s", agentName, profile, record.Result, record.Steps[0].Error)
	}
	return err
}

// step measures one step.
func (w *groupWorld) step(name, agentName, profile string) (groupFigure, error) {
	system := w.systems[agentName]
	system.reset()
	w.counter.Take()
	runtime.GC()
	before, start := allocated(), time.Now()
	err := w.run(agentName, profile)
	took := time.Since(start)
	return groupFigure{
		Name: name, Time: took - time.Duration(system.took.Load()), Bytes: allocated() - before - system.allocated.Load(),
		Work: w.counter.Take(), Values: int(system.values.Load()),
	}, err
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// A timedDirectory is a directory that knows how much was its own doing, and how
// many values it was sent.
type timedDirectory struct {
	*agenttest.Directory
	took      atomic.Int64
	allocated atomic.Uint64
	values    atomic.Int64
}

func (d *timedDirectory) reset() {
	d.took.Store(0)
	d.allocated.Store(0)
	d.values.Store(0)
}

// within notes what fn costs.
func (d *timedDirectory) within(fn func()) {
	before, start := allocated(), time.Now()
	fn()
	d.took.Add(int64(time.Since(start)))
	d.allocated.Add(allocated() - before)
}

// OpenImport implements agent.Importer.
func (d *timedDirectory) OpenImport(ctx context.Context, req agent.ImportRequest) (imp agent.Import, err error) {
	d.within(func() { imp, err = d.Directory.OpenImport(ctx, req) })
	return imp, err
}

// OpenExport implements agent.Exporter.
func (d *timedDirectory) OpenExport(ctx context.Context, req agent.ExportRequest) (exp agent.Export, err error) {
	d.within(func() { exp, err = d.Directory.OpenExport(ctx, req) })
	return &timedExport{exp, d}, err
}

type timedExport struct {
	agent.Export
	directory *timedDirectory
}

// Put implements agent.Export.
func (x *timedExport) Put(ctx context.Context, changes []agent.Change) (results []agent.Result, err error) {
	for i := range changes {
		for _, c := range changes[i].Changes {
			x.directory.values.Add(int64(len(c.Values) + len(c.Removed)))
		}
	}
	x.directory.within(func() { results, err = x.Export.Put(ctx, changes) })
	return results, err
}

// reportGroups measures groups of several sizes and shows them side by side.
func reportGroups() error {
	if *members == "" {
		return nil
	}
	var sizes []int
	for text := range strings.SplitSeq(*members, ",") {
		size, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || size < 2 {
			return fmt.Errorf("-members: %q is no size of a group", text)
		}
		sizes = append(sizes, size)
	}
	dir, err := os.MkdirTemp("", "metasync-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all := make([][]groupFigure, len(sizes))
	for i, size := range sizes {
		if all[i], err = child[groupFigure]("group", dir, size); err != nil {
			return err
		}
	}
	fmt.Printf("\n%-30s", "one member more or less, of")
	for _, size := range sizes {
		fmt.Printf(" %28d", size)
	}
	fmt.Printf("\n%-30s", "")
	for range sizes {
		fmt.Printf("   %8s %8s %8s", "ms", "KiB", "store")
	}
	fmt.Println()
	for step := range groupSteps {
		fmt.Printf("%-30s", groupSteps[step].name)
		for i := range sizes {
			f := all[i][step]
			fmt.Printf("   %8.2f %8d %8d", f.Time.Seconds()*1000, f.Bytes/1024, f.operations())
		}
		fmt.Println()
	}
	fmt.Printf("%-30s", "values exported")
	operations, values := make([]int, len(sizes)), make([]int, len(sizes))
	for i := range sizes {
		for _, f := range all[i] {
			operations[i] += f.operations()
			values[i] += f.Values
		}
		fmt.Printf("   %8s %8s %8d", "", "", values[i])
	}
	fmt.Println()
	aims{
		{"values exported for one member", float64(slices.Max(values)), 1, false},
		{"store operations, largest to smallest", float64(operations[len(sizes)-1]) / float64(operations[0]), 1.1, false},
	}.print()
	return nil
}
