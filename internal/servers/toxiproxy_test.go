//go:build unix && toxiproxy

package servers

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// A proxy passes on what is said until it is disturbed, and again when it is calmed.
func TestToxiproxy(t *testing.T) {
	s := For(t, Toxiproxy)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("hello there\n")) // what is heard is looked at
			_ = conn.Close()
		}
	}()
	p, err := s.Proxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hears := func(what, want string) {
		t.Helper()
		got := ""
		if conn, err := net.DialTimeout("tcp", p.Address, time.Minute); err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			got, _ = bufio.NewReader(conn).ReadString('\n')
			conn.Close()
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: heard %q, want %q", what, got, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hears("at the beginning", "hello there")
	do(p.Disturb("limit_data", "downstream", map[string]int{"bytes": 5}))
	hears("cut", "hello")
	do(p.Calm())
	hears("calm", "hello there")
	do(p.Down())
	hears("down", "")
	do(p.Up())
	hears("up", "hello there")
	if p.Disturb("rain", "downstream", nil) == nil {
		t.Error("an unknown toxic was accepted")
	}
	s.Stop()
	if conn, err := net.Dial("tcp", s.Address); err == nil {
		conn.Close()
		t.Errorf("%s still listens", s.Address)
	}
}
