package engine_test

import (
	"fmt"
	"testing"

	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/store/storetest"
)

// work is what one run asks of the store and of the system: for each object of
// the population, or at all if it is about a single one.
type work struct {
	gets, scanned, writes float64
	calls                 int // of the agent, those for the schema included
}

var allCalls = append([]agenttest.Call{agenttest.CallSchema}, failCalls...)

// TestWorkOfScenarios holds the work of every kind of run to what it is now, so
// that a run that does more is noticed without a clock. Who makes one do less
// writes the smaller figure here.
func TestWorkOfScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a population")
	}
	const n = 2000
	w := newOffice(t, false)
	counter := storetest.Counting(w.state)
	w.state = counter
	w.open()
	for i := range n {
		w.edit("HR", fmt.Sprintf("q%04d", i), "employee", "name=x", "title=Dr")
	}
	calls := func(agent string) (sum int) {
		for _, call := range allCalls {
			sum += w.systems[agent].Calls(call)
		}
		return sum
	}
	// check carries out a run, and fails the test if it asks for more than it may,
	// per objects of them, with a few for the run itself.
	check := func(what, agent, profile string, per float64, want work) {
		t.Helper()
		counter.Take()
		before := calls(agent)
		r := w.run(agent, profile)
		got := counter.Take()
		if r.Result.Severity() > 1 {
			t.Fatalf("%s: %s", what, showRecord(r))
		}
		const fixed = 30 // for the run, whatever it does
		for _, m := range []struct {
			name      string
			got, want float64
		}{
			{"gets", float64(got.Gets), want.gets},
			{"scanned entries", float64(got.Scanned), want.scanned},
			{"writes", float64(got.Puts + got.Deletes), want.writes},
		} {
			t.Logf("%-50s %-16s %9.3f of %g", what, m.name, m.got/per, m.want)
			if m.got > m.want*per*1.01+fixed*min(1, per-1) {
				t.Errorf("%s: %s: %.0f, that is %.3f for each object, want %g", what, m.name, m.got, m.got/per, m.want)
			}
		}
		if sum := calls(agent) - before; sum > want.calls {
			t.Errorf("%s: %d calls of the agent, want %d", what, sum, want.calls)
		}
	}
	check("first import", "HR", "full-import", n, work{6, 0, 3, 6})
	check("unchanged import", "HR", "full-import", n, work{1, 0, 0, 6})
	check("full synchronization that provisions", "HR", "full-sync", n, work{3, 1.3, 7, 0})
	w.run("Directory", "full-import")
	check("export", "Directory", "export", n, work{4, 1, 5, 5})                 // one to see whether an anchor is taken
	check("confirming import", "Directory", "full-import", n, work{3, 0, 5, 6}) // one for the existence test
	check("synchronization of what was confirmed", "Directory", "delta-sync", n, work{4, 1, 3, 0})
	check("full synchronization of a source without change", "HR", "full-sync", n, work{4, 1, 0, 0})
	check("full synchronization of a target without change", "Directory", "full-sync", n, work{4, 1, 0, 0})
	w.cycle()
	w.cycle()

	w.change("HR", "q0007", "title=Prof")
	check("import of one change", "HR", "full-import", n, work{1, 0, 0, 6})
	check("delta synchronization of one change", "HR", "delta-sync", 1, work{11, 1, 7, 0}) // one get to see whether the rules are those of before, three for join partners
	check("export of one change", "Directory", "export", 1, work{7, 1, 7, 3})
	check("confirming import of one change", "Directory", "full-import", n, work{1, 0, 0, 6})
	check("delta synchronization after it", "Directory", "delta-sync", 1, work{10, 2, 1, 0}) // of the existence test

	w.change("HR", "q0007", "manager=q0008")
	w.run("HR", "full-import")
	check("delta synchronization of one reference", "HR", "delta-sync", 1, work{13, 1, 9, 0})
	check("export of one reference", "Directory", "export", 1, work{9, 1, 7, 3})
	w.cycle()

	w.drop("HR", "q0007")
	check("import that finds one gone", "HR", "full-import", n, work{1, 1, 0, 5})
	check("delta synchronization of a deletion", "HR", "delta-sync", 1, work{18, 2, 16, 0}) // two for the census, six for join partners
	check("export of a deletion", "Directory", "export", 1, work{7, 1, 7, 3})
	check("import that confirms the deletion", "Directory", "full-import", n, work{1, 1, 0, 6})
	check("delta synchronization of nothing", "Directory", "delta-sync", 1, work{6, 1, 0, 0})
	w.run("HR", "full-sync")
	check("resynchronization of nothing", "HR", "resync", 1, work{3, 4, 0, 0})
	check("export of nothing", "Directory", "export", 1, work{2, 0, 0, 0})
	w.cycle()
	w.settled(t)
}
