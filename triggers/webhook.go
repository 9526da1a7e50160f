package triggers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// Bounds of webhooks.
const (
	maxBody  = 64 << 10 // bytes of one call
	maxCalls = 100      // that wait for their check
	minToken = 16       // characters: shorter ones can be guessed

	// A call whose check has failed for this long is given up.
	maxCallAge = 24 * time.Hour
)

// HookPath is where webhooks are: the name of one follows.
const HookPath = "/hooks/"

// tokenHeader is an alternative to Authorization: Bearer, for callers that cannot
// send that.
const tokenHeader = "X-Metasync-Token"

var errCallsFull = errors.New("too many calls are waiting")

// calls keeps what was sent to a webhook until it was dealt with, and reports it.
// The mark is the number of a call.
type calls struct {
	state
	box *mailbox[struct{}]

	mu   sync.Mutex
	last uint64 // the highest number so far
	rate tokens
}

func newCalls(s state) *calls { return &calls{state: s, box: newMailbox[struct{}]()} }

// add makes a call durable. If apart is false, it takes the place of one that waits.
func (c *calls) add(call autosync.WebhookCall, apart bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, err := json.Marshal(call)
	if err != nil {
		return err
	}
	number := c.last
	err = c.store.Update(func(tx store.Tx) error {
		var waiting [][]byte
		for key := range tx.Scan(bucket, c.prefix, nil) {
			waiting = append(waiting, append([]byte(nil), key...))
			number = max(number, c.number(key))
		}
		if apart && len(waiting) >= maxCalls {
			return errCallsFull
		}
		for _, key := range waiting {
			if apart {
				break
			}
			if err := tx.Delete(bucket, key); err != nil {
				return err
			}
		}
		number++
		return tx.Put(bucket, c.key(string(binary.BigEndian.AppendUint64(nil, number))), value)
	})
	if err != nil {
		return err
	}
	c.last = number
	c.box.poke()
	return nil
}

func (c *calls) number(key []byte) uint64 {
	if len(key) != len(c.prefix)+8 {
		return 0
	}
	return binary.BigEndian.Uint64(key[len(c.prefix):])
}

// begin says up to which number calls were dealt with, before the process started.
func (c *calls) begin(mark []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(mark) == 8 {
		c.last = max(c.last, binary.BigEndian.Uint64(mark))
	}
}

// Watch implements [Source]. Calls that were accepted count even with skip.
func (c *calls) Watch(ctx context.Context, since []byte, _ bool, report func(...Signal)) error {
	c.begin(since)
	var last uint64
	for {
		var signals []Signal
		err := c.store.View(func(r store.Reader) error {
			for key, value := range r.Scan(bucket, c.prefix, nil) {
				number := c.number(key)
				var call autosync.WebhookCall
				if number <= last || json.Unmarshal(value, &call) != nil {
					continue
				}
				last = number
				signals = append(signals, Signal{Mark: binary.BigEndian.AppendUint64(nil, number), Apart: true, Call: &call})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the calls of a webhook: %w", err)
		}
		if len(signals) > 0 {
			report(signals...)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.box.news:
		}
	}
}

// forget implements [forgetter].
func (c *calls) forget(tx store.Tx, mark []byte, alone bool) error {
	if len(mark) != 8 {
		return nil
	}
	if alone {
		return tx.Delete(bucket, c.key(string(mark)))
	}
	var done [][]byte
	for key := range tx.Scan(bucket, c.prefix, nil) {
		if c.number(key) <= binary.BigEndian.Uint64(mark) {
			done = append(done, append([]byte(nil), key...))
		}
	}
	for _, key := range done {
		if err := tx.Delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}

// tokens is a bucket that fills evenly up to what may be taken in a minute.
type tokens struct {
	left   float64
	filled time.Time
}

// take takes a token. If there is none, it returns after what time there will be.
func (b *tokens) take(now time.Time, perMinute int) (wait time.Duration, ok bool) {
	rate := float64(perMinute) / time.Minute.Seconds()
	passed := now.Sub(b.filled).Seconds()
	if b.filled.IsZero() || passed < 0 {
		b.left, passed = float64(perMinute), 0
	}
	b.left, b.filled = min(float64(perMinute), b.left+passed*rate), now
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Second)), false
	}
	b.left--
	return 0, true
}

// Webhooks returns what serves the webhooks of the triggers, below [HookPath]. A
// call is answered with 202 when it is durable: it will be dealt with even if the
// process ends. Calls of others are refused without a hint why.
func (m *Manager) Webhooks() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+HookPath+"{name}", m.called)
	return mux
}

func (m *Manager) called(w http.ResponseWriter, r *http.Request) {
	t, working := m.hook(r.PathValue("name"))
	if t == nil {
		http.NotFound(w, r)
		return
	}
	spec := t.current()
	if !Authorized(r, spec.Webhook.Token) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
		return
	}
	now := m.options.Clock()
	if wait, ok := t.allow(now, spec.Webhook.PerMinute); !ok {
		refuse(w, http.StatusTooManyRequests, "too many calls", wait)
		return
	}
	if state := t.report().State; !working || state == Terminated || state == Disabled {
		refuse(w, http.StatusServiceUnavailable, "the trigger is not at work", time.Minute)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(w, fmt.Sprintf("the body may have %d bytes", maxBody), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil || !utf8.Valid(body) {
		http.Error(w, "the body is not a text in UTF-8", http.StatusBadRequest)
		return
	}
	call := autosync.WebhookCall{At: now}
	if spec.Check != nil { // nobody else reads it
		call.Body, call.ContentType, call.Query = string(body), r.Header.Get("Content-Type"), r.URL.RawQuery
	}
	switch err := t.calls.add(call, spec.Check != nil); {
	case errors.Is(err, errCallsFull):
		refuse(w, http.StatusServiceUnavailable, "too many calls are waiting", time.Minute)
	case err != nil:
		m.options.Log.Error("a call of a webhook cannot be kept", "agent", spec.Agent, "trigger", spec.Name, "err", err)
		refuse(w, http.StatusServiceUnavailable, "the call cannot be kept", time.Minute)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// hook returns the trigger that has a webhook, nil if there is none, and whether
// the triggers are at work.
func (m *Manager) hook(name string) (t *worker, working bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.workers {
		if spec := w.current(); spec.Webhook != nil && spec.Webhook.Name == name {
			return w, m.start != nil
		}
	}
	return nil, false
}

func (w *worker) allow(now time.Time, perMinute int) (wait time.Duration, ok bool) {
	if perMinute == 0 {
		perMinute = autosync.DefaultPerMinute
	}
	w.calls.mu.Lock()
	defer w.calls.mu.Unlock()
	return w.calls.rate.take(now, perMinute)
}

func refuse(w http.ResponseWriter, status int, text string, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	http.Error(w, text, status)
}

func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get(tokenHeader)
}

// Authorized reports whether a call has the token, which is not empty.
func Authorized(r *http.Request, token string) bool { return sameToken(tokenOf(r), token) }

// sameToken compares in a time that tells nothing about either.
func sameToken(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return want != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
