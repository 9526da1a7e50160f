//go:build unix

package ldapconn

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A server that says nothing is given up after the time that it is allowed, whatever it
// was asked, and not by the name of a context that has not ended.
func TestSilence(t *testing.T) {
	url := silent(t, false)
	for name, o := range map[string]Options{
		"bind":       {URL: url, BindDN: "cn=x", Password: "y"},
		"StartTLS":   {URL: url, StartTLS: true},
		"TLS":        {URL: "ldaps" + strings.TrimPrefix(url, "ldap")},
		"search":     {URL: url},
		"connection": {URL: "ldap://" + full(t)},
	} {
		t.Run(name, func(t *testing.T) {
			o.Timeout = 100 * time.Millisecond
			began := time.Now()
			pool := NewPool(o)
			defer pool.Close()
			err := pool.Do(t.Context(), func(c *Conn) error {
				_, err := c.Search(t.Context(), Search{})
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "the server has not answered for 100ms") || time.Since(began) > time.Minute {
				t.Errorf("%v after %s", err, time.Since(began))
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%v is the end of no context", err)
			}
		})
	}
}

// A call may take longer than that, as long as the server goes on.
func TestNoSilence(t *testing.T) { synctest.Test(t, noSilence) }

func noSilence(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	l := newLine(near, 300*time.Millisecond)
	release := l.expect()
	defer release()
	go func() {
		for range 8 {
			time.Sleep(100 * time.Millisecond)
			_, _ = far.Write([]byte("x")) // the reader counts
		}
	}()
	for i := range 8 {
		if _, err := l.Read(make([]byte, 1)); err != nil {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	release()
	time.Sleep(600 * time.Millisecond)
	go func() { _, _ = far.Write([]byte("x")) }() // the reader looks
	if _, err := l.Read(make([]byte, 1)); err != nil {
		t.Errorf("it was closed while nothing was asked: %v", err)
	}
}

// full returns an address that accepts no connection and refuses none.
func full(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(socket) })
		err = errors.Join(syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(socket, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for range 4 { // those that wait to be accepted
		conn, err := net.DialTimeout("tcp", address.String(), 200*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { conn.Close() })
	}
	return address.String()
}
