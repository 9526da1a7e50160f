package triggers

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/metasync/metasync/engine/autosync"
)

// A History tells what has run, for triggers that follow runs: what ended while
// nobody listened is found in it.
type History interface {
	// Ended yields the runs with a number above after that have ended, the oldest
	// first.
	Ended(after uint64) iter.Seq2[autosync.Completed, error]
}

// runs reports runs that have ended. The mark is the number of the last one: those
// of one agent end in the order of their numbers.
type runs struct {
	after   autosync.After
	trigger string
	history History // may be nil
	box     *mailbox[autosync.Completed]
}

// maxRuns is how many ended runs wait to be looked at. Only the last one counts.
const maxRuns = 100

func newRuns(after autosync.After, trigger string, h History) *runs {
	return &runs{after, trigger, h, newMailbox[autosync.Completed]()}
}

// counts reports whether the trigger is due after a run. Its own requests never
// wake it again.
func (r *runs) counts(c autosync.Completed) bool {
	own := c.Cause.Kind == autosync.CauseTrigger && c.Cause.Name == r.trigger
	return !own && r.after.Matches(c)
}

// completed takes note of a run that has ended.
func (r *runs) completed(c autosync.Completed) {
	if r.counts(c) {
		r.box.put(c, maxRuns)
	}
}

// Watch implements [Source].
func (r *runs) Watch(ctx context.Context, since []byte, skip bool, report func(...Signal)) error {
	last, err := strconv.ParseUint(string(since), 10, 64)
	fresh := since == nil || err != nil
	if r.history != nil {
		var newest autosync.Completed
		for c, err := range r.history.Ended(last) {
			if err != nil {
				return fmt.Errorf("reading what has run: %w", err)
			}
			if r.counts(c) && c.Run > last {
				newest = c
			}
		}
		switch {
		case fresh || skip: // what ran before is not its business
			last = max(last, newest.Run)
		case newest.Run > last:
			last = newest.Run
			report(signalOf(newest))
		}
	}
	if fresh || skip {
		report(Signal{Mark: []byte(strconv.FormatUint(last, 10)), Nothing: true})
	}
	for {
		for _, c := range r.box.take() {
			if c.Run > last {
				last = c.Run
				report(signalOf(c))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.box.news:
		}
	}
}

func signalOf(c autosync.Completed) Signal {
	return Signal{Mark: []byte(strconv.FormatUint(c.Run, 10)), Run: &c}
}
