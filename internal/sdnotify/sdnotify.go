// Package sdnotify tells the service manager how the process is: the protocol of
// sd_notify(3), which is a few lines of text to a socket.
package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Manager is the service manager that started the process. A nil *Manager is none:
// it is told nothing.
type Manager struct {
	socket   string
	watchdog time.Duration
}

// FromEnvironment returns the manager that the environment names (NOTIFY_SOCKET,
// WATCHDOG_USEC, WATCHDOG_PID), nil if there is none, and takes it out of the
// environment, so that programs that this one starts do not speak for it.
func FromEnvironment() (*Manager, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if socket == "" {
		return nil, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is no socket of this machine", socket)
	}
	m := &Manager{socket: socket}
	if usec != "" && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n, err := strconv.ParseInt(usec, 10, 64)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("WATCHDOG_USEC: %q is no length of time", usec)
		}
		m.watchdog = time.Duration(n) * time.Microsecond
	}
	return m, nil
}

// Ready says that the process does its work, and how it is.
func (m *Manager) Ready(status string) error { return m.send("READY=1", statusLine(status)) }

// Reloading says that the process loads its configuration anew, until it is Ready.
func (m *Manager) Reloading() error {
	lines := []string{"RELOADING=1", statusLine("loading the configuration")}
	if now, ok := monotonic(); ok {
		lines = append(lines, "MONOTONIC_USEC="+strconv.FormatInt(now.Microseconds(), 10))
	}
	return m.send(lines...)
}

// Stopping says that the process ends.
func (m *Manager) Stopping() error { return m.send("STOPPING=1", statusLine("ending")) }

// statusLine is the text that the manager shows.
func statusLine(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

func (m *Manager) send(lines ...string) error {
	if m == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return errors.Join(fmt.Errorf("tell the service manager: %w", err), conn.Close())
	}
	return conn.Close()
}

// defaultPace is how often the status is told if there is no watchdog.
const defaultPace = 30 * time.Second

// Watch tells the manager until ctx is done how the process is, and that it is alive
// whenever alive has returned nil: a process that hangs stops doing so, and the
// manager starts it anew. failed is called with what cannot be told, and with the
// errors of alive.
func (m *Manager) Watch(ctx context.Context, alive func(context.Context) error, status func() string, failed func(error)) {
	if m == nil {
		return
	}
	pace := defaultPace
	if m.watchdog > 0 {
		pace = m.watchdog / 3
	}
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		err := alive(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			lines := []string{statusLine(status())}
			if m.watchdog > 0 {
				lines = append(lines, "WATCHDOG=1")
			}
			err = m.send(lines...)
		}
		if err != nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
