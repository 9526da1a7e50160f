package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/sync"
)

// details shows the objects behind the counters of the last run.
func (s *script) details(args []string) (string, error) {
	last, err := s.engine.History().Last(1)
	if err != nil {
		return "", err
	}
	target := ""
	if len(args) > 0 {
		target = args[0]
	}
	var b strings.Builder
	for i, step := range last[0].Steps {
		var names []string
		if target != "" {
			names = nonzero(step.Outbound[target])
		} else {
			names = slices.Concat(nonzero(step.Staging), nonzero(step.Inbound), nonzero(step.Exports))
		}
		for _, counter := range names {
			views, err := s.engine.Details(engine.DetailQuery{Run: last[0].Run, Step: i + 1, Counter: counter, Agent: target})
			if fault.Name(err) == "no-details" {
				continue
			}
			if err != nil {
				return "", err
			}
			for _, v := range views {
				fmt.Fprintf(&b, "%s %s %q %q %s %s", counter, v.Object, v.DN, v.Anchor, v.Agent, v.Operation)
				if v.NewDN != "" {
					fmt.Fprintf(&b, " to %q", v.NewDN)
				}
				for _, name := range slices.Sorted(maps.Keys(v.Changes)) {
					c := v.Changes[name]
					fmt.Fprintf(&b, " %s %s +%v -%v", name, c.Operation, c.Values, c.Removed)
				}
				b.WriteByte('\n')
			}
		}
	}
	return b.String(), nil
}

func nonzero[K ~string](counters map[K]int) []string {
	var names []string
	for name, n := range counters {
		if n > 0 {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names
}

const manyDetails = `
metaverse:
  person: {attributes: {name: string}}
agents:
  HR:
    type: memory
    objects: {employee: {anchor: [id], strings: [name]}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {name: name}}}
history: `

// The objects of a counter are all kept, over many pages and in the order in
// which they were counted, up to the limit; and they go with their run.
func TestDetailsPages(t *testing.T) {
	for _, tt := range []struct {
		history string
		want    int
	}{{"{}", 2500}, {"{detailsLimit: 1234}", 1234}, {"{details: false}", 0}} {
		t.Run(tt.history, func(t *testing.T) {
			w := newWorld(t, manyDetails+tt.history)
			for i := range 2500 {
				w.systems["HR"].Put(agenttest.Object{Anchor: fmt.Sprintf("%04d", i), DN: fmt.Sprintf("%04d", i), Type: "employee"})
			}
			for _, counter := range []struct{ profile, name string }{
				{"full-import", "stage-add"}, {"full-sync", "disconnector-projected-no-flow"}, {"full-sync", "connector-no-flow"},
			} {
				record := w.run("HR", counter.profile)
				if got := record.Steps[0].Staging[counter.name] + record.Steps[0].Inbound[sync.Counter(counter.name)]; got != 2500 {
					t.Fatalf("%s counts %d objects in %s", counter.profile, got, counter.name)
				}
				views, err := w.engine.Details(engine.DetailQuery{Run: record.Run, Counter: counter.name})
				if err != nil {
					t.Fatal(err)
				}
				if len(views) != tt.want {
					t.Fatalf("%s has %d objects, want %d", counter.name, len(views), tt.want)
				}
				for i, v := range views {
					if want := fmt.Sprintf("%04d", i); v.Anchor != want || v.DN != want || v.Object != "employee" || v.ID == nil {
						t.Fatalf("object %d of %s is %+v", i, counter.name, v)
					}
				}
			}
			views, err := w.engine.Details(engine.DetailQuery{Run: 1, Step: 1, Counter: "stage-add", Limit: 7})
			if err != nil || len(views) != min(7, tt.want) {
				t.Errorf("7 at most: %d, %v", len(views), err)
			}
			if _, err := w.engine.History().Prune(w.now.Add(time.Hour), 0); err != nil {
				t.Fatal(err)
			}
			err = w.history.View(func(r store.Reader) error {
				for key := range r.Scan("details", nil, nil) {
					t.Fatalf("%x is left of pruned runs", key)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What is long is cut, and what is secret is left out.
func TestDetailsOfValues(t *testing.T) {
	w := newWorld(t, manyDetails+"{}")
	hr := w.systems["HR"]
	put := func(name string) {
		o := agenttest.Object{Anchor: "1", DN: "1", Type: "employee"}
		o.Attributes = o.Attributes.Set("name", identity.String(name))
		hr.Put(o)
	}
	put("Ada")
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	put(strings.Repeat("ä", 1000))
	record := w.run("HR", "full-import")
	views, err := w.engine.Details(engine.DetailQuery{Run: record.Run, Counter: "stage-update"})
	if err != nil || len(views) != 1 {
		t.Fatalf("%d objects, %v", len(views), err)
	}
	change := views[0].Changes["name"]
	if got, want := fmt.Sprint(change.Values), "["+strings.Repeat("ä", 128)+"...]"; got != want || fmt.Sprint(change.Removed) != "[Ada]" {
		t.Errorf("name became %s, from %v", got, change.Removed)
	}
}

func TestDetailsRefusals(t *testing.T) {
	w := newWorld(t, manyDetails+"{}")
	w.run("HR", "full-import")
	for _, tt := range []struct {
		query engine.DetailQuery
		name  string
		hint  string
	}{
		{engine.DetailQuery{Run: 7, Counter: "stage-add"}, "unknown-run", ""},
		{engine.DetailQuery{Run: 1, Step: 2, Counter: "stage-add"}, "unknown-step", ""},
		{engine.DetailQuery{Run: 1, Counter: "stage-ad"}, "unknown-counter", `did you mean "stage-add"?`},
		{engine.DetailQuery{Run: 1, Counter: "stage-no-change"}, "no-details", ""},
		{engine.DetailQuery{Run: 1, Counter: "stage-add", Agent: "HR"}, "unknown-counter", ""},
	} {
		_, err := w.engine.Details(tt.query)
		if named := fault.As(err, ""); named == nil || named.Name != tt.name || tt.hint != "" && named.Hint != tt.hint {
			t.Errorf("%+v: %v", tt.query, err)
		}
	}
}
