package ldapconn

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	maxIdle  = 2
	idleTime = time.Minute // after which a connection may well be gone
)

// ErrClosed is the error of a call to a pool that was closed.
var ErrClosed = errors.New("the connections are closed")

// A Pool keeps connections to one server. It may be used by many goroutines, and has
// none of its own while no connection is open.
type Pool struct {
	options Options

	mu     sync.Mutex
	idle   []idleConn
	closed bool
}

type idleConn struct {
	conn  *Conn
	since time.Time
}

// NewPool returns a pool, which connects when it is first used.
func NewPool(o Options) *Pool { return &Pool{options: o} }

// Do calls f with a connection that nobody else uses. If the connection had been used
// before and turns out to be gone, f is called again with a new one: it must only
// read, and begin anew each time.
func (p *Pool) Do(ctx context.Context, f func(*Conn) error) error {
	conn, err := p.take()
	if err != nil {
		return err
	}
	if conn != nil {
		if err = p.use(conn, f); err == nil || answered(err) || endOf(ctx) != nil {
			return ended(ctx, err)
		}
	}
	if conn, err = Dial(ctx, p.options); err != nil {
		return err
	}
	return ended(ctx, p.use(conn, f))
}

// use calls f and keeps the connection, unless that is of no use any more.
func (p *Pool) use(conn *Conn, f func(*Conn) error) error {
	err := f(conn)
	if err != nil && !answered(err) {
		conn.Close()
		return err
	}
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < maxIdle
	if keep {
		p.idle = append(p.idle, idleConn{conn, time.Now()})
	}
	p.mu.Unlock()
	if !keep {
		conn.Close()
	}
	return err
}

// take returns a connection that was used before, nil if there is none.
func (p *Pool) take() (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for len(p.idle) > 0 {
		last := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(last.since) < idleTime && !last.conn.ldap.IsClosing() {
			return last.conn, nil
		}
		last.conn.Close()
	}
	return nil, nil
}

// Close closes the connections that are not in use; the others are closed after it.
// Calls that come later fail.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, i := range idle {
		i.conn.Close()
	}
}
