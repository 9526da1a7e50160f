package autosync

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// TestSimulation lets twenty agents live for days: systems change, triggers
// fire, people ask for runs, runs last from nothing to minutes and fail, objects
// fail, the configuration is replaced and the daemon restarts. Then the failures
// cease, and everything must come to rest.
func TestSimulation(t *testing.T) {
	for i, mode := range []Mode{Overlap, Supported, Exclusive} {
		for seed := range uint64(1) {
			t.Run(fmt.Sprint(mode, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { simulate(t, mode, rand.New(rand.NewPCG(seed, uint64(i)))) })
			})
		}
	}
}

// A randomness is shared by goroutines.
type randomness struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (r *randomness) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.IntN(n)
}

type simulation struct {
	*fakeEngine
	random  *randomness
	healthy bool // nothing fails any more; guarded by mu
	asked   []simulated
}

// simulated is a request that was accepted.
type simulated struct {
	Request
	at time.Time
}

func simulate(t *testing.T, mode Mode, r *rand.Rand) {
	const days = 2
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("A%02d", i))
	}
	sim := &simulation{fakeEngine: newFake(mode, names...), random: &randomness{r: r}}
	random := sim.random
	// A change goes to the next two agents: a ring, without echo.
	sim.targets = func(agent string) []string {
		i := slices.Index(names, agent)
		return []string{names[(i+1)%len(names)], names[(i+2)%len(names)]}
	}
	sim.failObjects = func() int {
		if sim.healthy {
			return 0
		}
		return random.n(3) / 2
	}
	sim.wait = func(ctx context.Context, _, _ string) (run.Result, error) {
		if err := sleep(ctx, []time.Duration{0, time.Millisecond, time.Second, 20 * time.Second, 3 * time.Minute}[random.n(5)]); err != nil {
			return "", err
		}
		sim.mu.Lock()
		defer sim.mu.Unlock()
		switch n := random.n(20); {
		case sim.healthy:
		case n == 0:
			return "stopped-connectivity", nil
		case n == 1:
			return "no-start-connection", nil
		case n == 2:
			return "", errors.New("the store is full")
		}
		return "success", nil
	}

	settings := settingsFor(mode, names...)
	for i := range settings.Agents {
		settings.Agents[i].Import = []Schedule{{}, {Off: true}, {Every: time.Hour}}[i%3]
	}
	settings.NeverTogether = [][]string{names[:3], {names[2], names[5]}}
	st := store.NewMemory()
	begin := time.Now()
	for time.Since(begin) < days*24*time.Hour {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.n(20))*time.Hour)
		sim.live(ctx, t, newScheduler(t, st, sim.fakeEngine, settings))
		cancel()
	}
	lived := len(sim.history)
	t.Logf("%d runs in %d days, %d requests", lived, days, len(sim.asked))
	if lived < 1000 || lived > days*24*60*20 {
		t.Errorf("%d runs", lived)
	}

	sim.mu.Lock()
	sim.healthy = true
	sim.mu.Unlock()
	for i := range settings.Agents {
		settings.Agents[i].Import = Schedule{Off: true}
		sim.change(names[i], 1)
	}
	s := newScheduler(t, st, sim.fakeEngine, settings)
	stop := start(t, s)
	for _, name := range names {
		if err := s.Request(request(name, "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
	}
	pass(24 * time.Hour)
	if left := sim.left(); left != nil {
		t.Errorf("left to do: %+v\n%+v", left, s.Status())
	}
	if n := len(sim.runs()) - lived; n > 2000 {
		t.Errorf("%d runs to come to rest", n)
	}
	before := len(sim.runs())
	pass(24 * time.Hour)
	if n := len(sim.runs()) - before; n > 0 {
		t.Errorf("%d runs although there is nothing to do", n)
	}
	stop()
	if left := stored(t, st); left != nil {
		t.Errorf("requests left: %v", left)
	}
	if len(sim.broken) > 0 {
		t.Errorf("%d promises broken, such as %v", len(sim.broken), sim.broken[:min(5, len(sim.broken))])
	}
	sim.checkRequests(t, settings)
}

// live runs a scheduler until ctx is done while the world goes on around it.
func (sim *simulation) live(ctx context.Context, t *testing.T, s *Scheduler) {
	var world sync.WaitGroup
	world.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	often := func(every time.Duration, fn func(agent string)) {
		world.Go(func() {
			for sleep(ctx, time.Duration(1+sim.random.n(int(2*every)))) == nil {
				fn(sim.order[sim.random.n(len(sim.order))])
			}
		})
	}
	profiles := run.DefaultProfiles()
	profile := func() string { return profiles[sim.random.n(len(profiles))].Name }
	often(10*time.Minute, func(agent string) { sim.change(agent, 1+sim.random.n(3)) })
	often(2*time.Minute, func(agent string) { sim.ask(t, s, request(agent, "delta-import", CauseTrigger)) })
	often(time.Hour, func(agent string) { sim.ask(t, s, request(agent, profile(), CauseTrigger)) })
	often(time.Hour, func(agent string) { sim.ask(t, s, request(agent, profile(), CauseManual)) })
	often(time.Hour, func(agent string) {
		patience, cancel := context.WithTimeout(ctx, time.Duration(sim.random.n(int(time.Hour))))
		defer cancel()
		_, _ = s.Do(patience, request(agent, profile(), CauseManual))
	})
	often(2*time.Hour, func(string) {
		_ = s.Barrier(ctx, func() error {
			sim.mu.Lock()
			defer sim.mu.Unlock()
			if n := len(sim.active); n > 0 {
				sim.broken = append(sim.broken, fmt.Sprintf("%d runs during a barrier", n))
			}
			return nil
		})
	})
	often(20*time.Minute, func(string) { s.Wake(); _ = s.Status() })
	world.Wait()
}

func (sim *simulation) ask(t *testing.T, s *Scheduler, r Request) {
	at := time.Now()
	if err := s.Request(r); err != nil {
		t.Error(err)
		return
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	sim.asked = append(sim.asked, simulated{r, at})
}

// checkRequests looks for a request without a later run.
func (sim *simulation) checkRequests(t *testing.T, settings Settings) {
	steps := map[string][]run.StepType{}
	for _, p := range settings.Agents[0].Profiles {
		steps[p.Name] = settings.steps(key{settings.Agents[0].Name, p.Name})
	}
	for _, r := range sim.asked {
		if !slices.ContainsFunc(sim.history, func(e executed) bool {
			return e.agent == r.Agent && !e.started.Before(r.at) && covers(steps[e.profile], steps[r.Profile]) &&
				(r.Cause.Kind == CauseManual || !Outcome{Result: e.result}.failed())
		}) {
			t.Errorf("%+v was never carried out", r)
		}
	}
}
