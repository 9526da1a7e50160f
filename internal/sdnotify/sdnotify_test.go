package sdnotify

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen returns a socket as a service manager has it, named in the environment.
func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4096)
	n, err := conn.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(data[:n])
}

func fromEnvironment(t *testing.T) *Manager {
	t.Helper()
	m, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMessages(t *testing.T) {
	conn := listen(t)
	m := fromEnvironment(t)
	if os.Getenv("NOTIFY_SOCKET") != "" {
		t.Error("the socket is still in the environment")
	}
	for _, test := range []struct {
		send func() error
		want string
	}{
		{func() error { return m.Ready("two\nlines") }, "READY=1\nSTATUS=two lines"},
		{m.Reloading, "RELOADING=1\nSTATUS=loading the configuration\nMONOTONIC_USEC="},
		{m.Stopping, "STOPPING=1\nSTATUS=ending"},
	} {
		if err := test.send(); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, conn); !strings.HasPrefix(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if m := fromEnvironment(t); m != nil || m.Ready("") != nil || m.Reloading() != nil || m.Stopping() != nil {
		t.Error("without a manager nothing fails")
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := fromEnvironment(t).Ready(""); err == nil {
		t.Error("nobody listens and nothing fails")
	}
	t.Setenv("NOTIFY_SOCKET", "vsock:2:1234")
	if _, err := FromEnvironment(); err == nil {
		t.Error("a socket of another machine")
	}
}

// A beat comes only if the process is alive, and none before it says so.
func TestWatchdog(t *testing.T) {
	conn := listen(t)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	m := fromEnvironment(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	hangs, calls := make(chan error), 0
	failures := make(chan error, 10)
	go func() {
		defer close(ended)
		m.Watch(ctx, func(ctx context.Context) error {
			calls++
			if calls == 1 {
				return errors.New("not yet")
			}
			select {
			case err := <-hangs:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}, func() string { return "fine" }, func(err error) { failures <- err })
	}()
	if err := <-failures; err.Error() != "not yet" {
		t.Error(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes although the process hangs", n)
	}
	for range 2 {
		hangs <- nil
		if got := receive(t, conn); got != "STATUS=fine\nWATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	<-ended
}

// The watchdog of another process is not ours.
func TestForeignWatchdog(t *testing.T) {
	listen(t)
	t.Setenv("WATCHDOG_USEC", "1000")
	t.Setenv("WATCHDOG_PID", "1")
	if m := fromEnvironment(t); m.watchdog != 0 {
		t.Errorf("watchdog %v", m.watchdog)
	}
	t.Setenv("NOTIFY_SOCKET", "@x")
	t.Setenv("WATCHDOG_USEC", "soon")
	t.Setenv("WATCHDOG_PID", "")
	if _, err := FromEnvironment(); err == nil {
		t.Error("soon is no length of time")
	}
}
