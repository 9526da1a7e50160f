package autosync

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// simulations is how many stories are told for each mode. `make laws` tells more.
var simulations = flag.Uint64("simulations", 1, "how many stories TestSimulation tells for each mode")

const (
	simulatedAgents = 50
	simulatedDays   = 30 // of the mode that is the default, and of all in `make laws`
	fewerDays       = 10 // of the others

	// Nothing waits longer for the locks of others, while nothing else keeps it back.
	// A run takes three minutes at most, and whoever is younger waits behind: so many
	// agents, each with a run, are the worst that is possible.
	longestWait = simulatedAgents * 3 * time.Minute
)

// TestSimulation lets fifty agents live for weeks: systems change, triggers fire,
// people ask for runs, also for exclusive and immediate ones, pause, drain, resume,
// cancel; runs last from nothing to minutes and fail, objects fail, controllers refuse
// and stop, there are hours in which nothing starts; the configuration is replaced and
// the daemon restarts. All the time the promises of the scheduler hold. Then the
// failures cease, and everything must come to rest.
func TestSimulation(t *testing.T) {
	for i, mode := range []Mode{Overlap, Supported, Exclusive} {
		days := simulatedDays
		if mode != Overlap && *simulations == 1 {
			days = fewerDays
		}
		for seed := range *simulations {
			t.Run(fmt.Sprint(mode, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { simulate(t, mode, days, rand.New(rand.NewPCG(seed, uint64(i)))) })
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

// chance is true once in n times.
func (r *randomness) chance(n int) bool { return r.n(n) == 0 }

type simulation struct {
	*fakeEngine
	random *randomness
	store  store.Store
	base   Settings
	steps  map[string][]run.StepType // of the profiles

	// The others are guarded by mu of the engine.
	healthy   bool // nothing fails any more
	asked     []simulated
	answers   map[string][]answer   // by agent: what ended requests without a run
	exclusive map[string]bool       // the agents whose run is to be alone
	waits     map[key]time.Duration // how long each has waited for the locks of others alone
	longest   time.Duration
	seen      map[string]int // how often something happened that is meant to
}

// simulated is a request that was accepted.
type simulated struct {
	Request
	at time.Time
}

// An answer is an end of requests that is no run.
type answer struct {
	profile string
	at      time.Time
	manual  bool // only of those by hand, which are tried once
}

func simulate(t *testing.T, mode Mode, days int, r *rand.Rand) {
	var names []string
	for i := range simulatedAgents {
		names = append(names, fmt.Sprintf("A%02d", i))
	}
	sim := &simulation{
		fakeEngine: newFake(mode, names...), random: &randomness{r: r}, store: store.NewMemory(), steps: map[string][]run.StepType{},
		answers: map[string][]answer{}, exclusive: map[string]bool{}, waits: map[key]time.Duration{}, seen: map[string]int{},
	}
	sim.prepare(mode, names)
	begin := time.Now()
	for time.Since(begin) < time.Duration(days)*24*time.Hour {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Duration(sim.random.n(int(48*time.Hour))))
		sim.live(ctx, t, sim.varied())
		cancel()
		time.Sleep(time.Duration(sim.random.n(int(time.Hour)))) // nobody is at work
		sim.seen["restart"]++
	}
	sim.mu.Lock()
	sim.healthy = true
	lived := len(sim.history)
	sim.mu.Unlock()
	t.Logf("%d runs in %d days, %d requests, the longest wait %v, %v", lived, days, len(sim.asked), sim.longest, sim.seen)
	if lived < 200*days {
		t.Errorf("%d runs", lived)
	}
	for _, what := range []string{
		"restart", "settings", "paused", "draining", "stopped", "resumed", "cancelled", "refused for good", "refused for a while",
		"exclusive", "immediate", "failed", "excluded", "interrupted", "barrier",
	} {
		if sim.seen[what] == 0 && days >= simulatedDays {
			t.Errorf("the story has no %s", what)
		}
	}
	sim.rest(t, lived)
	sim.checkRequests(t)
	if len(sim.broken) > 0 {
		t.Errorf("%d promises broken, such as %v", len(sim.broken), sim.broken[:min(5, len(sim.broken))])
	}
}

// prepare says how systems and runs behave, and which settings there are.
func (sim *simulation) prepare(mode Mode, names []string) {
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
		return random.n(21) / 20
	}
	sim.wait = func(ctx context.Context, agent, _ string) (run.Result, error) {
		if err := sim.enter(agent); err != nil {
			return "", err
		}
		defer sim.leave(agent)
		if err := sleep(ctx, []time.Duration{0, time.Millisecond, time.Second, 20 * time.Second, 3 * time.Minute}[random.n(5)]); err != nil {
			sim.note("interrupted")
			return "", err
		}
		n := random.n(40)
		sim.mu.Lock()
		healthy := sim.healthy
		sim.mu.Unlock()
		if healthy || n > 2 {
			return "success", nil
		}
		sim.note("failed")
		switch n {
		case 0:
			return "stopped-connectivity", nil
		case 1:
			return "no-start-connection", nil
		}
		return "", errors.New("the store is full")
	}
	sim.base = settingsFor(mode, names...)
	for i := range sim.base.Agents {
		a := &sim.base.Agents[i]
		a.Import = []Schedule{{Every: 8 * time.Hour}, {Off: true}, {Every: 24 * time.Hour}}[i%3]
		if i%4 == 0 {
			a.Controller = Controller{ShouldExecute: sim.shouldExecute, ExecutionComplete: sim.executionComplete}
		} else { // it only tells which run is exclusive
			a.Controller = Controller{ShouldExecute: func(_ context.Context, p Planned) (Permission, error) {
				sim.plan(p)
				return Permission{}, nil
			}}
		}
	}
	for _, p := range sim.base.Agents[0].Profiles {
		sim.steps[p.Name] = sim.base.steps(key{names[0], p.Name})
	}
	sim.base.NeverTogether = [][]string{names[:3], {names[2], names[5]}}
	sim.base.Exclusions = []Exclusion{{Agents: names[10:20], Within: func(now time.Time) time.Time {
		day := now.Truncate(24 * time.Hour)
		if begin, end := day.Add(8*time.Hour), day.Add(17*time.Hour); !now.Before(begin) && now.Before(end) {
			return end
		}
		return noTime
	}}}
}

// varied returns settings as another version of the configuration has them.
func (sim *simulation) varied() Settings {
	s := sim.base
	s.Stagger = time.Duration(sim.random.n(3)) * time.Second
	s.Coalesce = time.Duration(sim.random.n(3)) * 20 * time.Second
	if sim.random.chance(2) {
		s.NeverTogether = nil
	}
	s.Retry = Retry{Results: []run.Result{"stopped-connectivity"}, Times: sim.random.n(4), Wait: 5 * time.Second}
	s.Agents = slices.Clone(s.Agents)
	for i := range s.Agents {
		if sim.random.chance(10) {
			s.Agents[i].Import = Schedule{Every: time.Duration(1+sim.random.n(24)) * time.Hour}
		}
	}
	return s
}

func (sim *simulation) note(what string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	sim.seen[what]++
}

// plan takes note of a run that has its locks.
func (sim *simulation) plan(p Planned) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	sim.exclusive[p.Agent] = p.Exclusive
	if p.Exclusive {
		sim.seen["exclusive"]++
	}
}

// enter finds out whether an exclusive run is alone. It is called when a run begins.
func (sim *simulation) enter(agent string) error {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	for other := range sim.active {
		if other != agent && (sim.exclusive[agent] || sim.exclusive[other]) {
			sim.broken = append(sim.broken, fmt.Sprintf("%s and %s run together, and one is exclusive", agent, other))
		}
	}
	return nil
}

func (sim *simulation) leave(agent string) {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	delete(sim.exclusive, agent)
}

func (sim *simulation) shouldExecute(_ context.Context, p Planned) (Permission, error) {
	sim.plan(p)
	n := sim.random.n(60)
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.healthy || n > 3 {
		return Permission{}, nil
	}
	delete(sim.exclusive, p.Agent)
	switch n {
	case 0:
		sim.seen["refused for good"]++
		sim.answers[p.Agent] = append(sim.answers[p.Agent], answer{profile: p.Profile, at: time.Now()})
		return Permission{Refused: true, Reason: "not now"}, nil
	case 1:
		sim.answers[p.Agent] = append(sim.answers[p.Agent], answer{p.Profile, time.Now(), true})
		return Permission{}, errors.New("the script is wrong")
	}
	sim.seen["refused for a while"]++
	return Permission{Refused: true, RetryAfter: time.Duration(1+n) * time.Minute}, nil
}

func (sim *simulation) executionComplete(context.Context, Planned, Outcome) error {
	n := sim.random.n(400)
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.healthy || n > 1 {
		return nil
	}
	sim.seen["stopped"]++
	return &UnexpectedChange{Message: "something is strange", All: n == 0}
}

// live runs a scheduler until ctx is done while the world goes on around it.
func (sim *simulation) live(ctx context.Context, t *testing.T, settings Settings) {
	s := newScheduler(t, sim.store, sim.fakeEngine, settings)
	var world sync.WaitGroup
	world.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	world.Go(func() { sim.observe(ctx, s) })
	often := func(every time.Duration, fn func(agent string)) {
		world.Go(func() {
			for sleep(ctx, time.Duration(1+sim.random.n(int(2*every)))) == nil {
				fn(sim.order[sim.random.n(len(sim.order))])
			}
		})
	}
	profiles := run.DefaultProfiles()
	any := func(agent, cause string) Request {
		r := request(agent, profiles[sim.random.n(len(profiles))].Name, cause)
		r.Exclusive, r.Immediate = sim.random.chance(8), sim.random.chance(8)
		return r
	}
	often(25*time.Minute, func(agent string) { sim.change(agent, 1+sim.random.n(3)) })
	often(20*time.Minute, func(agent string) { sim.ask(t, s, request(agent, "delta-import", CauseTrigger)) })
	often(2*time.Hour, func(agent string) { sim.ask(t, s, any(agent, CauseTrigger)) })
	often(2*time.Hour, func(agent string) { sim.ask(t, s, any(agent, CauseManual)) })
	often(4*time.Hour, func(agent string) {
		patience, cancel := context.WithTimeout(ctx, time.Duration(sim.random.n(int(time.Hour))))
		defer cancel()
		_, _ = s.Do(patience, any(agent, CauseManual))
	})
	often(6*time.Hour, func(string) {
		_ = s.Barrier(ctx, func() error {
			sim.mu.Lock()
			sim.seen["barrier"]++
			if n := len(sim.active); n > 0 {
				sim.broken = append(sim.broken, fmt.Sprintf("%d runs during a barrier", n))
			}
			sim.mu.Unlock()
			sim.note("settings")
			return s.SetSettings(sim.varied())
		})
	})
	often(8*time.Hour, func(agent string) { sim.control(t, s, agent, Paused, 6*time.Hour) })
	often(12*time.Hour, func(agent string) { sim.control(t, s, agent, Draining, 6*time.Hour) })
	often(36*time.Hour, func(string) { sim.control(t, s, "", Paused, time.Hour) })
	often(5*time.Hour, func(string) {
		for _, c := range s.Controls() {
			if c.Mode == Stopped || sim.random.chance(3) {
				sim.note("resumed")
				_ = s.Resume(c.Agent, "ada") // it may have ended by itself
			}
		}
	})
	often(3*time.Hour, func(agent string) { sim.cancelRun(s, agent) })
	often(3*time.Hour, func(string) { s.Wake(); _ = s.Status() })
	world.Wait()
}

func (sim *simulation) control(t *testing.T, s *Scheduler, agent string, mode ControlMode, most time.Duration) {
	c := Control{Agent: agent, Mode: mode, By: "ada"}
	if sim.random.chance(2) {
		c.Until = time.Now().Add(time.Duration(1 + sim.random.n(int(most))))
	}
	err := s.Control(c)
	switch {
	case err == nil:
		sim.note(string(mode))
	case !strings.Contains(err.Error(), "stopped"):
		t.Error(err)
	}
}

// cancelRun stops the run of an agent, or of whoever runs. What asked for it is done.
func (sim *simulation) cancelRun(s *Scheduler, agent string) {
	sim.mu.Lock()
	for other := range sim.active {
		agent = min(agent, other) // not whatever a map begins with
	}
	if _, ok := sim.active[agent]; !ok {
		sim.mu.Unlock()
		return
	}
	for profile := range sim.steps {
		sim.answers[agent] = append(sim.answers[agent], answer{profile: profile, at: time.Now()})
	}
	sim.seen["cancelled"]++
	sim.mu.Unlock()
	s.Cancel(agent)
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
	if r.Immediate {
		sim.seen["immediate"]++
	}
}

// rest lets the failures cease; everything must then come to rest.
func (sim *simulation) rest(t *testing.T, lived int) {
	settings := sim.base
	settings.Exclusions = nil
	settings.Agents = slices.Clone(settings.Agents)
	for i := range settings.Agents {
		settings.Agents[i].Import = Schedule{Off: true}
		sim.change(sim.order[i], 1)
	}
	s := newScheduler(t, sim.store, sim.fakeEngine, settings)
	for _, c := range s.Controls() {
		if err := s.Resume(c.Agent, "ada"); err != nil {
			t.Fatal(err)
		}
	}
	stop := start(t, s)
	for _, name := range sim.order {
		if err := s.Request(request(name, "delta-import", CauseTrigger)); err != nil {
			t.Fatal(err)
		}
	}
	pass(36 * time.Hour)
	if left := sim.left(); left != nil {
		t.Errorf("left to do: %+v\n%+v", left, s.Status())
	}
	if n := len(sim.runs()) - lived; n > 100*simulatedAgents {
		t.Errorf("%d runs to come to rest", n)
	}
	before := len(sim.runs())
	pass(24 * time.Hour)
	if n := len(sim.runs()) - before; n > 0 {
		t.Errorf("%d runs although there is nothing to do", n)
	}
	stop()
	if left := stored(t, sim.store); left != nil {
		t.Errorf("requests left: %v", left)
	}
}

// checkRequests looks for a request without a later run, or another end.
func (sim *simulation) checkRequests(t *testing.T) {
	history := map[string][]executed{}
	for _, e := range sim.history {
		history[e.agent] = append(history[e.agent], e)
	}
	for _, r := range sim.asked {
		done := slices.ContainsFunc(history[r.Agent], func(e executed) bool {
			return !e.started.Before(r.at) && covers(sim.steps[e.profile], sim.steps[r.Profile]) &&
				(r.Cause.Kind == CauseManual || !Outcome{Result: e.result}.failed())
		}) || slices.ContainsFunc(sim.answers[r.Agent], func(a answer) bool {
			return !a.at.Before(r.at) && (!a.manual || r.Cause.Kind == CauseManual) && covers(sim.steps[a.profile], sim.steps[r.Profile])
		})
		if !done {
			t.Errorf("%+v was never carried out", r)
		}
	}
}
