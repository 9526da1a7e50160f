package ldapconn

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A line is the socket of a connection, which knows when something last went over it.
type line struct {
	net.Conn
	began   time.Time
	timeout time.Duration // 0 is for ever
	last    atomic.Int64  // since began
	silent  atomic.Bool   // it was closed for its silence
}

func newLine(socket net.Conn, timeout time.Duration) *line {
	return &line{Conn: socket, began: time.Now(), timeout: timeout}
}

// Read implements [net.Conn].
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	return n, l.heard(n, err)
}

// Write implements [net.Conn].
func (l *line) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	return n, l.heard(n, err)
}

func (l *line) heard(n int, err error) error {
	if n > 0 && l.timeout > 0 {
		l.last.Store(int64(time.Since(l.began)))
	}
	if err != nil && l.silent.Load() {
		return fmt.Errorf("%w for %s", errSilent, l.timeout)
	}
	return err
}

// errSilent is the error about a server that took a request and said nothing more.
var errSilent = errors.New("the server has not answered")

// expect closes the line once nothing went over it for its time, until release is called.
func (l *line) expect() (release func()) {
	if l.timeout <= 0 {
		return func() {}
	}
	l.last.Store(int64(time.Since(l.began)))
	var mu sync.Mutex // held by whoever looks at the timer
	var timer *time.Timer
	done := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(l.timeout, func() {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		if left := l.timeout - (time.Since(l.began) - time.Duration(l.last.Load())); left > 0 {
			timer.Reset(left)
			return
		}
		l.silent.Store(true)
		_ = l.Close() // who waits for an answer hears of it
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done = true
		timer.Stop()
	}
}
