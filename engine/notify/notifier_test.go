package notify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// A mailbox is a channel whose server is down until it is told otherwise.
type mailbox struct {
	mu      sync.Mutex
	err     error
	refuses string // a recipient
	got     []message
	at      []time.Time
	tries   int
	blocks  bool // until the context is done
}

func (b *mailbox) key() string  { return mailKey }
func (b *mailbox) name() string { return "the mailbox" }
func (b *mailbox) idle()        {}

func (b *mailbox) send(ctx context.Context, m *message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	switch {
	case b.blocks:
		<-ctx.Done()
		return ctx.Err()
	case b.err != nil:
		return b.err
	case b.refuses != "" && m.To == b.refuses:
		return &deliveryError{err: errors.New("550 who?"), refused: true}
	}
	b.got = append(b.got, *m)
	b.at = append(b.at, time.Now())
	return nil
}

// set changes how the mailbox behaves.
func (b *mailbox) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// subjects takes what has arrived.
func (b *mailbox) subjects() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, m := range b.got {
		list = append(list, m.To+": "+m.Subject)
	}
	b.got = nil
	return list
}

// open returns a notifier whose mail ends up in the box.
func open(t *testing.T, st store.Store, box *mailbox, change func(*Options)) *Notifier {
	t.Helper()
	o := Options{Store: st, Settings: Settings{
		Mail: &Mail{Server: "localhost", From: "metasync@example.org", To: []string{"idm"}}, Policy: DefaultPolicy(),
	}}
	if change != nil {
		change(&o)
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	n.channels = func(s *Settings) []channel {
		if s.Mail == nil {
			return nil
		}
		return []channel{box}
	}
	return n
}

// start runs a notifier until the returned function is called.
func start(t *testing.T, n *Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func ended(number uint64, agent string, result run.Result) Event {
	return RunEnded(&run.Record{Run: number, Agent: agent, Profile: "full-import", Result: result, Ended: time.Now()})
}

func expect(t *testing.T, box *mailbox, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, box.subjects()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// A dead server delays nothing and loses nothing, whatever dies and starts again
// meanwhile; then everything arrives in its order.
func TestDeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		box := &mailbox{err: errors.New("connection refused")}
		n := open(t, st, box, nil)
		stop := start(t, n)
		begun := time.Now()
		n.Post(ended(1, "HR", "stopped-server"))
		n.Post(ended(2, "AD", "stopped-server"))
		if took := time.Since(begun); took != 0 {
			t.Errorf("posting took %s", took)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if box.tries < 5 || box.tries > 20 {
			t.Errorf("%d tries in an hour", box.tries)
		}
		s, err := n.Status()
		if err != nil || s.Queued != 2 || s.Failed != uint64(box.tries) || s.LastError != "connection refused" || !s.Oldest.Equal(begun) {
			t.Errorf("status %+v, %v", s, err)
		}
		stop()

		n = open(t, st, box, nil)
		n.Post(ended(3, "HR", "success"))
		defer start(t, n)()
		expect(t, box)
		box.set(func() { box.err = nil })
		time.Sleep(maxPause)
		expect(t, box, "idm: HR full-import: stopped-server", "idm: AD full-import: stopped-server", "idm: HR full-import: success (was stopped-server)")
		s, err = n.Status()
		if err != nil || s.Queued != 0 || s.Sent != 3 || s.LastError != "" || !s.Oldest.IsZero() {
			t.Errorf("status %+v, %v", s, err)
		}
		if len(s.Incidents) != 1 || s.Incidents[0].Agent != "AD" {
			t.Errorf("incidents %+v", s.Incidents)
		}
	})
}

// A message that was on its way when the process stopped is sent again, under the
// same id.
func TestStopWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		box := &mailbox{blocks: true}
		n := open(t, st, box, nil)
		stop := start(t, n)
		n.Post(ended(1, "HR", "stopped-server"))
		synctest.Wait()
		q, _, err := n.next(mailKey, time.Now())
		if err != nil || q.message == nil {
			t.Fatalf("%+v, %v", q, err)
		}
		stop()
		box.blocks = false
		defer start(t, open(t, st, box, nil))()
		synctest.Wait()
		if len(box.got) != 1 || box.got[0].ID != q.ID {
			t.Errorf("got %+v, want one with id %s", box.got, q.ID)
		}
	})
}

// A recipient that is refused keeps nobody else from reading.
func TestRefusedRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &mailbox{refuses: "left"}
		n := open(t, store.NewMemory(), box, func(o *Options) {
			o.Settings.Mail.To = []string{"left", "idm"}
			o.Settings.Routes = map[string][]string{"AD": {"windows"}}
		})
		defer start(t, n)()
		n.Post(ended(1, "HR", "stopped-server"))
		n.Post(ended(2, "AD", "stopped-server"))
		expect(t, box, "idm: HR full-import: stopped-server", "windows: AD full-import: stopped-server")
		if s, err := n.Status(); err != nil || s.Queued != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		box.set(func() { box.refuses = "" })
		time.Sleep(time.Hour)
		expect(t, box, "left: HR full-import: stopped-server")
	})
}

// A full queue gives up its oldest messages, one that is too old is not sent, and
// somebody is told so.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &mailbox{err: errors.New("down")}
		n := open(t, store.NewMemory(), box, nil)
		for i := range maxQueued + 5 {
			n.Post(ended(uint64(i+1), fmt.Sprintf("A%d", i), "stopped-server"))
		}
		s, err := n.Status()
		if err != nil || s.Queued != maxQueued || s.Dropped != 5 {
			t.Errorf("%d queued, %d dropped, %v", s.Queued, s.Dropped, err)
		}
		time.Sleep(maxAge + time.Second)
		n.Post(ended(5000, "HR", "stopped-server"))
		box.set(func() { box.err = nil })
		defer start(t, n)()
		expect(t, box, "idm: HR full-import: stopped-server", fmt.Sprintf("idm: metasync: %d messages were dropped", maxQueued+5))
	})
}

// A digest gathers what happens for a while, each recipient's own.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &mailbox{}
		n := open(t, store.NewMemory(), box, func(o *Options) {
			o.Settings.Policy.Digest = 15 * time.Minute
			o.Settings.Routes = map[string][]string{"AD": {"windows"}}
		})
		stop := start(t, n)
		defer func() { stop() }()
		n.Post(ended(1, "HR", "stopped-server"))
		time.Sleep(5 * time.Minute)
		n.Post(ended(2, "AD", "stopped-server"))
		n.Post(ended(3, "HR", "success"))
		time.Sleep(10*time.Minute - time.Second)
		expect(t, box)
		stop()
		stop = start(t, n)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(box.got) == 1 {
			m := box.got[0]
			for part, in := range map[string]string{m.Text: "text", m.HTML: "HTML"} {
				if strings.Count(part, "full-import") < 4 || !strings.Contains(part, "(was stopped-server)") {
					t.Errorf("the %s lacks something:\n%s", in, part)
				}
			}
		}
		expect(t, box, "idm: 2 messages: HR full-import: stopped-server; HR full-import: success (was stopped-server)")
		time.Sleep(5 * time.Minute)
		expect(t, box, "windows: AD full-import: stopped-server")
	})
}

// What stands until somebody acts is told again by itself, also after a restart; what
// does not occur any more is not.
func TestReminders(t *testing.T) {
	inUTC(t)
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		box := &mailbox{}
		n := open(t, st, box, nil)
		stop := start(t, n)
		n.Post(Held(Hold{Agent: "AD", Profile: "export", Run: 1, Result: run.StoppedExportThreshold, Reason: "600 deletions", Objects: []string{"CN=Ada"}, At: time.Now()}))
		time.Sleep(time.Second)
		n.Post(RunEnded(&run.Record{Run: 1, Agent: "AD", Profile: "export", Result: run.StoppedExportThreshold, Ended: time.Now()}))
		n.Post(ended(2, "HR", "stopped-server"))
		expect(t, box, "idm: AD export: held: stopped-deletion-threshold-exceeded", "idm: HR full-import: stopped-server")
		stop()
		time.Sleep(24 * time.Hour)
		n = open(t, st, box, nil)
		defer start(t, n)()
		synctest.Wait()
		if len(box.got) != 1 || !strings.Contains(box.got[0].Text, "600 deletions") || !strings.Contains(box.got[0].Text, "CN=Ada") {
			t.Errorf("the reminder does not say what it is about: %+v", box.got)
		}
		expect(t, box, "idm: AD export: held: stopped-deletion-threshold-exceeded (still, since 2000-01-01 00:00:00 UTC)")
		n.Post(Released("AD", "export", "approved by ada", time.Now()))
		expect(t, box, "idm: AD export: approved by ada (was stopped-deletion-threshold-exceeded)")
		n.Post(HookFailed("HR", "shouldExecute", "no", time.Now()))
		time.Sleep(lapse - time.Minute)
		n.Post(HookFailed("HR", "shouldExecute", "no", time.Now()))
		expect(t, box, "idm: HR shouldExecute: failing")
		time.Sleep(lapse + 2*time.Minute)
		expect(t, box, "idm: HR shouldExecute: not seen any more (was failing)")
		time.Sleep(forgetAfter)
		expect(t, box)
		if s, err := n.Status(); err != nil || len(s.Incidents) != 0 {
			t.Errorf("%+v, %v", s.Incidents, err)
		}
	})
}

// What the configuration no longer has is no incident any more; without anybody to
// tell, nothing is kept.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		box := &mailbox{}
		n := open(t, st, box, nil)
		stop := start(t, n)
		defer func() { stop() }()
		n.Post(ended(1, "HR", "stopped-server"))
		n.Post(ended(2, "AD", "stopped-server"))
		expect(t, box, "idm: HR full-import: stopped-server", "idm: AD full-import: stopped-server")
		s := n.current()
		s.Exists = func(i Incident) bool { return i.Agent != "AD" }
		n.Configure(s)
		expect(t, box, "idm: AD full-import: no longer configured (was stopped-server)")

		box.set(func() { box.err = errors.New("wrong password") })
		n.Post(ended(3, "HR", "stopped-connectivity"))
		synctest.Wait()
		s.Mail = &Mail{Server: "elsewhere", From: "metasync@example.org", To: []string{"idm"}}
		box.set(func() { box.err = nil })
		n.Configure(s) // does not wait for the end of the pause
		expect(t, box, "idm: HR full-import: stopped-connectivity (was stopped-server)")

		box.set(func() { box.err = errors.New("down") })
		n.Post(ended(4, "HR", "success"))
		n.Post(ended(5, "HR", "stopped-server"))
		n.Configure(Settings{})
		synctest.Wait()
		status, err := n.Status()
		if err != nil || status.Queued != 0 || len(status.Incidents) != 0 {
			t.Errorf("%+v, %v", status, err)
		}
		stop()
		n = open(t, st, box, nil)
		if q, _, err := n.next(mailKey, time.Now()); err != nil || q.message != nil {
			t.Errorf("a message is left: %+v, %v", q.message, err)
		}
	})
}

// A past is a run history.
type past []*run.Record

func (p past) Records(after uint64) iter.Seq2[*run.Record, error] {
	return func(yield func(*run.Record, error) bool) {
		for _, r := range p {
			if r.Run > after && !yield(r, nil) {
				return
			}
		}
	}
}

func (p past) Last(int) ([]*run.Record, error) {
	if len(p) == 0 {
		return nil, nil
	}
	return []*run.Record{p[len(p)-1]}, nil
}

// A run that ended just before the process died is told after the next start; what
// commands did by themselves is not.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record := func(number uint64, agent string, result run.Result) *run.Record {
			return &run.Record{Run: number, Agent: agent, Profile: "full-import", Result: result, Started: time.Now(), Ended: time.Now()}
		}
		history := past{record(1, "HR", "stopped-server")}
		withHistory := func(o *Options) {
			o.History = history
			o.Settings.Exists = func(i Incident) bool { return i.Agent != "by hand" }
		}
		st, box := store.NewMemory(), &mailbox{}
		n := open(t, st, box, withHistory)
		stop := start(t, n)
		expect(t, box)
		stop()

		history = append(history, record(2, "HR", "stopped-server")) // by a command
		n = open(t, st, box, withHistory)
		stop = start(t, n)
		expect(t, box)

		// The process dies here: nothing more comes of n, which is left behind.
		history = append(history, record(3, "HR", "success"), record(4, "HR", "stopped-connectivity"), record(5, "AD", "success"), record(6, "XX", run.InProgress), record(7, "by hand", "stopped-server"))
		snapshot := copyOf(t, st)
		stop()
		n = open(t, snapshot, box, withHistory)
		stop = start(t, n)
		expect(t, box, "idm: HR full-import: stopped-connectivity")
		again := copyOf(t, snapshot) // and once more, before anything else happens
		stop()
		n = open(t, again, box, withHistory)
		stop = start(t, n)
		expect(t, box)
		stop()
	})
}

// copyOf returns a store with all that the notifications keep.
func copyOf(t *testing.T, st store.Store) store.Store {
	t.Helper()
	out := store.NewMemory()
	err := st.View(func(r store.Reader) error {
		return out.Update(func(tx store.Tx) error {
			for _, bucket := range []store.Bucket{bucketOutbox, bucketIncidents, bucketChannels, bucketNotify} {
				for key, value := range r.Scan(bucket, nil, nil) {
					if err := tx.Put(bucket, key, value); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A store that fails leaves the incident as it was, so that the next event is told.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &failingStore{Store: store.NewMemory()}
		box := &mailbox{}
		var log strings.Builder
		n := open(t, st, box, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		st.fails = true
		n.Post(ended(1, "HR", "stopped-server"))
		if !strings.Contains(log.String(), "the disk is full") {
			t.Errorf("log: %s", log.String())
		}
		st.fails = false
		n.Post(ended(2, "HR", "stopped-server"))
		defer start(t, n)()
		expect(t, box, "idm: HR full-import: stopped-server")
	})
}

type failingStore struct {
	store.Store
	fails bool
}

func (s *failingStore) Update(fn func(store.Tx) error) error {
	if s.fails {
		return errors.New("the disk is full")
	}
	return s.Store.Update(fn)
}

// A damaged message is dropped; those behind it are sent.
func TestDamagedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, box := store.NewMemory(), &mailbox{}
		n := open(t, st, box, nil)
		err := st.Update(func(tx store.Tx) error {
			return tx.Put(bucketOutbox, append(channelPrefix(mailKey), make([]byte, 8)...), []byte("xx"))
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Post(ended(1, "HR", "stopped-server"))
		defer start(t, n)()
		expect(t, box, "idm: HR full-import: stopped-server", "idm: metasync: 1 message was dropped")
	})
}

// Where nothing is wrong, an event costs no transaction.
func TestNothingIsWritten(t *testing.T) {
	st := &failingStore{Store: store.NewMemory(), fails: true}
	var log strings.Builder
	n := open(t, st, &mailbox{}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	n.Post(ended(1, "HR", "success"))
	n.Post(Recovered(Trigger, "HR", "x", time.Now()))
	n.Configure(Settings{})
	n.Post(ended(2, "HR", "stopped-server"))
	if log.Len() > 0 {
		t.Errorf("log: %s", log.String())
	}
}
