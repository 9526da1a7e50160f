package autosync

import (
	"cmp"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// Status is what the scheduler is doing and why.
type Status struct {
	Mode    Mode          `json:"mode"`
	Export  string        `json:"export"` // auto, or off in staging mode
	Running []Running     `json:"running"`
	Queue   []Waiting     `json:"queue"`             // what should happen, and what it waits for
	Backoff []Backoff     `json:"backoff"`           // what failed
	Agents  []AgentStatus `json:"agents"`            // in the order of the configuration
	Hold    string        `json:"hold,omitempty"`    // what every synchronization waits for
	Error   string        `json:"error,omitempty"`   // why the facts cannot be read
	Barrier bool          `json:"barrier,omitempty"` // nothing starts: the configuration is about to change

	Controls []Control `json:"controls"` // what is paused, drained or stopped; that of all comes first
}

// A Running is a run that is going on.
type Running struct {
	Agent   string    `json:"agent"`
	Profile string    `json:"profile"`
	Cause   Cause     `json:"cause"`
	Started time.Time `json:"started"`
	Stuck   bool      `json:"stuck,omitempty"` // it takes much longer than usual
}

// A Backoff is a run profile that failed, and when it may be tried again. What a
// threshold holds is none: it waits for somebody to decide.
type Backoff struct {
	Agent    string    `json:"agent"`
	Profile  string    `json:"profile"`
	Failures int       `json:"failures"` // in a row
	Next     time.Time `json:"next"`
	Error    string    `json:"error"`
	Refused  bool      `json:"refused,omitempty"` // by its controller: it did not fail
}

// An AgentStatus is what an agent has left to do, and the last run that ended
// since the scheduler was made.
type AgentStatus struct {
	Facts
	NextImport time.Time  `json:"nextImport,omitzero"` // by its schedule; zero if it has none, or is due
	Last       *Completed `json:"last,omitempty"`
}

// A Completed is a run that has ended.
type Completed struct {
	Run     uint64     `json:"run,omitempty"` // 0 if no run took place
	Agent   string     `json:"agent"`
	Profile string     `json:"profile"`
	Cause   Cause      `json:"cause"`
	Started time.Time  `json:"started"`
	Ended   time.Time  `json:"ended"`
	Result  run.Result `json:"result,omitempty"`
	Error   string     `json:"error,omitempty"` // why it stopped or did not start
}

func (e *execution) completed(now time.Time) Completed {
	c := Completed{
		Run: e.outcome.Run, Agent: e.agent, Profile: e.profile, Cause: e.cause,
		Started: e.started, Ended: now, Result: e.outcome.Result,
	}
	if e.failed() {
		c.Error = e.reason()
	}
	return c
}

// Status returns what the scheduler knows now. The queue is that of its last
// decision; before Run and Once it is what they would begin with.
func (s *Scheduler) Status() Status {
	s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{
		Mode: cmp.Or(s.settings.Mode, Overlap), Export: "auto", Running: []Running{}, Queue: []Waiting{}, Backoff: []Backoff{},
		Agents: []AgentStatus{}, Controls: sortedControls(s.controls), Error: s.factDelay.reason, Barrier: len(s.barriers) > 0,
	}
	if s.settings.ExportOff {
		status.Export = "off"
	}
	for _, e := range s.running {
		status.Running = append(status.Running, Running{e.agent, e.profile, e.cause, e.started, e.stuck})
	}
	slices.SortFunc(status.Running, func(a, b Running) int { return a.Started.Compare(b.Started) })
	status.Queue = append(status.Queue, s.waiting...)
	for k, d := range s.delays {
		if d.held { // the holds say so, and it is over with them
			continue
		}
		status.Backoff = append(status.Backoff, Backoff{k.agent, k.profile, d.failures, d.next, d.reason, d.refused})
	}
	slices.SortFunc(status.Backoff, func(a, b Backoff) int { return a.Next.Compare(b.Next) })
	view := situation{now: s.clock(), settings: s.settings, facts: s.facts, delays: s.delays, imported: s.imported}
	for _, a := range s.settings.Agents {
		agent := AgentStatus{Facts: s.facts[a.Name]}
		agent.Agent = a.Name
		if a.interval() > 0 && agent.Imported {
			agent.NextImport = view.nextImport(a)
		}
		if last, ok := s.last[a.Name]; ok {
			agent.Last = &last
		}
		status.Agents = append(status.Agents, agent)
	}
	if s.facts != nil {
		status.Hold, _ = view.hold()
	}
	return status
}

// look finds out what should happen if nobody has looked yet.
func (s *Scheduler) look() {
	s.mu.Lock()
	looked := s.state != idle
	s.mu.Unlock()
	if looked {
		return
	}
	list, err := s.engine.Facts()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.state != idle {
		return
	}
	s.facts = make(map[string]Facts, len(list))
	for _, f := range list {
		s.facts[f.Agent] = f
	}
	view := s.situation(s.clock())
	p := view.plan()
	for _, w := range p.start {
		p.wait(w, "the daemon, or once")
	}
	s.waiting = p.waiting
}
