// Package ldapconn talks to directory servers: it opens connections the way they
// were declared, reads entries in pages, and asks what changed since a cookie
// (RFC 4533).
//
//	pool := ldapconn.NewPool(options)
//	defer pool.Close()
//	err := pool.Do(ctx, func(c *ldapconn.Conn) (err error) {
//		entries, err = c.Search(ctx, search)
//		return err
//	})
//
// It reads only; who writes does so over [Conn.LDAP]. Every call ends with its context.
package ldapconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/internal/ldapconn/address"
)

// Options say where a server is and as whom to ask it.
type Options struct {
	URL      string
	StartTLS bool
	Insecure bool           // without TLS, to another machine
	Roots    *x509.CertPool // nil is those of the system

	BindDN   string // "" asks as nobody
	Password string

	// Timeout is how long the server may say nothing while it is asked, before the
	// connection counts as lost; 0 is for ever. An answer may take longer as a whole.
	Timeout time.Duration
}

// ErrBind is wrapped by the error about a name that could not be bound.
var ErrBind = errors.New("bind")

// A Conn is a connection that is bound. Several goroutines may use it at a time, but for
// [Conn.Pages] and [Conn.Changes]; when the context of one call ends, so do the others.
type Conn struct {
	ldap   *ldap.Conn
	wire   *wire // under it
	socket *line
	paged  sync.Mutex // a server has one paged search at a time on a connection
}

// Dial opens a connection and binds. The error holds what the server said, and no
// password.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	to, err := address.Parse(o.URL, o.StartTLS, o.Insecure)
	if err != nil {
		return nil, err
	}
	if o.BindDN != "" && o.Password == "" {
		return nil, errors.New("a bind without a password would be one as nobody (RFC 4513 §5.1.2)")
	}
	tcp, err := (&net.Dialer{Timeout: o.Timeout}).DialContext(ctx, "tcp", to.Endpoint)
	if err != nil {
		// Which of the two it is depends on who saw first that the time was over.
		if endOf(ctx) == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)) {
			err = fmt.Errorf("%w for %s: dial %s", errSilent, o.Timeout, to.Endpoint)
		}
		return nil, ended(ctx, err)
	}
	socket := newLine(tcp, o.Timeout)
	c := &Conn{socket: socket}
	defer c.endWith(ctx)()
	secure := &tls.Config{ServerName: to.Host, RootCAs: o.Roots, MinVersion: tls.VersionTLS12}
	stream := net.Conn(socket)
	switch {
	case to.TLS:
		encrypted := tls.Client(socket, secure)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = socket.Close() // the error that matters is the other
			return nil, ended(ctx, fmt.Errorf("TLS with %s: %w", to.Endpoint, err))
		}
		stream = encrypted
	case to.StartTLS:
		if stream, err = startTLS(ctx, socket, secure); err != nil {
			_ = socket.Close() // the error that matters is the other
			return nil, ended(ctx, fmt.Errorf("StartTLS with %s: %w", to.Endpoint, err))
		}
	}
	c.wire = newWire(stream)
	c.ldap = ldap.NewConn(c.wire, to.TLS || to.StartTLS)
	c.ldap.Start()
	if o.BindDN != "" {
		if err := c.ldap.Bind(o.BindDN, o.Password); err != nil {
			c.Close()
			return nil, ended(ctx, fmt.Errorf("%w as %q: %w", ErrBind, o.BindDN, err))
		}
	}
	return c, nil
}

// Close ends the connection. It does not wait for the server.
func (c *Conn) Close() {
	// The library writes to the socket before it closes it: a server that does not
	// read would hold it up.
	_ = c.socket.Close()
	_ = c.ldap.Close() // of a socket that is closed
}

// endWith closes the connection when ctx ends, or the server falls silent, which is how a
// call on it ends early; the function that it returns ends that.
func (c *Conn) endWith(ctx context.Context) (release func()) {
	stop, calm := context.AfterFunc(ctx, func() { _ = c.socket.Close() }), c.socket.expect()
	return func() {
		stop()
		calm()
	}
}

// ended returns the end of ctx as the error, if that is why there is one.
func ended(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if end := endOf(ctx); end != nil {
		return fmt.Errorf("no answer in time: %w", end)
	}
	return err
}

// endOf returns why ctx has ended, nil if it has not. The time of a deadline counts: a socket
// has a clock of its own for it, which may be ahead of that of the context.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, limited := ctx.Deadline(); limited && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}

// answered reports whether an error is what the server answered, or what we made of
// that: the connection can be used as before.
func answered(err error) bool {
	for _, ours := range []error{ErrFilter, ErrEntries, ErrBytes} {
		if errors.Is(err, ours) {
			return true
		}
	}
	var result *ldap.Error
	if !errors.As(err, &result) {
		return false
	}
	// The library numbers errors of its own from 200.
	return result.ResultCode < ldap.ErrorNetwork || result.ResultCode == ldap.LDAPResultSyncRefreshRequired
}

// isResult reports whether an error is an answer of the server with one of the codes.
func isResult(err error, codes ...uint16) bool { return ldap.IsErrorAnyOf(err, codes...) }

// EscapeFilter returns a text, which may be any bytes, so that it stands for itself in
// a filter (RFC 4515 §3).
func EscapeFilter(text string) string { return ldap.EscapeFilter(text) }
