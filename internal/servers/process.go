//go:build unix

package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 3 * time.Minute // of a busy machine
	stopTimeout  = time.Minute
	greetTimeout = 10 * time.Second // of one try
	attempts     = 5                // another process may take the port that was free
)

// loopback is where servers listen that do not say otherwise.
const loopback = "127.0.0.1"

// A Server is a server that runs.
type Server struct {
	Address string // 127.0.0.1:port
	Host    string
	Port    int

	folder  string
	program program

	command *exec.Cmd
	hold    io.Closer // what keeps the server running
	exited  chan struct{}
	output  *output
}

// A program is how a server is started in its folder and looked at.
type program struct {
	command func(s *Server) []string
	signal  string              // that ends it without waiting for clients
	as      *syscall.Credential // nil is whoever runs the test
	ready   func(ctx context.Context, s *Server) error
	place   func() (host string, port int, err error) // where it listens; nil is a free port of 127.0.0.1
}

// A Stopper is a server, whatever its kind.
type Stopper interface{ Stop() }

// For starts a server for a test, at whose end it is stopped.
func For[S Stopper](t testing.TB, start func() (S, error)) S {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// folderFor makes the temporary folder of a server.
func folderFor(name string, as *syscall.Credential) (string, error) {
	folder, err := os.MkdirTemp("", "metasync-"+name+"-")
	if err == nil && as != nil {
		err = os.Chown(folder, int(as.Uid), int(as.Gid))
	}
	return folder, err
}

// launch starts a server on a free port and waits until it answers. On an error the
// folder is gone.
func launch(folder string, p program) (*Server, error) {
	var err error
	for range attempts {
		s := &Server{Host: loopback, folder: folder, program: p}
		if p.place == nil {
			s.Port, err = freePort()
		} else {
			s.Host, s.Port, err = p.place()
		}
		if err != nil {
			break
		}
		s.Address = net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
		if err = s.start(); err == nil {
			return s, nil
		}
		if !errors.Is(err, errEnded) {
			break
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// supervise runs a server as long as its own standard input is open, which it is as
// long as the test runs. A shell ignores the interrupt for what it starts in the
// background; servers that want it say so themselves.
const supervise = `signal=$1; shift; "$@" </dev/null & pid=$!; { read -r _; kill -s "$signal" $pid; } <&3 >/dev/null 2>&1 & wait $pid`

// errEnded is the error about a server that did not stay.
var errEnded = errors.New("ended")

func (s *Server) start() error {
	command := s.program.command(s)
	s.output = &output{}
	hold, keep, err := os.Pipe()
	if err != nil {
		return err
	}
	defer hold.Close()
	s.command = exec.Command("sh", append([]string{"-c", supervise, "sh", s.program.signal}, command...)...)
	s.command.ExtraFiles = []*os.File{hold}
	s.command.Dir = s.folder
	s.command.Stdout, s.command.Stderr = s.output, s.output
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.program.as}
	s.command.WaitDelay = time.Second
	if err := s.command.Start(); err != nil {
		return errors.Join(err, keep.Close())
	}
	s.hold, s.exited = keep, make(chan struct{})
	go func() {
		defer close(s.exited)
		_ = s.command.Wait() // how it ended is in its output
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		if err = s.program.ready(ctx, s); err == nil {
			return nil
		}
		select {
		case <-s.exited:
			_ = keep.Close()
			return fmt.Errorf("%s %w: %s", filepath.Base(command[0]), errEnded, s.output)
		case <-ctx.Done():
			s.end()
			return fmt.Errorf("%s does not answer: %w: %s", filepath.Base(command[0]), err, s.output)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// end ends the process and waits for it.
func (s *Server) end() {
	_ = s.hold.Close()
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL) // the group is its own
		<-s.exited
	}
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	s.end()
	_ = os.RemoveAll(s.folder) // it is a temporary one
}

// Restart ends the server and starts it again with the same data and port.
func (s *Server) Restart() error {
	s.end()
	return s.start()
}

// freePort returns a port that nobody listens on. It is none of those that the system gives
// to connections that go out (from 32768 on with Linux, 49152 with others), as long as there is one:
// while a server is started again, one of them would be gone at any moment.
func freePort() (int, error) {
	const first, last, tries = 15000, 32767, 20
	for range tries {
		port := first + rand.IntN(last-first+1)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// find returns the path of a program, which may be in a folder that only root has in
// the path, or that is named after a version.
func find(name string, folders ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range append(folders, "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec") {
		found, _ := filepath.Glob(filepath.Join(pattern, name)) // the patterns are ours
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed; `make test` as root installs it, see the Makefile", name)
}

// account returns whom a server runs as that refuses to run as root: nil if we are not.
func account(name string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// prepare runs a command that makes the data of a server.
func prepare(folder string, as *syscall.Credential, command ...string) error {
	c := exec.Command(command[0], command[1:]...)
	c.Dir = folder
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(command[0]), err, out)
	}
	return nil
}

// greets reports whether a server answers to what is sent to it.
func greets(ctx context.Context, address string, send []byte) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(greetTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(send); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// An output keeps the end of what a server wrote.
type output struct {
	mu   sync.Mutex
	text []byte
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 8 << 10
	if o.text = append(o.text, p...); len(o.text) > most {
		o.text = o.text[len(o.text)-most:]
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(bytes.TrimSpace(o.text))
}
