package autosync

import (
	"context"
	"fmt"
	"strings"
	"testing/synctest"
	"time"
)

// observeEvery is how often the simulation is looked at.
const observeEvery = 7 * time.Minute

// observe looks at the scheduler now and then, when it has decided, until ctx is done.
func (sim *simulation) observe(ctx context.Context, s *Scheduler) {
	for sleep(ctx, observeEvery) == nil {
		synctest.Wait()
		if ctx.Err() == nil {
			sim.look(s)
		}
	}
}

// look finds out what the scheduler forgets, what stands still and what starves.
func (sim *simulation) look(s *Scheduler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sim.mu.Lock()
	defer sim.mu.Unlock()
	broken := func(format string, args ...any) {
		sim.broken = append(sim.broken, time.Now().Format(time.DateTime)+": "+fmt.Sprintf(format, args...))
	}
	waiting := map[key]Waiting{}
	about := map[string]bool{} // agents of which something waits
	staggered := false         // something waits for the time between two starts, and others behind it
	for _, w := range s.waiting {
		waiting[key{w.Agent, w.Profile}] = w
		about[w.Agent] = true
		staggered = staggered || w.For == "the time between two starts"
		if w.For == "the end of an exclusion" {
			sim.seen["excluded"]++
		}
	}

	// Nothing is forgotten: a request and pending work run, or wait for something that
	// the status names, which includes a back-off.
	for k := range s.queue {
		if _, ok := waiting[k]; !ok && s.running[k.agent] == nil && !s.held(k) {
			broken("the request for %v neither runs nor waits", k)
		}
	}
	for name, a := range sim.agents {
		pending := a.PendingImports > 0 || a.PendingExports > 0 || a.Unconfirmed > 0 || !a.Imported
		if pending && s.running[name] == nil && !about[name] {
			broken("%s has work and nothing of it waits: %+v", name, a.Facts)
		}
	}

	// Nothing stands still: who waits for a lock waits for a run.
	waits := map[key]time.Duration{}
	for k, w := range waiting {
		forRun, forTurn := strings.HasPrefix(w.For, "the run "), strings.HasPrefix(w.For, "its turn after ")
		if !forRun && !forTurn {
			continue
		}
		if len(s.running) == 0 && !staggered {
			broken("%v waits for %s, and nothing runs", k, w.For)
		}
		// Nothing starves. What waits for its own agent waits for a want that is
		// looked at itself.
		if !strings.HasPrefix(w.For, "the run of ") && !sim.ownTurn(w) {
			waits[k] = sim.waits[k] + observeEvery
			sim.longest = max(sim.longest, waits[k])
			if waits[k] > longestWait {
				broken("%v has waited %v for the locks of others", k, waits[k])
			}
		}
	}
	sim.waits = waits
}

// ownTurn reports whether a run waits for its turn after one of its own agent.
func (sim *simulation) ownTurn(w Waiting) bool {
	after := strings.TrimPrefix(w.For, "its turn after ")
	_, ofAgent := sim.steps[after] // a profile alone is one of the same agent
	return ofAgent
}

// held reports whether the plan leaves out a request while its agent drains or an
// interrupted export goes first.
func (s *Scheduler) held(k key) bool { return s.facts[k.agent].MustExport }
