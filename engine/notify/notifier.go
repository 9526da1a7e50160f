package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/store"
)

// Options say what a notifier works on. Store is needed.
type Options struct {
	Store    store.Store // for incidents and messages, in buckets of its own
	History  History     // what ran before a crash is looked up there; nil looks nowhere
	Settings Settings
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards
}

// A Notifier turns events into messages and sends them. Its methods may be called
// from several goroutines. Messages are sent while [Notifier.Run] works.
type Notifier struct {
	store   store.Store
	history History
	now     func() time.Time
	log     *slog.Logger
	pause   time.Duration // the first one after a server has failed
	setback time.Duration // the first one after a message was refused
	changed chan struct{} // holds one: the channels are others now

	channels func(*Settings) []channel

	posting sync.Mutex // one event at a time; taken before mu

	mu       sync.Mutex
	settings Settings
	open     map[string]*record       // the incidents
	wakes    map[string]chan struct{} // of the senders, by channel
	running  bool
}

// A record is an incident as it is stored.
type record struct {
	Incident
	Standing bool `json:"standing,omitempty"`
	Urgent   bool `json:"urgent,omitempty"`

	Lapse time.Duration `json:"lapse,omitempty"`

	Thread string   `json:"thread,omitempty"`
	Body   Document `json:"body"` // of the last event that said more than the one before
}

// New returns a notifier that goes on where an earlier one on this store ended.
func New(o Options) (*Notifier, error) {
	n := &Notifier{
		store: o.Store, history: o.History, now: o.Now, log: o.Log, settings: o.Settings,
		pause: 10 * time.Second, setback: 5 * time.Minute,
		channels: (*Settings).channels, changed: make(chan struct{}, 1), open: map[string]*record{}, wakes: map[string]chan struct{}{},
	}
	if n.now == nil {
		n.now = time.Now
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	err := n.store.View(func(r store.Reader) error {
		for key, value := range r.Scan(bucketIncidents, nil, nil) {
			known := &record{}
			if err := json.Unmarshal(value, known); err != nil {
				return fmt.Errorf("read an incident: %w", err)
			}
			n.open[string(key)] = known
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Configure puts other settings in force. What waits to be sent is sent through the
// channels that the settings have.
func (n *Notifier) Configure(s Settings) {
	n.mu.Lock()
	before := n.settings
	n.settings = s
	running := n.running
	n.mu.Unlock()
	if !running {
		return
	}
	if sameChannels(before, s) {
		n.retain()
		return
	}
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// sameChannels reports whether the senders of some settings can go on with others.
func sameChannels(a, b Settings) bool {
	return reflect.DeepEqual(a.Mail, b.Mail) && reflect.DeepEqual(a.Webhooks, b.Webhooks) && a.Policy.Digest == b.Policy.Digest
}

func (n *Notifier) current() Settings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

// Post takes notice of an event. What there is to tell is in the store when it
// returns; nothing is sent yet, and no server is waited for. If the store fails, the
// log says so, and the next event of the incident is treated as this one would have
// been. Where nobody is to be told anything, Post does nothing.
func (n *Notifier) Post(e Event) {
	settings := n.current()
	if !settings.configured() {
		return
	}
	n.posting.Lock()
	defer n.posting.Unlock()
	if err := n.post(&settings, &e); err != nil {
		n.log.Error("an event cannot be stored, so nobody is told of it", "kind", e.Kind, "agent", e.Agent, "name", e.Name, "state", e.State, "err", err)
	}
}

// post is Post for who holds the lock.
func (n *Notifier) post(settings *Settings, e *Event) error {
	now := n.now()
	n.mu.Lock()
	old := n.open[e.key()]
	n.mu.Unlock()
	var open *Incident
	if old != nil {
		open = &old.Incident
	}
	next, tell := settings.Policy.decide(open, e, now)
	if next == open && tell == "" {
		return nil
	}
	body := e.Body
	body.limit(settings.Policy.MaxErrors)
	told := telling{change: tell, event: e, body: body.clean(settings.Redact), incident: next}
	if open != nil {
		told.before, told.since, told.thread = open.State, open.Opened, old.Thread
	}
	var kept *record
	if next != nil {
		kept = &record{Incident: *next, Standing: e.Standing, Urgent: e.Urgent, Lapse: e.Lapse, Body: told.body}
		if old != nil {
			kept.Thread = old.Thread
			if old.Standing && !e.Standing && old.State == e.State { // as said with Held
				kept.Standing, kept.Urgent, kept.Body = true, old.Urgent, old.Body
			}
		}
	}
	return n.commit(settings, e.key(), kept, &told)
}

// commit stores an incident, nil removes it, with what there is to tell.
func (n *Notifier) commit(settings *Settings, key string, kept *record, told *telling) error {
	var messages map[string][]*message
	if told.change != "" {
		var err error
		if messages, err = told.messages(settings, n.now()); err != nil {
			return err
		}
		if kept != nil && kept.Thread == "" {
			kept.Thread = told.id
		}
	}
	at := map[string]time.Time{}
	err := n.store.Update(func(tx store.Tx) error {
		if kept == nil {
			if err := tx.Delete(bucketIncidents, []byte(key)); err != nil {
				return err
			}
		} else {
			data, err := json.Marshal(kept)
			if err != nil {
				return err
			}
			if err := tx.Put(bucketIncidents, []byte(key), data); err != nil {
				return err
			}
		}
		for _, channel := range slices.Sorted(maps.Keys(messages)) {
			at[channel] = n.now()
			if channel == mailKey {
				at[channel] = at[channel].Add(settings.Policy.Digest)
			}
			for _, m := range messages[channel] {
				if err := enqueue(tx, channel, m, at[channel]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept == nil {
		delete(n.open, key)
	} else {
		n.open[key] = kept
	}
	for channel := range messages {
		select {
		case n.wakes[channel] <- struct{}{}:
		default: // it is awake, or there is none
		}
	}
	return nil
}

// remindEvery is how often incidents that go on are looked at.
const remindEvery = time.Minute

// Run sends messages until ctx is done, and returns nil. A message that is on its way
// then is given up, and sent again later.
func (n *Notifier) Run(ctx context.Context) error {
	n.setRunning(true)
	defer n.setRunning(false)
	if err := n.begin(); err != nil {
		n.log.Error("runs before a crash cannot be looked up, so nobody is told of them", "err", err)
	}
	for ctx.Err() == nil {
		n.retain()
		n.turn(ctx)
	}
	if err := n.end(); err != nil {
		n.log.Error("the end of the notifications cannot be stored", "err", err)
	}
	return nil
}

// turn sends through the channels of the present settings, until there are others.
func (n *Notifier) turn(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	settings := n.current()
	for _, c := range n.channels(&settings) {
		s := &sender{notifier: n, channel: c, digest: c.key() == mailKey && settings.Policy.Digest > 0, wake: n.waker(c.key())}
		working.Go(func() { s.run(ctx) })
	}
	ticker := time.NewTicker(remindEvery)
	defer ticker.Stop()
	for {
		n.remind()
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
			return
		case <-ticker.C:
		}
	}
}

// waker returns what wakes the sender of a channel.
func (n *Notifier) waker(channel string) chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wakes[channel] == nil {
		n.wakes[channel] = make(chan struct{}, 1)
	}
	return n.wakes[channel]
}

func (n *Notifier) setRunning(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = on
}

// incidents returns the open incidents in the order of their keys.
func (n *Notifier) incidents() []*record {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]*record, 0, len(n.open))
	for _, key := range slices.Sorted(maps.Keys(n.open)) {
		list = append(list, n.open[key])
	}
	return list
}

// remind tells again of incidents that go on by themselves, and forgets those that
// have not occurred for long.
func (n *Notifier) remind() {
	n.posting.Lock()
	defer n.posting.Unlock()
	settings := n.current()
	if !settings.configured() {
		return
	}
	now := n.now()
	for _, known := range n.incidents() {
		var err error
		switch {
		case known.Standing && settings.Policy.isDue(&known.Incident, now):
			again := *known
			again.Told = now
			err = n.commit(&settings, known.key(), &again, &telling{
				change: ongoing, event: known.event(), body: known.Body, incident: &again.Incident,
				before: known.State, since: known.Opened, thread: known.Thread,
			})
		case known.Lapse > 0 && now.Sub(known.Seen) > known.Lapse:
			over := Recovered(known.Kind, known.Agent, known.Name, now)
			over.State = StateLapsed
			err = n.post(&settings, &over)
		case !known.Standing && now.Sub(known.Seen) > forgetAfter:
			err = n.commit(&settings, known.key(), nil, &telling{})
		}
		if err != nil {
			n.log.Error("an incident that goes on cannot be told again", "kind", known.Kind, "agent", known.Agent, "name", known.Name, "err", err)
		}
	}
}

// event returns an event of the incident as it is.
func (r *record) event() *Event {
	return &Event{
		Kind: r.Kind, Agent: r.Agent, Name: r.Name, State: r.State, Run: r.Run,
		Standing: r.Standing, Urgent: r.Urgent, Time: r.Seen,
	}
}

// StateGone is the state of an incident about something that the configuration no
// longer has.
const StateGone = "no longer configured"

// retain brings what is stored in line with the settings: incidents of what is gone
// are resolved, messages for channels that are gone are dropped. Where nobody is told
// anything, nothing is kept.
func (n *Notifier) retain() {
	n.posting.Lock()
	defer n.posting.Unlock()
	settings := n.current()
	for _, known := range n.incidents() {
		var err error
		switch {
		case !settings.configured():
			err = n.commit(&settings, known.key(), nil, &telling{})
		case settings.Exists != nil && !settings.Exists(known.Incident):
			gone := Recovered(known.Kind, known.Agent, known.Name, n.now())
			gone.State = StateGone
			err = n.post(&settings, &gone)
		}
		if err != nil {
			n.log.Error("an incident cannot be resolved", "kind", known.Kind, "agent", known.Agent, "name", known.Name, "err", err)
		}
	}
	if err := n.dropOthers(n.channels(&settings)); err != nil {
		n.log.Error("messages for channels that are gone cannot be removed", "err", err)
	}
}

// dropOthers removes what is stored of channels that there are not any more.
func (n *Notifier) dropOthers(channels []channel) error {
	isKept := func(key string) bool {
		return slices.ContainsFunc(channels, func(c channel) bool { return c.key() == key })
	}
	var messages, states [][]byte
	err := n.store.View(func(r store.Reader) error {
		for key := range r.Scan(bucketOutbox, nil, nil) {
			if channel, _, _ := strings.Cut(string(key), "\x00"); !isKept(channel) {
				messages = append(messages, append([]byte(nil), key...))
			}
		}
		for key := range r.Scan(bucketChannels, nil, nil) {
			if !isKept(string(key)) {
				states = append(states, append([]byte(nil), key...))
			}
		}
		return nil
	})
	if err != nil || len(messages)+len(states) == 0 {
		return err
	}
	if len(messages) > 0 {
		n.log.Warn("messages are dropped: the configuration has no longer the channel that they waited for", "count", len(messages))
	}
	return n.store.Update(func(tx store.Tx) error {
		var errs []error
		for _, key := range messages {
			errs = append(errs, tx.Delete(bucketOutbox, key))
		}
		for _, key := range states {
			errs = append(errs, tx.Delete(bucketChannels, key))
		}
		return errors.Join(errs...)
	})
}
