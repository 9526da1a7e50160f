package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
	"github.com/metasync/metasync/engine/workflow"
)

// A life is that of a process: it ends before a commit to any of its stores.
type life struct {
	mu   sync.Mutex
	left int
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left <= 0
}

type mortal struct {
	store.Store
	life *life
}

func (m mortal) Update(fn func(store.Tx) error) error {
	if m.life.over() {
		return storetest.ErrKilled
	}
	return m.Store.Update(func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		m.life.mu.Lock()
		defer m.life.mu.Unlock()
		if m.life.left--; m.life.left <= 0 {
			return storetest.ErrKilled
		}
		return nil
	})
}

// watched are watches over what happens in an office, with no place for details but
// for them.
var watched = []engine.Watch{
	{Name: "staged", Counter: "stage-add", Agent: "HR"},
	{Name: "gone", Counter: "stage-delete", Agent: "HR"},
	{Name: "projected", Counter: "disconnector-projected-flow", Agent: "HR", Object: "employee"},
	{Name: "removed", Counter: "connector-delete-remove-mv", Agent: "HR"},
	{Name: "provisioned", Counter: "provisioned-add-flow", Agent: "Directory", Object: "user"},
	{Name: "created", Counter: "export-add", Agent: "Directory", Object: "user", Where: `=Not(Eq(name, "nobody"))`},
	{Name: "deleted", Counter: "export-delete", Agent: "Directory"},
}

// occurred returns which objects the watches have seen in all runs.
func (w *world) occurred(t *testing.T) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for record, err := range w.engine.History().Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, watch := range watched {
			err := w.engine.Occurrences(t.Context(), record, watch.Name, func(o workflow.Occurrence) error {
				if o.Problem != "" {
					t.Errorf("%s %s: %s", watch.Name, o.Object.DN, o.Problem)
				}
				seen[watch.Name+" "+o.Object.DN] = true
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return seen
}

// Wherever the process dies, the watches hear of every object, although nothing else is
// kept of runs.
func TestWatchesMissNobody(t *testing.T) {
	t.Parallel()
	story := func() *world {
		w := newStory(t, "")
		for _, f := range watched {
			w.config.Workflows = append(w.config.Workflows, config.Workflow{Name: f.Name, On: f.Counter, Agent: f.Agent, Object: f.Object, Where: f.Where})
		}
		w.config.History.Details = false
		w.history = store.NewMemory()
		return w
	}
	w := story()
	w.open()
	w.cycle()
	w.cycle()
	want := w.occurred(t)
	for _, watch := range watched {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(k string) bool { return len(k) > len(watch.Name) && k[:len(watch.Name)] == watch.Name }) {
			t.Fatalf("nothing of %s: %v", watch.Name, want)
		}
	}
	for n := 1; ; n += 2 {
		w := story()
		history := w.history
		l := &life{left: n}
		w.history = mortal{history, l}
		crashed := w.tryOpen(mortal{w.state, l}) != nil
		if !crashed {
			crashed = w.disturbedCycle(t.Context())
		}
		w.history = history
		w.calm()
		w.open()
		for _, name := range w.agents() { // an export that was cut short comes first, as the scheduler has it
			w.run(name, "export")
		}
		w.cycle()
		w.cycle()
		got := w.occurred(t)
		maps.DeleteFunc(got, func(key string, _ bool) bool { return !want[key] }) // what comes to nothing may be told of
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("killed at commit %d (-undisturbed +disturbed):\n%s", n, diff)
		}
		if !crashed {
			if n < 10 {
				t.Fatalf("a cycle has only %d commits", n)
			}
			return
		}
	}
}

// A watch that names what there is not is refused, with its place.
func TestWatchesAreChecked(t *testing.T) {
	t.Parallel()
	at := fault.Position{File: "f", Line: 3, Column: 5}
	for _, tt := range []struct {
		watch engine.Watch
		want  string
	}{
		{engine.Watch{Name: "w", Counter: "stage-adds", Agent: "HR"}, `f:3:5: unknown-counter: workflow "w": there is no counter "stage-adds" that leads to objects`},
		{engine.Watch{Name: "w", Counter: "stage-add", Agent: "HX"}, `f:3:5: unknown-agent: workflow "w": there is no agent "HX"`},
		{engine.Watch{Name: "w", Counter: "stage-add", Agent: "HR", Object: "user"}, `f:3:5: unknown-object-type: workflow "w": agent "HR" has no object type "user"`},
	} {
		w := newStory(t, "")
		definition := w.definition(fmt.Sprintf(office, false, false))
		tt.watch.Position = at
		definition.Watches = []engine.Watch{tt.watch}
		_, err := w.engine.Check(t.Context(), definition, w.functions)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}
