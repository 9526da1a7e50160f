package ldapconn

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is a server that accepts connections and says nothing, or hangs up.
func silent(t *testing.T, hangUp bool) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var open []net.Conn
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if hangUp {
				conn.Close()
				continue
			}
			open = append(open, conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, conn := range open {
			conn.Close()
		}
	})
	return "ldap://" + l.Addr().String()
}

// Whatever a server does not answer to, the call ends with its context.
func TestCallsEndWithTheirContext(t *testing.T) {
	url := silent(t, false)
	for name, test := range map[string]struct {
		o Options
		f func(context.Context, *Conn) error
	}{
		"bind":     {o: Options{URL: url, BindDN: "cn=x", Password: "y"}},
		"StartTLS": {o: Options{URL: url, StartTLS: true}},
		"TLS":      {o: Options{URL: "ldaps" + strings.TrimPrefix(url, "ldap")}},
		"search": {o: Options{URL: url}, f: func(ctx context.Context, c *Conn) error {
			_, err := c.Search(ctx, Search{})
			return err
		}},
		"read": {o: Options{URL: url}, f: func(ctx context.Context, c *Conn) error {
			_, err := c.Read(ctx, "cn=x", nil, 0)
			return err
		}},
		"changes": {o: Options{URL: url}, f: func(ctx context.Context, c *Conn) error {
			_, err := c.Changes(ctx, Watch{})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := NewPool(test.o)
			defer pool.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := pool.Do(ctx, func(c *Conn) error { return test.f(ctx, c) })
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Minute {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	}
}

// A behind is a context whose deadline has passed, and that does not know it yet.
type behind struct{ context.Context }

func (behind) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// The end of a context is told as such also if the socket has noticed it first.
func TestDeadlineThatTheSocketNoticed(t *testing.T) {
	_, err := Dial(behind{t.Context()}, Options{URL: silent(t, false), Timeout: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "the server has not answered") {
		t.Errorf("%v", err)
	}
}

// A connection that ends is never taken for an answer: no entries, or no changes.
func TestConnectionsThatEnd(t *testing.T) {
	pool := NewPool(Options{URL: silent(t, true)})
	defer pool.Close()
	for name, f := range map[string]func(*Conn) error{
		"search":  func(c *Conn) error { _, err := c.Search(t.Context(), Search{}); return err },
		"changes": func(c *Conn) error { _, err := c.Changes(t.Context(), Watch{Cookie: []byte("x")}); return err },
	} {
		for range 20 { // whether the end is noticed before the request or after
			if err := pool.Do(t.Context(), f); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

func TestDialRefuses(t *testing.T) {
	for want, o := range map[string]Options{
		"in clear":                {URL: "ldap://ldap.example.org"},
		"bind without a password": {URL: "ldap://127.0.0.1", BindDN: "cn=x"},
		"connection refused":      {URL: "ldap://127.0.0.1:1"},
	} {
		if _, err := Dial(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestClosedPool(t *testing.T) {
	pool := NewPool(Options{URL: "ldap://127.0.0.1"})
	pool.Close()
	pool.Close()
	if err := pool.Do(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// What the controls of a refresh mean, by the phases of RFC 4533 §3.3: whoever lists
// what is there and names nothing may mean that all is gone.
func TestSessions(t *testing.T) {
	old, next := []byte("old"), []byte("new")
	for name, test := range map[string]struct {
		controls []ldap.Control
		entry    bool
		want     Changes
	}{
		"nothing new":              {controls: []ldap.Control{&ldap.ControlSyncDone{}}, want: Changes{false, old}},
		"the same cookie":          {controls: []ldap.Control{&ldap.ControlSyncDone{Cookie: old}}, want: Changes{false, old}},
		"elsewhere":                {controls: []ldap.Control{&ldap.ControlSyncDone{Cookie: next, RefreshDeletes: true}}, want: Changes{false, next}},
		"all that there was":       {controls: []ldap.Control{&ldap.ControlSyncDone{Cookie: next}}, want: Changes{true, next}},
		"an entry":                 {entry: true, controls: []ldap.Control{&ldap.ControlSyncDone{Cookie: next, RefreshDeletes: true}}, want: Changes{true, next}},
		"deleted":                  {controls: []ldap.Control{&ldap.ControlSyncInfo{SyncIdSet: &ldap.ControlSyncInfoSyncIdSet{RefreshDeletes: true}}, &ldap.ControlSyncDone{Cookie: next, RefreshDeletes: true}}, want: Changes{true, next}},
		"a cookie on the way":      {controls: []ldap.Control{&ldap.ControlSyncInfo{NewCookie: &ldap.ControlSyncInfoNewCookie{Cookie: next}}, &ldap.ControlSyncDone{RefreshDeletes: true}}, want: Changes{false, next}},
		"the end of a delete list": {controls: []ldap.Control{&ldap.ControlSyncInfo{RefreshDelete: &ldap.ControlSyncInfoRefreshDelete{Cookie: next}}, &ldap.ControlSyncDone{RefreshDeletes: true}}, want: Changes{false, next}},
		"the end of a list":        {controls: []ldap.Control{&ldap.ControlSyncInfo{RefreshPresent: &ldap.ControlSyncInfoRefreshPresent{Cookie: next}}, &ldap.ControlSyncDone{}}, want: Changes{true, next}},
	} {
		s := session{cookie: old, named: test.entry}
		for _, control := range test.controls {
			s.read(control)
		}
		got, err := s.changes(old)
		if err != nil || got.Changed != test.want.Changed || string(got.Cookie) != string(test.want.Cookie) {
			t.Errorf("%s: %v %q, want %v %q (%v)", name, got.Changed, got.Cookie, test.want.Changed, test.want.Cookie, err)
		}
	}
	for _, s := range []session{{cookie: old}, {done: true}} {
		if _, err := s.changes(nil); !errors.Is(err, ErrNoSync) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestEscapeFilter(t *testing.T) {
	if got := EscapeFilter("a*(b)\\\x00\xff"); got != `a\2a\28b\29\5c\00\ff` {
		t.Error(got)
	}
}
