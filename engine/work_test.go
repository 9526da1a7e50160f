package engine_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store/storetest"
	"github.com/metasync/metasync/engine/sync"
)

// population is more than any page or batch of a step holds.
const population = 8100

// newTown returns a world with many people that is in step, and the counter of
// its store.
func newTown(t testing.TB) (*world, *storetest.Counter) {
	w := newWorld(t, fmt.Sprintf(office, false, false))
	counter := storetest.Counting(w.state)
	w.state = counter
	w.open()
	w.edit("HR", "p0", "employee", "name=zero")
	w.edit("Portal", "nobody", "page", "number=none")
	w.edit("Directory", "CN=stray", "user", "name=stray")
	for i := range population {
		// A manager who comes later in the stream, on another page.
		w.edit("HR", fmt.Sprintf("q%04d", i), "employee", "name=x", fmt.Sprintf("manager=q%04d", (i*7+1)%population))
	}
	w.cycle()
	w.cycle()
	counter.Take()
	return w, counter
}

// TestWork counts what the store is asked for, so that nobody makes a run slow
// without noticing. The numbers are per object.
func TestWork(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a population")
	}
	w, counter := newTown(t)
	w.settled(t)
	counter.Take()
	const n = population

	t.Run("a full import of what is known", func(t *testing.T) {
		w.run("HR", "full-import")
		work := counter.Take()
		atMost(t, "gets", work.Gets, n+100)
		atMost(t, "scanned entries", work.Scanned, n+100) // which objects are missing
		atMost(t, "writes", work.Puts+work.Deletes, 10)
	})
	t.Run("a delta synchronization of one change", func(t *testing.T) {
		w.change("HR", "q0005", "title=Dr")
		w.run("HR", "full-import")
		counter.Take()
		w.run("HR", "delta-sync")
		work := counter.Take()
		atMost(t, "gets", work.Gets, 60)
		atMost(t, "scanned entries", work.Scanned, 60)
		atMost(t, "writes", work.Puts+work.Deletes, 20)
	})
	t.Run("a full synchronization without changes", func(t *testing.T) {
		w.run("HR", "full-sync")
		counter.Take()
		w.run("HR", "full-sync")
		work := counter.Take()
		atMost(t, "gets", work.Gets, 12*n)
		atMost(t, "scanned entries", work.Scanned, 4*n)
		atMost(t, "writes", work.Puts+work.Deletes, 20)
	})
	t.Run("an export of nothing", func(t *testing.T) {
		w.run("Portal", "export")
		work := counter.Take()
		atMost(t, "gets", work.Gets, 10)
		atMost(t, "writes", work.Puts+work.Deletes, 0)
	})
}

func atMost(t *testing.T, what string, got, limit int) {
	t.Helper()
	t.Logf("%s: %d", what, got)
	if got > limit {
		t.Errorf("%d %s, want at most %d", got, what, limit)
	}
}

// TestPreview: a synchronization of everything over a view changes no byte of
// the store, and what it did to the metaverse is seen within the view only.
func TestPreview(t *testing.T) {
	w := newStory(t, "")
	for _, name := range w.agents() {
		w.run(name, "full-import")
	}
	before := dump(w.state)
	units := 0
	w.view(func(tx *space.Tx) error {
		s := sync.New(t.Context(), w.engine.Rules(), w.engine.Space(), w.now)
		for _, name := range w.agents() {
			ids, err := tx.IDs(name, 0, 1000)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if _, err := s.Connector(tx, id, sync.Full); err != nil {
					return err
				}
				units++
			}
		}
		found, err := tx.FindObjects("person", "number", identity.String("P4"))
		if err != nil || len(found) != 1 {
			t.Errorf("a person that was projected within the view: %v, %v", found, err)
		}
		return nil
	})
	if units < 10 {
		t.Errorf("only %d objects were synchronized", units)
	}
	if diff := cmp.Diff(before, dump(w.state)); diff != "" {
		t.Errorf("a view changed the store (-before +after):\n%s", diff)
	}
	w.view(func(tx *space.Tx) error {
		found, err := tx.FindObjects("person", "number", identity.String("p4"))
		if len(found) != 0 {
			t.Errorf("a person of a view outlived it: %v", found)
		}
		return err
	})
}
