package sync

import (
	"slices"
	"testing"

	"github.com/metasync/metasync/engine/identity"
)

// TestPinnedRandom: what is drawn depends on the run, the object and the expression
// alone.
func TestPinnedRandom(t *testing.T) {
	draw := func(r *pinnedRandom, object identity.ID, text string) (numbers []int64) {
		r.begin(object, text)
		for range 8 {
			numbers = append(numbers, r.below(1<<40))
		}
		return numbers
	}
	run, other := newPinnedRandom(), newPinnedRandom()
	first := draw(run, 1, "RandomNum(0, 9)")
	if again := draw(run, 1, "RandomNum(0, 9)"); !slices.Equal(first, again) {
		t.Errorf("drawn again: %v, before %v", again, first)
	}
	for what, numbers := range map[string][]int64{
		"another object":     draw(run, 2, "RandomNum(0, 9)"),
		"another expression": draw(run, 1, "RandomNum(0, 8)"),
		"another run":        draw(other, 1, "RandomNum(0, 9)"),
	} {
		if slices.Equal(first, numbers) {
			t.Errorf("%s draws the same", what)
		}
	}
}
