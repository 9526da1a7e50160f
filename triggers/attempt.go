package triggers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/autosync"
)

// attempt serves an occasion: it asks the check, makes the requests and then makes
// durable that it did. It returns false if that has to be done again.
func (w *worker) attempt(ctx context.Context, o occasion) bool {
	fired, set, err := w.fire(ctx, o)
	now := w.m.options.Clock()
	before, recovered := w.mark, false
	if err == nil {
		w.mark.Acted, w.mark.Checked, w.mark.Result = now, now, resultOf(fired)
		if len(fired) > 0 {
			w.mark.Fired = now
		}
		if w.times != nil {
			w.mark.Last = passed(w.times, w.mark.Last, now)
		}
		independent := w.independent(o)
		if o.Mark != nil && !(independent && bytes.Compare(o.Mark, w.mark.Source) < 0) {
			w.mark.Source = o.Mark
		}
		if len(w.queue) <= 1 {
			w.mark.Pending = nil
		}
		if recovered = !independent || len(w.queue) <= 1; recovered { // else one may fail that waits
			w.mark.Failures, w.mark.Error, w.mark.Retry = 0, "", time.Time{}
		}
		err = w.commit(set, &o.Signal)
	}
	if err != nil {
		w.mark = before
		w.failed(ctx, err)
		if !w.independent(o) {
			w.retry = w.mark.Retry
		}
		return false
	}
	w.retry = time.Time{}
	if before.Failures > 0 && recovered {
		w.event(Event{At: now, Kind: EventRecovered, Failures: before.Failures})
	}
	return true
}

// putOff has an occasion wait that failed and keeps no other one back. It returns true if
// that was given up, for it has failed too long.
func (w *worker) putOff(ctx context.Context, i int) (givenUp bool) {
	o, now := &w.queue[i], w.m.options.Clock()
	if ctx.Err() != nil || !w.independent(*o) {
		return false
	}
	o.failures++
	o.retry = now.Add(pauseAfter(o.failures))
	if age := now.Sub(o.Call.At); age >= maxCallAge {
		if err := w.commit(nil, &o.Signal); err == nil {
			spec := w.current()
			w.m.options.Log.Error("a call of a webhook is given up: its check has failed for too long",
				"agent", spec.Agent, "trigger", spec.Name, "called", o.Call.At, "err", w.mark.Error)
			return true
		}
	}
	return false
}

// pauseAfter returns how long to wait after the n-th failure in a row.
func pauseAfter(n int) time.Duration {
	pause := firstPause
	for ; n > 1 && pause < longestPause; n-- {
		pause *= 2
	}
	return min(pause, longestPause)
}

// recovered takes note that the source works again.
func (w *worker) recovered(now time.Time) {
	failures := w.mark.Failures
	w.mark.Failures, w.mark.Error, w.mark.Retry = 0, "", time.Time{}
	w.restart = time.Time{}
	w.event(Event{At: now, Kind: EventRecovered, Failures: failures})
}

// failed takes note of an error. That something was broken off because ctx is done
// is no failure of its own.
func (w *worker) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	spec, now := w.current(), w.m.options.Clock()
	m := &w.mark
	m.Checked, m.Result, m.Error = now, "failed", err.Error()
	m.Failures++
	e := Event{At: now, Kind: EventFailed, Failures: m.Failures, Err: err}
	if spec.TerminateOnError {
		m.Terminated, m.Retry, m.Pending = definitionOf(&spec), time.Time{}, nil
		w.end(m.Terminated)
		e.Kind = EventTerminated
	} else {
		m.Retry = now.Add(pauseAfter(m.Failures))
		e.Next = m.Retry
	}
	// If this cannot be kept either, it is only forgotten by a restart.
	_ = w.commit(nil, nil)
	w.event(e)
}

func (w *worker) event(e Event) {
	spec := w.current()
	e.Agent, e.Trigger = spec.Agent, spec.Name
	w.m.options.Event(e)
}

// resultOf says what was requested.
func resultOf(fired []autosync.Request) string {
	if len(fired) == 0 {
		return "nothing to request"
	}
	const shown = 3
	var names []string
	for _, r := range fired[:min(shown, len(fired))] {
		names = append(names, strings.TrimSpace(r.Agent+" "+r.Profile+" "+r.Partition))
	}
	text := "requested " + strings.Join(names, ", ")
	if more := len(fired) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// fire asks what to request and requests it. All requests are made, even if some
// are refused. It returns those that were accepted, and what the check has set.
func (w *worker) fire(ctx context.Context, o occasion) (fired []autosync.Request, set *staged, err error) {
	spec, requests, set, err := w.ask(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	w.publish(Firing, time.Time{})
	var problems []error
	for _, r := range requests {
		r = spec.Complete(r)
		if err := w.m.options.Fire(r); err != nil {
			problems = append(problems, err)
			continue
		}
		fired = append(fired, r)
	}
	return fired, set, errors.Join(problems...)
}

// ask returns the requests to make now, and the spec that they come from. If the
// spec is replaced meanwhile, and the old check had no answer, it asks again.
func (w *worker) ask(ctx context.Context, o occasion) (autosync.TriggerSpec, []autosync.Request, *staged, error) {
	for {
		spec, requests, set, replaced, err := w.askOnce(ctx, o)
		if err == nil || !replaced || ctx.Err() != nil {
			return spec, requests, set, err
		}
	}
}

func (w *worker) askOnce(ctx context.Context, o occasion) (spec autosync.TriggerSpec, requests []autosync.Request, set *staged, replaced bool, err error) {
	w.checking.Lock()
	defer w.checking.Unlock()
	check, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mu.Lock()
	spec, w.interrupt = w.spec, cancel
	w.mu.Unlock()
	if spec.Check == nil {
		return spec, spec.Run, nil, false, nil
	}
	w.publish(Checking, time.Time{})
	set = &staged{state: w.state}
	err = safely(func() (err error) {
		requests, err = spec.Check(check, autosync.Occasion{State: set, Call: o.Call, Run: o.Run})
		return err
	})
	if err != nil {
		return spec, nil, nil, check.Err() != nil, err
	}
	return spec, requests, set, false, nil
}
