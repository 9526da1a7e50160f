package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/store/storetest"
)

// deltaOffice is an office in which every system delivers single changes.
func deltaOffice(t testing.TB) *world {
	configuration := strings.Replace(fmt.Sprintf(office, true, true), "  HR:\n    type: memory\n", "  HR:\n    type: memory\n    delta: true\n", 1)
	w := newWorld(t, configuration)
	w.edit("HR", "p0", "employee", "name=zero")
	w.edit("Portal", "nobody", "page", "number=none")
	w.edit("Directory", "CN=stray", "user", "name=stray")
	return w
}

// TestEdgesDecideNothing: whether references are edges, which flow one by one,
// or parts of records, which flow as a whole, after every step everything is the
// same.
func TestEdgesDecideNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := deltaOffice(t)
		w.keepEdges(1)
		w.mirror = deltaOffice(t)
		for _, agent := range w.agents() {
			w.run(agent, "full-import")
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.step(rt)
			if diff := cmp.Diff(w.mirror.String(), w.String()); diff != "" {
				rt.Fatalf("-without edges +with edges\n%s\n%s", diff, w)
			}
			if err := w.engine.Space().Check(); err != nil {
				rt.Fatalf("the store is not sound: %v\n%s", err, w)
			}
		}
	})
}

// TestGroupWork: one member more or less is the same work in a group of 300 and
// in one of 3,000: for imports, synchronizations and exports of values.
func TestGroupWork(t *testing.T) {
	work := func(size int) map[string]storetest.Counts {
		w := deltaOffice(t)
		counter := storetest.Counting(w.state)
		w.state = counter
		w.open()
		members := make([]string, size)
		for i := range members {
			members[i] = fmt.Sprintf("m%04d", i)
			w.edit("HR", members[i], "employee", "name=x")
		}
		w.edit("HR", "t1", "team", "members="+strings.Join(members[1:], ";"))
		w.cycle()
		w.cycle()
		counts := map[string]storetest.Counts{}
		for _, now := range []string{strings.Join(members, ";"), strings.Join(members[:size-1], ";")} {
			w.change("HR", "t1", "members="+now)
			for _, run := range [...][2]string{{"HR", "delta-import"}, {"HR", "delta-sync"}, {"Directory", "export"}, {"Directory", "delta-import"}, {"Directory", "delta-sync"}} {
				counter.Take()
				if r := w.run(run[0], run[1]); r.Result.Severity() > 0 {
					t.Fatal(showRecord(r))
				}
				counts[fmt.Sprintf("%d %s %s", len(counts), run[0], run[1])] = counter.Take()
			}
		}
		w.cycle()
		w.settled(t)
		return counts
	}
	if diff := cmp.Diff(work(300), work(3000)); diff != "" {
		t.Errorf("work in a small group and in a large one (-small +large):\n%s", diff)
	}
}
