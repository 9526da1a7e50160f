package run

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// An exportPlan is what an export will send, in this order: ids, so that no step
// holds a connector space in memory.
//
// Adds and updates come by depth of their names, then by how many references they
// bring, then as they were created; but an object that refers to others which are
// to be created comes after them, as does one whose container is to be created
// (sync-engine §2.4). Circles of references are cut at their first object in that
// order; containers always come first. Deletions begin with the deepest, and among
// these with the youngest.
//
// An object that gets a name comes after the one that gives it up; if that is
// deleted, the deletion comes before all changes. Objects whose names go round in a
// circle are opened by moving one of them out of the way (exportpark.go).
type exportPlan struct {
	early   []identity.ID // deletions that free a name which a change needs
	changes []identity.ID
	deletes []identity.ID // the other ones
	parked  []identity.ID // of the changes: to be moved to a temporary name first

	// replaced are those in whose place others are created (exportreplace.go). Where
	// one change does both they are among the changes too.
	replaced []identity.ID

	tally exportTally // of everything

	after  map[identity.ID]identity.ID // who has the name that an object of changes gets, and gives it up
	passed map[identity.ID]bool        // objects whose name another one gets
}

func (p *exportPlan) isEmpty() bool { return p.total() == 0 }

// total is how many objects are to be sent.
func (p *exportPlan) total() int { return len(p.changes) + p.removals() }

// removals is how many of them count as deletions.
func (p *exportPlan) removals() int { return len(p.early) + len(p.deletes) + len(p.replaced) }

// holdDeletes takes the deletions out of the plan, and what needs them.
func (p *exportPlan) holdDeletes() (held []identity.ID) {
	return p.without(func(id identity.ID, deletes bool) bool { return deletes })
}

// without takes objects out of the plan, and what needs the deletions among them: it
// returns the deletions. An object in whose place another is created is a deletion.
func (p *exportPlan) without(out func(id identity.ID, deletes bool) bool) (held []identity.ID) {
	take := func(from []identity.ID) (kept, taken []identity.ID) {
		for _, id := range from {
			if out(id, true) {
				taken = append(taken, id)
			} else {
				kept = append(kept, id)
			}
		}
		return kept, taken
	}
	var early, replaced, deletes []identity.ID
	p.early, early = take(p.early)
	p.deletes, deletes = take(p.deletes)
	p.replaced, replaced = take(p.replaced)
	p.changes = slices.DeleteFunc(p.changes, func(id identity.ID) bool {
		if slices.Contains(replaced, id) || !slices.Contains(p.replaced, id) && out(id, false) {
			return true
		}
		for range len(p.after) {
			next, waits := p.after[id]
			if !waits {
				break
			}
			id = next
		}
		return slices.Contains(early, id)
	})
	p.parked = slices.DeleteFunc(p.parked, func(id identity.ID) bool { return !slices.Contains(p.changes, id) })
	return slices.Concat(early, deletes, replaced)
}

// newPlan plans everything that is pending, and what an interrupted export left.
func (x *export) newPlan() (exportPlan, error) {
	p := planner{export: x}
	if x.chosen != nil {
		if err := p.scanChosen(); err != nil {
			return exportPlan{}, err
		}
		return p.plan(), nil
	}
	if x.batch > x.confirmed+1 {
		if err := p.scan(space.Sent, x.isInterrupted); err != nil {
			return exportPlan{}, err
		}
	}
	if err := p.scan(space.ToExport, func(c *space.Connector) bool { return !x.isInterrupted(c) && !x.isLeftOut(c) }); err != nil {
		return exportPlan{}, err
	}
	if x.definition.Full {
		if err := p.scanWhole(); err != nil {
			return exportPlan{}, err
		}
	}
	return p.plan(), nil
}

// plan orders what was gathered.
func (p *planner) plan() exportPlan {
	var out exportPlan
	p.settleNames(&out)
	out.changes = p.orderChanges()
	out.deletes = p.orderDeletes()
	out.early, out.deletes = out.splitDeletes()
	out.replaced = idsOf(p.replaced)
	out.tally = p.tally
	return out
}

// A planner gathers what is to be sent.
type planner struct {
	*export
	changes, deletes []planned
	replaced         []planned
	before           []constraint
	names            []constraint // the other one has the name that the object gets
	tally            exportTally
	hopping          []identity.ID // were about to be moved out of the way when an export was interrupted
}

// planned is an object with what decides about its place.
type planned struct {
	id         identity.ID
	depth      uint16
	isAdd      bool
	renamed    bool
	references uint32
}

// A constraint says that one object is sent after another one, if that is to be
// created or about its name.
type constraint struct {
	object, after identity.ID
	container     bool // the other one is its container, or has its name: this is never cut
	name          bool // the other one has its name
}

// scan plans the objects of a work list.
func (p *planner) scan(list space.List, wanted func(*space.Connector) bool) error {
	after := identity.ID(0)
	for {
		var ids []identity.ID
		err := p.space.View(func(tx *space.Tx) (err error) {
			if ids, err = tx.List(list, p.agent.Name, after, p.limits.batch); err != nil {
				return err
			}
			for _, id := range ids {
				c, err := tx.Connector(id)
				if err != nil {
					return err
				}
				if c == nil || p.isNameless(c) || !p.belongs(c) || !wanted(c) {
					continue
				}
				if err := p.add(tx, c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// add plans one object.
func (p *planner) add(tx *space.Tx, c *space.Connector) error {
	delta := p.due(c)
	p.count(c, delta)
	o := planned{id: c.ID, isAdd: delta.Op == identity.Add, renamed: delta.IsRename()}
	var parent identity.DN
	if p.capabilities.LDAPNames {
		name := c.DN
		if delta.IsRename() || isTransient(c) {
			name = delta.DN
		}
		if dn, err := identity.ParseDN(name); err == nil {
			o.depth, parent = uint16(min(len(dn), 1<<16-1)), dn.Parent()
		}
	}
	if delta.Op == identity.DeleteAdd {
		p.replaced = append(p.replaced, o)
		if !p.replaces(delta) {
			return nil
		}
		o.isAdd = true
	}
	if isDeletion(delta) {
		p.deletes = append(p.deletes, o)
		return nil
	}
	if o.renamed {
		if err := p.wantsName(tx, c, delta.DN); err != nil {
			return err
		}
	}
	if len(parent) > 0 {
		id, err := tx.ByDN(p.agent.Name, parent.String())
		if err != nil {
			return err
		}
		p.constrain(tx, constraint{object: c.ID, after: id, container: true})
	}
	if !o.isAdd || !p.capabilities.NoReferencesInFirstExport {
		for i := range delta.Changes {
			for _, v := range delta.Changes[i].Values {
				if v.Ref() == 0 {
					continue
				}
				o.references++
				p.constrain(tx, constraint{object: c.ID, after: v.Ref()})
			}
		}
	}
	p.changes = append(p.changes, o)
	return nil
}

func (p *planner) constrain(tx *space.Tx, c constraint) {
	if c.after == 0 || c.after == c.object {
		return
	}
	if tx.IsOn(space.ToExport, c.after) || p.batch > p.confirmed+1 && tx.IsOn(space.Sent, c.after) {
		p.before = append(p.before, c)
	}
}

func (p *planner) orderDeletes() []identity.ID {
	slices.SortFunc(p.deletes, func(a, b planned) int {
		return cmp.Or(cmp.Compare(b.depth, a.depth), cmp.Compare(b.id, a.id))
	})
	return idsOf(p.deletes)
}

func (p *planner) orderChanges() []identity.ID {
	slices.SortFunc(p.changes, func(a, b planned) int {
		return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.references, b.references), cmp.Compare(a.id, b.id))
	})
	if len(p.before) == 0 {
		return idsOf(p.changes)
	}
	return newSorter(p.changes, p.before).sort()
}

func idsOf(objects []planned) []identity.ID {
	ids := make([]identity.ID, len(objects))
	for i := range objects {
		ids[i] = objects[i].id
	}
	return ids
}

// A sorter sorts objects topologically. It knows them by their places in the
// order that they have without constraints.
type sorter struct {
	objects    []planned
	first      []int32 // where the list of those that wait for an object begins in followers
	followers  []follower
	from       []int32 // where the list of those that an object waits for begins in awaited, without what is done
	awaited    []int32
	containers []int32 // how many containers an object waits for
	others     []int32 // how many other objects
	done       []bool
	ready      places // wait for nothing
	loose      places // wait for no container
}

type follower struct {
	object    int32
	container bool
}

func newSorter(objects []planned, constraints []constraint) *sorter {
	n := len(objects)
	s := &sorter{
		objects: objects, first: make([]int32, n+1), from: make([]int32, n+1),
		containers: make([]int32, n), others: make([]int32, n), done: make([]bool, n),
	}
	byID := make([]int32, n)
	for i := range byID {
		byID[i] = int32(i)
	}
	slices.SortFunc(byID, func(a, b int32) int { return cmp.Compare(objects[a].id, objects[b].id) })
	place := func(id identity.ID) (int32, bool) {
		i, found := slices.BinarySearchFunc(byID, id, func(a int32, id identity.ID) int { return cmp.Compare(objects[a].id, id) })
		if !found {
			return 0, false
		}
		return byID[i], true
	}
	each := func(fn func(c constraint, object, after int32)) {
		for _, c := range constraints {
			object, _ := place(c.object)
			if after, found := place(c.after); found && (objects[after].isAdd || c.name) {
				fn(c, object, after)
			}
		}
	}
	each(func(_ constraint, object, after int32) {
		s.first[after+1]++
		s.from[object+1]++
	})
	for i := range n {
		s.first[i+1] += s.first[i]
		s.from[i+1] += s.from[i]
	}
	upTo := slices.Clone(s.from)
	s.followers, s.awaited = make([]follower, s.first[n]), make([]int32, s.first[n])
	next := slices.Clone(s.first)
	each(func(c constraint, object, after int32) {
		s.followers[next[after]] = follower{object, c.container}
		next[after]++
		s.awaited[upTo[object]] = after
		upTo[object]++
		if c.container {
			s.containers[object]++
		} else {
			s.others[object]++
		}
	})
	for i := range n {
		slices.Sort(s.awaited[s.from[i]:s.from[i+1]])
	}
	return s
}

func (s *sorter) sort() []identity.ID {
	for i := range int32(len(s.objects)) {
		s.enter(i)
	}
	out := make([]identity.ID, 0, len(s.objects))
	for len(out) < len(s.objects) {
		i, found := s.pop(&s.ready)
		if !found {
			if i, found = s.pop(&s.loose); !found {
				i = int32(slices.Index(s.done, false)) // no name is below itself, but who knows
			} else if cut := s.inCircle(i); cut != i {
				heap.Push(&s.loose, i) // it only waits for those in the circle
				i = cut
			}
		}
		s.done[i] = true
		out = append(out, s.objects[i].id)
		for _, f := range s.followers[s.first[i]:s.first[i+1]] {
			waits := &s.others[f.object]
			if f.container {
				waits = &s.containers[f.object]
			}
			if *waits--; *waits == 0 && !s.done[f.object] {
				s.enter(f.object)
			}
		}
	}
	return out
}

// longestWalk is how far inCircle follows references: chains of circles must not
// make it slow.
const longestWalk = 100

// inCircle returns the first object of a circle that an object waits for, or is
// in, among those that wait for no container; the object itself if none is near.
func (s *sorter) inCircle(from int32) int32 {
	next := func(i int32) int32 {
		for s.done[s.awaited[s.from[i]]] {
			s.from[i]++
		}
		return s.awaited[s.from[i]]
	}
	seen := map[int32]bool{}
	at := from
	for !seen[at] {
		if len(seen) == longestWalk {
			return from
		}
		seen[at] = true
		at = next(at)
	}
	cut := int32(-1)
	for i := at; ; {
		if s.containers[i] == 0 && (cut < 0 || i < cut) {
			cut = i
		}
		if i = next(i); i == at {
			break
		}
	}
	if cut < 0 {
		return from
	}
	return cut
}

// enter puts an object on the list that it belongs to.
func (s *sorter) enter(i int32) {
	switch {
	case s.containers[i] > 0:
	case s.others[i] > 0:
		heap.Push(&s.loose, i)
	default:
		heap.Push(&s.ready, i)
	}
}

// pop takes the first object from a list that was not sent yet.
func (s *sorter) pop(list *places) (int32, bool) {
	for len(*list) > 0 {
		if i := heap.Pop(list).(int32); !s.done[i] {
			return i, true
		}
	}
	return 0, false
}

// places is a heap.
type places []int32

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i] < p[j] }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *places) Push(x any)        { *p = append(*p, x.(int32)) }
func (p *places) Pop() any {
	old := *p
	x := old[len(old)-1]
	*p = old[:len(old)-1]
	return x
}
