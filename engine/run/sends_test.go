package run

import (
	"fmt"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

func renamed(values ...string) *identity.Delta {
	d := &identity.Delta{Op: identity.Update}
	for i, v := range values {
		d.Changes = append(d.Changes, identity.Change{Name: fmt.Sprint("a", i), Op: identity.Replace, Values: []identity.Value{identity.String(v)}})
	}
	return d
}

func TestSends(t *testing.T) {
	type sent struct {
		value string
		depth int
		after time.Duration
	}
	repeat := func(n int, deeper int, after time.Duration, values ...string) (list []sent) {
		for i := range n {
			list = append(list, sent{values[i%len(values)], 3 + i*deeper, after})
		}
		return list
	}
	for name, tt := range map[string]struct {
		sent    []sent
		next    sent
		times   int
		growing bool
	}{
		"nothing":                      {nil, sent{"x", 3, 0}, 0, false},
		"three times":                  {repeat(3, 6, time.Second, "x"), sent{"x", 40, 0}, 0, false},
		"four times":                   {repeat(4, 6, time.Second, "x"), sent{"x", 40, 0}, 4, false},
		"another value":                {repeat(4, 6, time.Second, "x"), sent{"y", 40, 0}, 0, false},
		"the chain begins anew":        {repeat(4, 6, time.Second, "x"), sent{"x", 3, 0}, 0, false},
		"a chain each time":            {repeat(40, 0, time.Second, "x"), sent{"x", 3, 0}, 0, false},
		"in turns":                     {repeat(8, 6, time.Second, "x", "y"), sent{"x", 90, 0}, 4, false},
		"in turns, a chain each":       {repeat(40, 0, time.Second, "x", "y"), sent{"x", 3, 0}, 0, false},
		"five values":                  {repeat(7, 6, time.Second, "1", "2", "3", "4", "5"), sent{"3", 90, 0}, 0, false},
		"five values, eight times":     {repeat(8, 6, time.Second, "1", "2", "3", "4", "5"), sent{"4", 90, 0}, 8, true},
		"growing, a chain each":        {repeat(40, 0, time.Second, "1", "2", "3", "4", "5"), sent{"4", 3, 0}, 0, false},
		"within the hour":              {repeat(4, 6, 14*time.Minute, "x"), sent{"x", 40, 0}, 4, false},
		"longer than an hour":          {repeat(4, 6, 19*time.Minute, "x"), sent{"x", 40, 5 * time.Minute}, 0, false},
		"an hour later, another chain": {repeat(4, 6, time.Second, "x"), sent{"x", 40, time.Hour}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var s sends
			at := time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
			for _, c := range tt.sent {
				at = at.Add(c.after)
				s.note(7, renamed(c.value), c.depth, at)
			}
			times, growing := s.goesRound(7, renamed(tt.next.value), tt.next.depth, at.Add(tt.next.after))
			if times != tt.times || growing != tt.growing {
				t.Errorf("%d %v, want %d %v", times, growing, tt.times, tt.growing)
			}
			s.forget(7)
			if times, _ := s.goesRound(7, renamed(tt.next.value), tt.next.depth, at); times != 0 {
				t.Errorf("forgotten, and still %d", times)
			}
		})
	}
}

// What is remembered is bounded; what was sent lately is there.
func TestSendsBounded(t *testing.T) {
	var s sends
	at := time.Date(2026, 1, 5, 2, 0, 0, 0, time.UTC)
	const n = 5 * objectsKept
	for id := identity.ID(1); id <= n; id++ {
		for depth := range changeTimes {
			s.note(id, renamed("x"), depth+1, at)
		}
	}
	if kept := len(s.now) + len(s.before); kept > 2*objectsKept {
		t.Errorf("%d objects are remembered", kept)
	}
	if times, _ := s.goesRound(n, renamed("x"), 40, at); times != changeTimes {
		t.Errorf("the last one was sent %d times", times)
	}
	s.note(1, renamed("x"), 1, at.Add(3*roundTime))
	if kept := len(s.now) + len(s.before); kept != 1 {
		t.Errorf("%d objects are remembered after three hours", kept)
	}
}

// Changes that differ have different digests, wherever they do.
func TestDigestsOf(t *testing.T) {
	seen := map[string]int{}
	deltas := []*identity.Delta{
		renamed("x"), renamed("y"), renamed("x", "y"), renamed("xy", ""),
		{Op: identity.Update, DN: "x"},
		{Op: identity.Update, Changes: []identity.Change{{Name: "a0", Op: identity.Delete}}},
		{Op: identity.Update, Changes: []identity.Change{{Name: "a0", Op: identity.Update, Values: []identity.Value{identity.String("x")}}}},
		{Op: identity.Update, Changes: []identity.Change{{Name: "a0", Op: identity.Update, Removed: []identity.Value{identity.String("x")}}}},
	}
	for i, d := range deltas {
		change := changeOf(d)
		if other, twice := seen[change]; twice {
			t.Errorf("%d and %d are alike", other, i)
		}
		seen[change] = i
	}
	a, _ := digestsOf(deltas[0])
	b, _ := digestsOf(deltas[1])
	c, _ := digestsOf(deltas[2])
	if a != b || a == c {
		t.Error("the attributes of a change are not told by their names")
	}
}
