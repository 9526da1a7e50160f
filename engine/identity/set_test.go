package identity

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// kept is a source in memory that counts how often it was read as a whole.
type kept struct {
	values []Value
	reads  int
}

func (k *kept) Len() int              { return len(k.values) }
func (k *kept) Contains(v Value) bool { return Contains(k.values, v) }
func (k *kept) All() []Value          { k.reads++; return k.values }

// TestSetLaws: whatever comes and goes, a set behaves like a list of its values,
// and how two of them differ is known without reading them.
func TestSetLaws(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) []Value {
		var values []Value
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 9), 0, 5).Draw(t, "numbers") {
			values = append(values, ReferenceTo(ID(n)))
		}
		return Normalize(values)
	})
	rapid.Check(t, func(t *rapid.T) {
		source := &kept{values: append(some.Draw(t, "source"), ReferenceTo(10))}
		type state struct {
			set  *Set
			list []Value
		}
		states := []state{{NewSet(source), source.values}}
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			last := states[len(states)-1]
			change := Change{Name: "a", Op: Update, Values: some.Draw(t, "added")}
			change.Removed = minus(some.Draw(t, "removed"), change.Values)
			set := last.set.With(change.Values, change.Removed)
			states = append(states, state{set, change.Apply(last.list)})
		}
		from, to := states[rapid.IntRange(0, len(states)-1).Draw(t, "from")], states[len(states)-1]
		change, differs := (&Attribute{Name: "a", Set: from.set}).Diff(&Attribute{Name: "a", Set: to.set})
		for n := range 12 {
			v := ReferenceTo(ID(n))
			if to.set.Contains(v) != Contains(to.list, v) {
				t.Fatalf("Contains(%d) = %v in %v", n, to.set.Contains(v), to.list)
			}
		}
		if source.reads > 0 {
			t.Fatalf("the source was read %d times", source.reads)
		}
		if got := to.set.All(); to.set.Len() != len(to.list) || !slices.Equal(got, to.list) {
			t.Fatalf("%d values %v, want %v", to.set.Len(), got, to.list)
		}
		if differs == slices.Equal(from.list, to.list) {
			t.Fatalf("%v and %v: differ is %v", from.list, to.list, differs)
		}
		if !differs {
			return
		}
		if got := change.Apply(from.list); !slices.Equal(got, to.list) {
			t.Fatalf("%+v makes %v from %v, want %v", change, got, from.list, to.list)
		}
	})
}

func TestAttributesKeptElsewhere(t *testing.T) {
	source := &kept{values: []Value{ReferenceTo(1), ReferenceTo(2), ReferenceTo(3)}}
	members := Attributes{{Name: "member", Set: NewSet(source)}}
	update := Delta{Op: Update, Changes: []Change{{Name: "member", Op: Update, Values: []Value{ReferenceTo(4)}}}}
	grown := update.Apply(members)
	if diff := cmp.Diff(update.Changes, Diff(members, grown), equalValues); diff != "" || source.reads > 0 {
		t.Errorf("after %d reads of the source (-want +got):\n%s", source.reads, diff)
	}
	if members.Equal(grown) || !grown.Equal(Attributes{{Name: "member", Values: grown.Get("member")}}) {
		t.Error("equality does not look at the values")
	}
	remove := Delta{Op: Update, Changes: []Change{{Name: "member", Op: Update, Removed: source.values}}}
	if left := remove.Apply(members); len(left) != 0 {
		t.Errorf("without members there is still %v", left)
	}
	if changes := Diff(members, remove.Apply(grown)); len(changes) != 1 || changes[0].Op != Update {
		t.Errorf("from three to another one: %+v", changes)
	}
	e := Encoder{Names: testNames}
	e.Attributes(members)
	d := NewDecoder(e.Buf, e.Names)
	d.Source = func(_ string, n int) Source { return &kept{values: source.values[:n]} }
	if got := d.Attributes(); d.Close() != nil || !got.Equal(members) {
		t.Errorf("decoded %v: %v", got, d.Err())
	}
	d = NewDecoder(e.Buf, e.Names)
	if d.Attributes(); d.Err() == nil {
		t.Error("decoded without anywhere to find the values")
	}
}
