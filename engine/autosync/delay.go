package autosync

import "time"

// never is when something happens that must not happen in this call of Once.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// A pause grows from first, doubling, to most.
type pause struct{ first, most time.Duration }

// after returns the pause after n failures in a row, n >= 1.
func (p pause) after(n int) time.Duration {
	d := p.first
	for ; n > 1 && d < p.most; n-- {
		d *= 2
	}
	return min(d, p.most)
}

var (
	failurePause = pause{first: 5 * time.Second, most: 5 * time.Minute} // runs that stopped
	stallPause   = pause{first: time.Second, most: 5 * time.Minute}     // runs that changed nothing
	objectPause  = pause{first: time.Minute, most: time.Hour}           // objects that failed
)

// A delay keeps a run profile of an agent back.
type delay struct {
	failures int
	at       time.Time // of the last failure
	next     time.Time
	reason   string
	refused  bool // by its controller: it did not fail
	held     bool // by a threshold: somebody has to decide, and only its own limit brings it back
}

// again returns the delay after one more failure.
func (d delay) again(p pause, now time.Time, reason string) delay {
	n := d.failures + 1
	return delay{failures: n, at: now, next: now.Add(p.after(n)), reason: reason}
}

// nudged returns the delay after something new was heard of the agent: the next
// try is brought forward, but the pause goes on growing if it fails.
func (d delay) nudged() delay {
	if soon := d.at.Add(failurePause.first); soon.Before(d.next) {
		d.next = soon
	}
	return d
}

// A retryKey names the failed objects of an agent: those that a synchronization
// or those that an export would try again.
type retryKey struct {
	agent string
	kind  kind
}

// A retry says when failed objects are due again.
type retry struct {
	failed   int // how many objects
	attempts int // how often just as many failed
	hasty    int // how often it was brought forward
	next     time.Time
}

// A try of failed objects is brought forward as long as no more than maxVain tries
// in a row left just as many, and maxHasty times while any are left: an error for
// good must not keep the engine busy.
const (
	maxVain  = 3
	maxHasty = 20
)

// hastened returns the retry after something has changed.
func (r retry) hastened(now time.Time) retry {
	if r.attempts <= maxVain && r.hasty < maxHasty && r.next.After(now) {
		r.next, r.hasty = now, r.hasty+1
	}
	return r
}

// again returns the retry after a run that left failed objects. The pause
// starts anew when their number changes.
func (r retry) again(failed int, now time.Time) retry {
	if failed != r.failed {
		r.attempts = 0
	}
	n := r.attempts + 1
	return retry{failed: failed, attempts: n, hasty: r.hasty, next: now.Add(objectPause.after(n))}
}
