package autosync

import (
	"cmp"
	"slices"
	"time"
)

// A plan is what to do in a situation.
type plan struct {
	start   []want             // to be started now, in this order
	waiting []Waiting          // everything else that is wanted, without imports that are not due
	soon    bool               // something waits for nothing but the time between two starts
	wanted  map[need]time.Time // what the facts ask for, and since when
	next    time.Time          // when to plan again even if nothing happens; zero is never
}

// A Waiting is a run that should happen and cannot yet.
type Waiting struct {
	Agent     string    `json:"agent"`
	Profile   string    `json:"profile"`
	Cause     Cause     `json:"cause"`
	Since     time.Time `json:"since"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	For       string    `json:"for"` // what it waits for

	Held bool `json:"held,omitempty"` // for somebody to approve what a threshold holds
	Lock Lock `json:"lock,omitempty"` // what it would need, if nothing else keeps it back
}

// work is what a run locks.
type work struct {
	key
	sync      bool
	exclusive bool
}

// plan decides what to start. It chooses one run per agent, the first that
// nothing keeps back, and grants them their locks from the oldest to the
// youngest. What cannot start keeps its locks from younger ones, so that it has
// its turn as soon as what runs now has ended.
func (s *situation) plan() plan {
	p := plan{wanted: map[need]time.Time{}}
	s.noSync, _ = s.hold()
	var candidates []want
	for _, a := range s.settings.Agents {
		busy := slices.IndexFunc(s.running, func(w work) bool { return w.agent == a.Name })
		chosen := ""
		for _, w := range s.wants(a, busy >= 0) {
			if w.fact {
				p.wanted[w.need()] = w.since
			}
			switch {
			case busy >= 0:
				p.wait(w, "the run of "+s.running[busy].profile)
			case w.held:
				if w.notBefore.After(s.now) { // not a back-off that has passed: it would be looked at without end
					p.wakeAt(w.notBefore)
				}
				p.wait(w, w.reason)
			case w.notBefore.After(s.now):
				p.wakeAt(w.notBefore)
				if w.cause.Kind != CauseSchedule {
					p.wait(w, w.reason)
				}
			case chosen != "":
				p.wait(w, "its turn after "+chosen)
			default:
				chosen = w.profile
				candidates = append(candidates, w)
			}
		}
	}
	slices.SortStableFunc(candidates, func(a, b want) int {
		return cmp.Or(compareBools(b.immediate, a.immediate), a.since.Compare(b.since))
	})

	locked := slices.Clone(s.running)
	last := s.started
	for _, w := range candidates {
		needs := work{w.key, hasKind(s.settings.steps(w.key), syncing), w.exclusive}
		i := slices.IndexFunc(locked, func(other work) bool { return s.settings.conflict(needs, other) })
		ready := last.Add(s.settings.Stagger)
		switch {
		case i >= 0 && i < len(s.running):
			p.waitFor(s.settings.lockOf(needs, locked[i]), w, "the run "+locked[i].agent+" "+locked[i].profile)
		case i >= 0:
			p.waitFor(s.settings.lockOf(needs, locked[i]), w, "its turn after "+locked[i].agent+" "+locked[i].profile)
		case s.settings.Stagger > 0 && ready.After(s.now):
			p.wakeAt(ready)
			p.soon = true
			p.waitFor(LockStagger, w, "the time between two starts")
		default:
			p.start = append(p.start, w)
			last = s.now
		}
		locked = append(locked, needs)
	}
	return p
}

// conflict reports whether two runs must not overlap.
func (s *Settings) conflict(a, b work) bool {
	return a.agent == b.agent || s.lockOf(a, b) != ""
}

// waitFor notes that a run waits for a lock and for nothing else.
func (p *plan) waitFor(lock Lock, w want, reason string) {
	p.wait(w, reason)
	p.waiting[len(p.waiting)-1].Lock = lock
}

func (p *plan) wait(w want, reason string) {
	waiting := Waiting{Agent: w.agent, Profile: w.profile, Cause: w.cause, Since: w.since, For: reason, Held: w.kept && reason == w.reason}
	if w.notBefore.Before(never) {
		waiting.NotBefore = w.notBefore
	}
	p.waiting = append(p.waiting, waiting)
}

func (p *plan) wakeAt(t time.Time) {
	if t.Before(never) && (p.next.IsZero() || t.Before(p.next)) {
		p.next = t
	}
}
