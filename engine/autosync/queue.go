package autosync

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/store"
)

// What the scheduler keeps in the store.
const (
	requestBucket store.Bucket = "autosync.requests" // agent 0 profile -> record
	importBucket  store.Bucket = "autosync.imports"  // agent -> time of its last import
)

// An entry is a request that waits or is being carried out. Several requests
// for one profile of one agent are one entry.
type entry struct {
	pending
	number  uint64 // of the durable record; 0 if there is none
	keep    bool   // it has to be repeated until it succeeds: not only asked by hand
	first   bool   // it is one of the imports that Once begins with
	waiters []*waiter
}

// A waiter is a call of Do.
type waiter struct {
	done chan result // holds one
}

type result struct {
	outcome Outcome
	err     error
}

func (e *entry) key() key { return key{e.Agent, e.Profile} }

// serves reports whether a request that waits asks for all that another one does.
func (e *entry) serves(r Request) bool {
	return (e.Exclusive || !r.Exclusive) && (e.Immediate || !r.Immediate)
}

func (e *entry) reply(r result) {
	for _, w := range e.waiters {
		w.done <- r
	}
	e.waiters = nil
}

// A record is the durable form of an entry. Its number tells apart a request
// that is being carried out and one that came afterwards.
type record struct {
	Number uint64    `json:"number"`
	Since  time.Time `json:"since"`
	Cause  Cause     `json:"cause"`
	Keep   bool      `json:"keep"`

	Partition string `json:"partition,omitempty"`
	Exclusive bool   `json:"exclusive,omitempty"`
	Immediate bool   `json:"immediate,omitempty"`
}

func requestKey(k key) []byte { return []byte(k.agent + "\x00" + k.profile) }

// saveRequest makes a request durable.
func saveRequest(st store.Store, e *entry) error {
	value, err := json.Marshal(record{
		Number: e.number, Since: e.since, Cause: e.Cause, Keep: e.keep,
		Partition: e.Partition, Exclusive: e.Exclusive, Immediate: e.Immediate,
	})
	if err != nil {
		return err
	}
	err = st.Update(func(tx store.Tx) error { return tx.Put(requestBucket, requestKey(e.key()), value) })
	if err != nil {
		return fmt.Errorf("storing the request for %s %s: %w", e.Agent, e.Profile, err)
	}
	return nil
}

// settle forgets requests that were carried out, unless they were made again
// since, and remembers when an agent was imported; a zero time is no import.
func settle(st store.Store, done []*entry, agent string, imported time.Time) error {
	if len(done) == 0 && imported.IsZero() {
		return nil
	}
	err := st.Update(func(tx store.Tx) error {
		if !imported.IsZero() {
			value, err := imported.UTC().MarshalText()
			if err != nil {
				return err
			}
			if err := tx.Put(importBucket, []byte(agent), value); err != nil {
				return err
			}
		}
		for _, e := range done {
			var stored record
			if value := tx.Get(requestBucket, requestKey(e.key())); value == nil {
				continue
			} else if err := json.Unmarshal(value, &stored); err == nil && stored.Number != e.number {
				continue
			}
			if err := tx.Delete(requestBucket, requestKey(e.key())); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the end of a run of %s: %w", agent, err)
	}
	return nil
}

// load reads what an earlier scheduler left.
func load(st store.Store) (queue map[key]*entry, imported map[string]time.Time, err error) {
	queue, imported = map[key]*entry{}, map[string]time.Time{}
	err = st.View(func(r store.Reader) error {
		for k, value := range r.Scan(requestBucket, nil, nil) {
			agent, profile, ok := cutKey(k)
			var stored record
			if err := json.Unmarshal(value, &stored); err != nil || !ok {
				return fmt.Errorf("request %q: not readable: %w", k, err)
			}
			e := &entry{number: stored.Number, keep: stored.Keep}
			e.Request = Request{
				Agent: agent, Profile: profile, Cause: stored.Cause,
				Partition: stored.Partition, Exclusive: stored.Exclusive, Immediate: stored.Immediate,
			}
			e.since, e.urgent = stored.Since, !stored.Keep
			queue[e.key()] = e
		}
		for k, value := range r.Scan(importBucket, nil, nil) {
			var at time.Time
			if err := at.UnmarshalText(value); err != nil {
				return fmt.Errorf("time of the last import of %q: %w", k, err)
			}
			imported[string(k)] = at
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the queue: %w", err)
	}
	return queue, imported, nil
}

func cutKey(k []byte) (agent, profile string, ok bool) {
	for i, b := range k {
		if b == 0 {
			return string(k[:i]), string(k[i+1:]), true
		}
	}
	return "", "", false
}
