package host

import (
	"errors"
	"testing"
)

// A retired generation is closed when the last one who holds it lets go.
func TestRetire(t *testing.T) {
	g := load(t, files("a.js", `hook("f", () => 1)`), Options{})
	works := func() bool {
		_, err := call(t.Context(), t, g, Call{}, "f")
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		return err == nil
	}
	first, second := g.Hold(), g.Hold()
	first()
	first() // counts once
	g.Retire()
	if !works() {
		t.Error("it is closed while somebody holds it")
	}
	second()
	if works() {
		t.Error("it is not closed after the last one let go")
	}

	g = load(t, files("a.js", `hook("f", () => 1)`), Options{})
	g.Hold()()
	if !works() {
		t.Error("it is closed without having been retired")
	}
	if g.Retire(); works() {
		t.Error("nobody holds it, and it is not closed")
	}
}
