package run

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

const (
	// changeTimes is how often one change of an object is sent because of the last
	// time that it was, before the object counts as going round.
	changeTimes = 4

	// attributeTimes is that for changes of the same attributes to new values each
	// time, in an unbroken chain.
	attributeTimes = 8

	// roundTime is how long a change that was sent is remembered.
	roundTime = time.Hour

	changesKept = 4    // different changes that are remembered of an object
	objectsKept = 5000 // objects that are remembered, and as many of the time before
)

// sends remembers which updates exports have sent in chains of follow-ups: enough to
// notice that one comes again because of itself. It is bounded, and not kept over a
// restart: a circle shows itself anew. It is safe for concurrent use.
//
// Whether a change follows from the last time that it was sent nobody can see in its
// values: a source may switch a value to and fro, too. But what goes round is sent by
// runs of one chain, deeper in it each time, while the chain of what comes from
// outside begins anew.
type sends struct {
	mu          sync.Mutex
	now, before map[identity.ID]*sentObject
	turned      time.Time // when now became what it is
}

// A sentObject is what was sent to an object.
type sentObject struct {
	attributes space.Digest // of the last change
	times      int          // how often these were sent, each time deeper in the chain
	depth      int
	last       time.Time
	changes    []sentChange // the last ones, the newest at the end
}

type sentChange struct {
	digest space.Digest
	times  int
	depth  int
	first  time.Time
}

// note remembers that a change was sent by a run so deep in a chain.
func (s *sends) note(id identity.ID, d *identity.Delta, depth int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(at)
	o := s.find(id)
	if o == nil {
		o = &sentObject{}
	}
	s.now[id] = o
	attributes, change := digestsOf(d)
	if o.attributes == attributes && depth > o.depth && at.Sub(o.last) < roundTime {
		o.times++
	} else {
		o.times = 1
	}
	o.attributes, o.depth, o.last = attributes, depth, at

	c := sentChange{digest: change, first: at}
	for i := range o.changes {
		if o.changes[i].digest == change {
			if at.Sub(o.changes[i].first) < roundTime {
				c = o.changes[i]
			}
			o.changes = append(o.changes[:i], o.changes[i+1:]...)
			break
		}
	}
	if c.times == 0 || depth > c.depth {
		c.times++
	}
	c.depth = depth
	if o.changes = append(o.changes, c); len(o.changes) > changesKept {
		o.changes = o.changes[1:]
	}
}

// goesRound reports whether a change that is to be sent by a run so deep in a chain
// goes round: how often it was sent before, 0 if it does not. growing says that only
// the attributes are the same each time, and not the values.
func (s *sends) goesRound(id identity.ID, d *identity.Delta, depth int, at time.Time) (times int, growing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(id)
	if o == nil || o.times < attributeTimes && len(o.changes) == 0 {
		return 0, false
	}
	attributes, change := digestsOf(d)
	for _, c := range o.changes {
		if c.digest == change && c.times >= changeTimes && depth > c.depth && at.Sub(c.first) < roundTime {
			return c.times, false
		}
	}
	if o.attributes == attributes && o.times >= attributeTimes && depth > o.depth && at.Sub(o.last) < roundTime {
		return o.times, true
	}
	return 0, false
}

// forget forgets what was sent to an object.
func (s *sends) forget(id identity.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.now, id)
	delete(s.before, id)
}

func (s *sends) find(id identity.ID) *sentObject {
	if o := s.now[id]; o != nil {
		return o
	}
	return s.before[id]
}

// turn forgets what is old, and the older half of what is too much.
func (s *sends) turn(at time.Time) {
	switch {
	case s.now == nil || at.Sub(s.turned) >= 2*roundTime:
		s.now, s.before, s.turned = map[identity.ID]*sentObject{}, nil, at
	case len(s.now) >= objectsKept || at.Sub(s.turned) >= roundTime:
		s.now, s.before, s.turned = map[identity.ID]*sentObject{}, s.now, at
	}
}

// digestsOf returns fingerprints of which attributes a change changes, and of all of
// it. They are the same in every process.
func digestsOf(d *identity.Delta) (attributes, change space.Digest) {
	var names, all []byte
	text := func(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	if d.DN != "" {
		names = append(names, 1)
	}
	all = text(append(all, byte(d.Op)), d.DN)
	for i := range d.Changes {
		c := &d.Changes[i]
		names = text(names, c.Name)
		all = append(text(all, c.Name), byte(c.Op))
		for _, values := range [][]identity.Value{c.Values, c.Removed} {
			all = binary.AppendUvarint(all, uint64(len(values)))
			for _, v := range values {
				all = binary.AppendVarint(text(append(all, byte(v.Type())), v.Str()), v.Int())
			}
		}
	}
	a, b := sha256.Sum256(names), sha256.Sum256(all)
	return space.Digest(a[:16]), space.Digest(b[:16])
}
