package run

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
)

// planOf returns the order of objects with the given constraints.
func planOf(objects []planned, constraints []constraint) []identity.ID {
	p := planner{changes: slices.Clone(objects), before: constraints}
	return p.orderChanges()
}

func TestPlanOrder(t *testing.T) {
	object := func(id int, depth uint16, references uint32) planned {
		return planned{id: identity.ID(id), depth: depth, isAdd: true, references: references}
	}
	update := object(2, 0, 0)
	update.isAdd = false
	for _, test := range []struct {
		name        string
		objects     []planned
		constraints []constraint
		want        []identity.ID
	}{
		{"as created", []planned{object(3, 0, 0), object(1, 0, 0), object(2, 0, 0)}, nil, []identity.ID{1, 2, 3}},
		{"fewest references", []planned{object(1, 0, 2), object(2, 0, 1), object(3, 0, 0)}, nil, []identity.ID{3, 2, 1}},
		{"shallowest first", []planned{object(1, 3, 0), object(2, 1, 5), object(3, 2, 0)}, nil, []identity.ID{2, 3, 1}},
		{"who is referred to first", []planned{object(1, 0, 1), object(2, 1, 1), object(3, 2, 0)}, []constraint{
			{object: 1, after: 2}, {object: 2, after: 3},
		}, []identity.ID{3, 2, 1}},
		{"what is there already is not waited for", []planned{object(1, 0, 0), update}, []constraint{{object: 1, after: 2}, {object: 1, after: 9}}, []identity.ID{1, 2}},
		{"circle", []planned{object(1, 0, 1), object(2, 0, 1), object(3, 0, 1), object(4, 0, 1)}, []constraint{
			{object: 1, after: 2}, {object: 2, after: 3}, {object: 3, after: 2}, {object: 4, after: 1},
		}, []identity.ID{2, 1, 3, 4}},
		{"who waits for a circle", []planned{object(1, 0, 1), object(2, 0, 1), object(3, 0, 1)}, []constraint{
			{object: 1, after: 3}, {object: 2, after: 3}, {object: 3, after: 2},
		}, []identity.ID{2, 3, 1}},
		{"containers come before references", []planned{object(1, 1, 1), object(2, 2, 0)}, []constraint{
			{object: 1, after: 2}, {object: 2, after: 1, container: true},
		}, []identity.ID{1, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, planOf(test.objects, test.constraints)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestPlanLaws: every object is sent once, containers come first whatever refers
// to what, and without circles so does everything that is referred to. The order
// in which things are found does not matter.
func TestPlanLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "objects")
		objects := make([]planned, n)
		ids := make([]identity.ID, n)
		for i := range objects {
			ids[i] = identity.ID(i + 1)
			objects[i] = planned{id: ids[i], isAdd: rapid.Bool().Draw(t, "add"), depth: uint16(rapid.IntRange(0, 2).Draw(t, "depth"))}
		}
		circles := rapid.Bool().Draw(t, "circles")
		var constraints []constraint
		for range rapid.IntRange(0, 20).Draw(t, "constraints") {
			a, b := rapid.SampledFrom(ids).Draw(t, "a"), rapid.SampledFrom(ids).Draw(t, "b")
			container := rapid.Bool().Draw(t, "container")
			if a == b {
				continue
			}
			if container || !circles {
				a, b = max(a, b), min(a, b) // names and what is without circles have an order
			}
			constraints = append(constraints, constraint{object: a, after: b, container: container})
		}
		order := planOf(objects, constraints)
		if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, ids) {
			t.Fatalf("planned %v", order)
		}
		for _, c := range constraints {
			if !objects[c.after-1].isAdd || circles && !c.container {
				continue
			}
			if slices.Index(order, c.after) > slices.Index(order, c.object) {
				t.Fatalf("%v: %d comes before %d", order, c.object, c.after)
			}
		}
		rand.Shuffle(n, func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		rand.Shuffle(len(constraints), func(i, j int) { constraints[i], constraints[j] = constraints[j], constraints[i] })
		if again := planOf(objects, constraints); !slices.Equal(order, again) {
			t.Fatalf("the order was %v and is now %v", order, again)
		}
	})
}
