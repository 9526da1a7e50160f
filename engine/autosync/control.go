package autosync

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

const controlBucket store.Bucket = "autosync.controls" // agent, "" for all -> Control

// A ControlMode says what a [Control] keeps back.
type ControlMode string

// The modes of a control.
const (
	// Paused starts nothing.
	Paused ControlMode = "paused"

	// Draining brings what is pending to its end and imports nothing new.
	Draining ControlMode = "draining"

	// Stopped starts nothing, because a hook found an unexpected change.
	Stopped ControlMode = "stopped"
)

// A Control keeps the runs of an agent back, or of all, because somebody said so.
// What runs already goes on. It survives a restart. There is one for each agent at
// most, and one for all.
type Control struct {
	Agent  string      `json:"agent,omitempty"` // "" is all of them
	Mode   ControlMode `json:"mode"`
	Reason string      `json:"reason,omitempty"`
	By     string      `json:"by,omitempty"` // a user, or the hook that stopped it
	Since  time.Time   `json:"since"`
	Until  time.Time   `json:"until,omitzero"` // when it ends by itself; zero is never
}

// ErrNotControlled is wrapped by the error of [Scheduler.Resume] about an agent that
// nothing keeps back.
var ErrNotControlled = errors.New("nothing keeps it back")

// text says what a run waits for.
func (c Control) text() string {
	text := map[ControlMode]string{
		Paused: "the end of the pause", Draining: "the end of the drain", Stopped: "somebody to resume",
	}[c.Mode]
	if c.Agent == "" {
		text += " of everything"
	} else {
		text += " of " + c.Agent
	}
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	return text
}

// Control keeps an agent back from now on, in place of an earlier control of it.
// A stop is not weakened: whoever pauses what is stopped gets an error. When
// Control returns nil it is durable; on error of the store it holds until the
// process ends.
func (s *Scheduler) Control(c Control) error {
	s.mu.Lock()
	if _, known := s.settings.agent(c.Agent); c.Agent != "" && !known {
		err := s.settings.check(key{agent: c.Agent})
		s.mu.Unlock()
		return err
	}
	if before, ok := s.controls[c.Agent]; ok && before.Mode == Stopped && c.Mode != Stopped {
		s.mu.Unlock()
		err := fault.New("stopped", "it is stopped already")
		err.Agent, err.Hint = c.Agent, "resume it first"
		return err
	}
	c.Since = s.clock()
	s.controls[c.Agent] = c
	s.mu.Unlock()
	kind := AgentPaused
	if c.Mode == Stopped {
		kind = AgentStopped
	}
	s.emit(Event{Kind: kind, Agent: c.Agent, Reason: c.Reason, By: c.By, Until: c.Until})
	level := slog.LevelInfo
	if c.Mode == Stopped {
		level = slog.LevelError
	}
	s.log.Log(context.Background(), level, "runs are kept back", "agent", cmp.Or(c.Agent, "all"), "mode", c.Mode, "reason", c.Reason, "by", c.By)
	value, err := json.Marshal(c)
	if err == nil {
		err = s.store.Update(func(tx store.Tx) error { return tx.Put(controlBucket, []byte("="+c.Agent), value) })
	}
	s.signal()
	if err != nil {
		return fmt.Errorf("storing that %s is %s: %w", cmp.Or(c.Agent, "everything"), c.Mode, err)
	}
	return nil
}

// Resume ends the control of an agent, or with "" the one of all. It returns
// [ErrNotControlled] if there is none.
func (s *Scheduler) Resume(agent, by string) error {
	s.mu.Lock()
	_, ok := s.controls[agent]
	s.mu.Unlock()
	if !ok {
		err := fault.Wrap("not-paused", ErrNotControlled)
		err.Agent = agent
		return err
	}
	return s.endControl(agent, by, "")
}

func (s *Scheduler) endControl(agent, by, why string) error {
	err := s.store.Update(func(tx store.Tx) error { return tx.Delete(controlBucket, []byte("="+agent)) })
	if err != nil {
		return fmt.Errorf("storing that %s goes on: %w", cmp.Or(agent, "everything"), err)
	}
	s.mu.Lock()
	delete(s.controls, agent)
	s.mu.Unlock()
	s.emit(Event{Kind: AgentResumed, Agent: agent, By: by, Reason: why})
	s.log.Info("runs go on", "agent", cmp.Or(agent, "all"), "by", cmp.Or(by, why))
	s.signal()
	return nil
}

// endControls ends the controls whose time is over.
func (s *Scheduler) endControls() {
	s.mu.Lock()
	now := s.clock()
	var over []string
	for agent, c := range s.controls {
		if !c.Until.IsZero() && !now.Before(c.Until) {
			over = append(over, agent)
		}
	}
	s.mu.Unlock()
	for _, agent := range over {
		if err := s.endControl(agent, "", "its time is over"); err != nil {
			s.log.Error("a pause cannot be ended", "agent", agent, "err", err)
		}
	}
}

// Cancel has the run of an agent stopped that goes on now, or with "" all runs, and
// reports whether there was one. The run ends as soon as it can, in a state that a
// later one goes on from; what asked for it is dropped.
func (s *Scheduler) Cancel(agent string) bool { return s.cut(agent, byHand) }

// A cut says who has a run stopped before its end.
type cut = int32

const (
	uncut    cut = iota
	byHand       // what asked for it is dropped
	hardStop     // what asked for it waits until somebody resumes
)

func (s *Scheduler) cut(agent string, by cut) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for name, e := range s.running {
		if agent == "" || name == agent {
			e.cut.CompareAndSwap(uncut, by)
			e.cancel()
			found = true
		}
	}
	return found
}

// Drop takes a request out of the queue and reports whether it was there.
func (s *Scheduler) Drop(agent, profile string) (bool, error) {
	s.mu.Lock()
	e := s.queue[key{agent, profile}]
	if e != nil {
		delete(s.queue, e.key())
		e.reply(result{err: fault.New("dropped", "it was taken out of the queue")})
	}
	s.mu.Unlock()
	if e == nil {
		return false, nil
	}
	s.signal()
	return true, settle(s.store, []*entry{e}, agent, noTime)
}

// loadControls reads the controls that an earlier scheduler left.
func loadControls(st store.Store) (map[string]Control, error) {
	controls := map[string]Control{}
	err := st.View(func(r store.Reader) error {
		for k, value := range r.Scan(controlBucket, nil, nil) {
			var c Control
			if err := json.Unmarshal(value, &c); err != nil {
				return fmt.Errorf("reading what is paused: %q: %w", k, err)
			}
			controls[c.Agent] = c
		}
		return nil
	})
	return controls, err
}

// control returns what keeps an agent back: the stronger of its own control and
// that of all.
func (s *situation) control(agent string) (Control, bool) {
	own, ok := s.controls[agent]
	all, every := s.controls[""]
	switch {
	case !every:
		return own, ok
	case ok && own.Mode != Draining:
		return own, true
	}
	return all, true
}

// An Exclusion is a time in which agents start nothing by themselves.
type Exclusion struct {
	Agents []string // none is all

	// Within returns the end of the window that a time is in, the zero time if it
	// is in none.
	Within func(time.Time) (until time.Time)
}

// excluded returns until when an agent must not start anything by itself.
func (s *Settings) excluded(agent string, now time.Time) (until time.Time) {
	for _, x := range s.Exclusions {
		if len(x.Agents) > 0 && !slices.Contains(x.Agents, agent) {
			continue
		}
		if end := x.Within(now); end.After(until) {
			until = end
		}
	}
	return until
}

// sortedControls returns the controls, that of all first.
func sortedControls(controls map[string]Control) []Control {
	list := slices.AppendSeq(make([]Control, 0, len(controls)), maps.Values(controls))
	slices.SortFunc(list, func(a, b Control) int { return cmp.Compare(a.Agent, b.Agent) })
	return list
}
