package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/store/storetest"
	"github.com/metasync/metasync/engine/workflow"
)

// runs is a source whose runs have objects for every workflow.
type runs struct {
	t       *testing.T
	store   store.Store
	history *run.History
	objects map[uint64][]string // by run
}

func (r *runs) History() *run.History { return r.history }

func (r *runs) Occurrences(_ context.Context, record *run.Record, _ string, yield func(workflow.Occurrence) error) error {
	for _, name := range r.objects[record.Run] {
		o := workflow.Occurrence{Object: workflow.Object{ID: identity.NewID(1, 1), DN: name}}
		if strings.HasPrefix(name, "odd") {
			o.Problem = "nobody knows"
		}
		if err := yield(o); err != nil {
			return err
		}
	}
	return nil
}

// put writes a record as a run writes it, with the result that it has.
func (r *runs) put(number uint64, result run.Result, objects ...string) {
	r.t.Helper()
	record := fmt.Sprintf(`{"run":%d,"agent":"HR","profile":"p","result":%q,"steps":[{}]}`, number, result)
	key := append([]byte("run/"), 0, 0, 0, 0, 0, 0, 0, byte(number))
	err := r.store.Update(func(tx store.Tx) error {
		if err := tx.Put("runs", []byte("next"), []byte{0, 0, 0, 0, 0, 0, 0, byte(number + 1)}); err != nil {
			return err
		}
		return tx.Put("runs", key, []byte(record))
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.objects[number] = objects
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func setUp(t *testing.T, state store.Store, definitions ...workflow.Definition) (*workflow.Queue, *runs, *clock) {
	t.Helper()
	r := &runs{t: t, store: store.NewMemory(), objects: map[uint64][]string{}}
	var err error
	if r.history, err = run.NewHistory(r.store); err != nil {
		t.Fatal(err)
	}
	r.put(1, "success", "old")
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	q := workflow.New(workflow.Options{Store: state, Source: r, Now: c.now})
	if err := q.Begin(definitions); err != nil {
		t.Fatal(err)
	}
	return q, r, c
}

// work carries everything out that is due and returns what it was, in its order.
func work(t *testing.T, q *workflow.Queue, fails func(name string) bool) (done []string, next time.Time) {
	t.Helper()
	next, err := q.Work(t.Context(), func(_ context.Context, e *workflow.Entry) error {
		done = append(done, fmt.Sprintf("%s %s %d", e.Workflow, e.Object.DN, e.Tries+1))
		if fails != nil && fails(e.Workflow+" "+e.Object.DN) {
			return errors.New("no")
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return done, next
}

func gather(t *testing.T, q *workflow.Queue) {
	t.Helper()
	if err := q.Gather(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A run that goes on holds up nobody who ended after it began, and each is looked at
// once.
func TestRunsEndInAnyOrder(t *testing.T) {
	q, r, _ := setUp(t, store.NewMemory(), workflow.Definition{Name: "w"})
	r.put(2, run.InProgress, "two")
	r.put(3, "success", "three")
	gather(t, q)
	gather(t, q)
	r.put(4, "success", "four")
	gather(t, q)
	done, _ := work(t, q, nil)
	same(t, "while a run goes on", []string{"w three 1", "w four 1"}, done)
	r.put(2, "success", "two")
	gather(t, q)
	gather(t, q)
	done, _ = work(t, q, nil)
	same(t, "after its end", []string{"w two 1"}, done)
}

// A workflow that fails is tried again after growing times, does not hold up others,
// and has failed in the end, until somebody decides.
func TestRetries(t *testing.T) {
	q, r, c := setUp(t, store.NewMemory(), workflow.Definition{Name: "a", Retries: 2, Wait: time.Minute}, workflow.Definition{Name: "b", Wait: time.Minute})
	r.put(2, "success", "x", "y")
	gather(t, q)
	fails := func(name string) bool { return name == "a x" }
	done, next := work(t, q, fails)
	same(t, "first", []string{"a x 1", "b x 1", "b y 1", "a y 1"}, done)
	same(t, "next", c.at.Add(time.Minute), next)
	c.at = c.at.Add(time.Minute)
	done, next = work(t, q, fails)
	same(t, "second", []string{"a x 2"}, done)
	same(t, "next", c.at.Add(2*time.Minute), next)
	c.at = c.at.Add(2 * time.Minute)
	done, next = work(t, q, fails)
	same(t, "third", []string{"a x 3"}, done)
	same(t, "next", time.Time{}, next)
	status, err := q.Status()
	if err != nil || status.Failed != 1 || status.Waiting != 0 || len(status.Failures) != 1 || status.Failures[0].Tries != 3 || status.Failures[0].Error != "no" {
		t.Fatalf("%+v, %v", status, err)
	}
	if n, err := q.Retry(status.Failures[0].ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	done, _ = work(t, q, nil)
	same(t, "after somebody decided", []string{"a x 1"}, done)
}

// What a condition cannot be found out about is shown, and not done.
func TestProblems(t *testing.T) {
	q, r, c := setUp(t, store.NewMemory(), workflow.Definition{Name: "w"})
	r.put(2, "success", "odd one", "even")
	gather(t, q)
	done, _ := work(t, q, nil)
	same(t, "done", []string{"w even 1"}, done)
	status, err := q.Status()
	if err != nil || status.Failed != 1 || status.Failures[0].Error != "nobody knows" {
		t.Fatalf("%+v, %v", status, err)
	}
	if n, err := q.Prune(c.at.Add(-time.Hour)); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := q.Prune(c.at.Add(time.Hour)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// The first workflows are not about what happened before them, and those after a time
// without any not about what happened meanwhile.
func TestBegin(t *testing.T) {
	w := []workflow.Definition{{Name: "w"}}
	q, r, _ := setUp(t, store.NewMemory(), w...)
	r.put(2, "success", "two")
	gather(t, q)
	for _, definitions := range [][]workflow.Definition{w, nil} {
		if err := q.Begin(definitions); err != nil {
			t.Fatal(err)
		}
	}
	r.put(3, "success", "three")
	gather(t, q)
	if err := q.Begin(w); err != nil {
		t.Fatal(err)
	}
	r.put(4, "success", "four")
	gather(t, q)
	done, _ := work(t, q, nil)
	same(t, "done", []string{"w two 1", "w four 1"}, done)
}

// Wherever the process dies, every object has its entry, once; and what was carried
// out is carried out again only if nobody could write that it was.
func TestCrashes(t *testing.T) {
	var names []string
	for i := range 450 { // several pages
		names = append(names, fmt.Sprint(i))
	}
	for fail := 1; ; fail++ {
		state := store.NewMemory()
		_, r, _ := setUp(t, state, workflow.Definition{Name: "w"})
		r.put(2, "success", names...)
		r.put(3, "success", "last")
		q := workflow.New(workflow.Options{Store: storetest.FailAfter(state, fail), Source: r})
		done := map[string]int{}
		perform := func(_ context.Context, e *workflow.Entry) error {
			done[e.Object.DN]++
			return nil
		}
		err := q.Begin([]workflow.Definition{{Name: "w"}})
		if err == nil {
			err = q.Gather(t.Context())
		}
		if err == nil {
			_, err = q.Work(t.Context(), perform, nil)
		}
		again := workflow.New(workflow.Options{Store: state, Source: r})
		if err := again.Begin([]workflow.Definition{{Name: "w"}}); err != nil {
			t.Fatal(err)
		}
		gather(t, again)
		if _, err := again.Work(t.Context(), perform, nil); err != nil {
			t.Fatal(err)
		}
		twice := 0
		for _, name := range slices.Concat(names, []string{"last"}) {
			switch done[name] {
			case 1:
			case 2:
				twice++
			default:
				t.Fatalf("crash at write %d: %q was carried out %d times", fail, name, done[name])
			}
		}
		if twice > 1 {
			t.Fatalf("crash at write %d: %d entries were carried out twice", fail, twice)
		}
		if err == nil {
			if fail < 5 {
				t.Fatalf("only %d writes", fail)
			}
			return
		}
		if fail > 6 { // those of gathering; then only some of the work
			fail += 60
		}
	}
}
