package run

import (
	"context"
	"errors"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const (
	importPage = 2000 // entries in a page of an import, and in a store transaction
	maxErrors  = 5000 // errors on objects that stop a step (sync-engine §2.6)
)

// errTimeLimit is the cause of a context that ended with the time of its step.
var errTimeLimit = errors.New("the time limit of the step is over")

// limits are what the definition of a step and the thresholds of its agent
// allow it (sync-engine §2.1, §2.6).
type limits struct {
	page, batch  int
	objects      int // 0 is any number
	errors       Limit
	deletes      Limit
	deletesNamed string // the key that set deletes, for messages
	length       time.Duration
	until        time.Time // zero is for ever
}

// limitsOf returns the limits of a step.
func limitsOf(d Step, t Thresholds) limits {
	l := limits{
		page: importPage, batch: syncBatchObjects, objects: d.Objects, errors: d.Errors,
		deletes: d.Deletes, deletesNamed: "the deletes of its step allow", length: d.TimeLimit,
	}
	deletes, errs, objects, named := t.ImportDeletes, t.ImportErrors, t.ImportObjects, "thresholds.import.deletes allows"
	if d.Type == Export {
		l.batch = exportPage
		deletes, errs, objects, named = t.ExportDeletes, t.ExportErrors, 0, "thresholds.export.deletes allows"
		if !deletes.IsSet {
			deletes = Limit{Count: defaultExportDeletes, IsSet: true}
		}
	}
	if d.Page > 0 {
		l.page = d.Page
	}
	if d.Batch > 0 {
		l.batch = d.Batch
	}
	if d.Type.Import() == "" && d.Type != Export {
		errs = Limit{} // those of synchronization are no threshold of the agent
	}
	if l.objects == 0 && d.Type.Import() != "" {
		l.objects = objects
	}
	if !l.deletes.IsSet {
		l.deletes, l.deletesNamed = deletes, named
	}
	if !l.errors.IsSet {
		l.errors = errs
	}
	switch {
	case !l.errors.IsSet:
		l.errors = Limit{Count: maxErrors, IsSet: true}
	case l.errors.Count == 0:
		l.errors = Limit{}
	}
	return l
}

// limitTime has the context of an import end with the time of its step, so that
// a system which does not answer does not hold it. Only an import may be cut off
// in the middle of a call: other steps look at the clock between two transactions.
func (s *step) limitTime() (cancel func()) {
	if s.limits.until.IsZero() {
		return func() {}
	}
	before := s.ctx
	ctx, cancelCause := context.WithCancelCause(s.ctx)
	timer := time.AfterFunc(s.limits.until.Sub(s.now()), func() { cancelCause(errTimeLimit) })
	s.ctx = ctx
	return func() {
		timer.Stop()
		cancelCause(nil)
		s.ctx = before
	}
}

// mustStop reports whether the step has to stop where it is, because it had too
// many errors or too little time. It notes the result. Steps ask between two
// transactions.
func (s *step) mustStop() bool {
	switch {
	case s.halt != "":
	case s.limits.errors.Exceeded(s.report.errors, 0):
		s.halt = StoppedErrorLimit
		s.explain("more than %d objects had errors", s.limits.errors.Count)
	case !s.limits.until.IsZero() && !s.now().Before(s.limits.until):
		s.outOfTime()
	}
	return s.halt != ""
}

func (s *step) outOfTime() {
	s.halt = StoppedTimeLimit
	s.explain("it took longer than its timeLimit of %s", s.limits.length)
}

// room returns how many of n more objects the step may look at after done.
func (s *step) room(done, n int) int {
	if s.limits.objects == 0 {
		return n
	}
	return max(0, min(n, s.limits.objects-done))
}

// tooMany stops the step because there are more objects than it may look at.
func (s *step) tooMany() {
	s.halt = StoppedObjectLimit
	s.explain("there are more objects than the %d that the step may look at", s.limits.objects)
}

func (s *step) explain(format string, args ...any) {
	s.report.Error = fault.New("", format, args...).Text
}

// within returns a predicate for changes that also counts: it accepts no more of
// them than the object limit of the step allows, after those sent before.
func (s *step) within(sent int, wanted func(*identity.Delta) bool) func(*identity.Delta) bool {
	if s.limits.objects == 0 {
		return wanted
	}
	return func(d *identity.Delta) bool {
		if s.halt != "" || !wanted(d) {
			return false
		}
		if s.room(sent, 1) == 0 {
			s.tooMany()
			return false
		}
		sent++
		return true
	}
}
