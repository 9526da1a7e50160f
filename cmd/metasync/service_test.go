package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A serviceManager listens as systemd does.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	folder, err := os.MkdirTemp("", "notify") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	m := &serviceManager{t: t, path: filepath.Join(folder, "s")}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// next returns the next message with a line, leaving out others.
func (m *serviceManager) next(line string) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		m.t.Fatal(err)
	}
	for data := make([]byte, 4096); ; {
		n, err := m.conn.Read(data)
		if err != nil {
			m.t.Fatalf("%s has not come: %v", line, err)
		}
		if strings.Contains("\n"+string(data[:n])+"\n", "\n"+line+"\n") {
			return string(data[:n])
		}
	}
}

// quiet reports whether nothing comes for a while.
func (m *serviceManager) quiet(d time.Duration) bool {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		m.t.Fatal(err)
	}
	_, err := m.conn.Read(make([]byte, 4096))
	return err != nil
}

// As a service: the manager hears when the daemon is ready, that it is alive as long as
// it is, of a reload and of the end; SIGHUP loads a configuration that differs, which
// changes the log.
func TestService(t *testing.T) {
	t.Parallel()
	manager, folder := newServiceManager(t), newDemo(t)
	cmd := exec.CommandContext(t.Context(), buildBinary(t), "run")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=600000")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // if the test has failed
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := manager.next("READY=1"); !strings.Contains(got, "STATUS=agents: 3, triggers: ") {
		t.Errorf("ready: %q", got)
	}
	if client, err := dialSocket(folder); err != nil {
		t.Errorf("ready, and commands do not reach it: %v", err)
	} else {
		client.Close()
	}
	for range 3 {
		manager.next("WATCHDOG=1")
	}
	signal(syscall.SIGSTOP)
	for !manager.quiet(time.Second) { // what was on its way
	}
	if !manager.quiet(2 * time.Second) {
		t.Error("a process that stands still is alive")
	}
	signal(syscall.SIGCONT)
	manager.next("WATCHDOG=1")

	file := filepath.Join(folder, "log", "metasync.log")
	appendTo(t, filepath.Join(folder, "metasync.yaml"), "\nlog: {file: log/metasync.log, format: json, level: debug}\n")
	signal(syscall.SIGHUP)
	if got := manager.next("RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("reloading: %q", got)
	}
	manager.next("READY=1")
	appendTo(t, filepath.Join(folder, "data", "hr.csv"), "900001,Lena,Lindqvist,Engineer,IT,Turku,100001,active,2020-01-01,+358 2 555\n")
	waitForRun(t, file)
	signal(syscall.SIGTERM)
	manager.next("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end: %v\n%s", err, stderr.String())
	}
}

func dialSocket(folder string) (net.Conn, error) {
	return net.Dial("unix", filepath.Join(folder, ".metasync", "metasync.sock"))
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// waitForRun waits until the log has a run from its start to its end, each line of which
// names run, agent and profile.
func waitForRun(t *testing.T, file string) {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		text = text[:bytes.LastIndexByte(text, '\n')+1] // the last line may not be whole
		begun := map[int]bool{}
		ended := false
		for text := range bytes.Lines(text) {
			var line struct {
				Msg, Agent, Profile string
				Run                 int
			}
			if err := json.Unmarshal(text, &line); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			switch {
			case line.Run != 0 && (line.Agent == "" || line.Profile == ""):
				t.Errorf("a line of a run says not which: %s", text)
			case line.Msg == "run started":
				begun[line.Run] = true
			case line.Msg == "run ended" && begun[line.Run]:
				ended = true
			}
		}
		if ended {
			return
		}
	}
	t.Fatal("no run is in the log")
}
