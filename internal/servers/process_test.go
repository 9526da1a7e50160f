//go:build unix

package servers

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// lives looks at a server that was started: it answers, also after a restart, and
// leaves neither a process nor a file behind.
func lives(t *testing.T, s *Server) {
	t.Helper()
	answers(t, s)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	answers(t, s)
	s.Stop()
	if conn, err := net.Dial("tcp", s.Address); err == nil {
		conn.Close()
		t.Errorf("%s still listens", s.Address)
	}
	if _, err := os.Stat(s.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func answers(t *testing.T, s *Server) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// A server is what runs as long as it is held, and no longer.
func TestSupervise(t *testing.T) {
	folder, err := folderFor("sleep", nil)
	if err != nil {
		t.Fatal(err)
	}
	running := func(context.Context, *Server) error { return nil }
	s, err := launch(folder, program{
		signal: "TERM", ready: running,
		command: func(*Server) []string { return []string{"sleep", "600"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.Stop()
	if took := time.Since(began); took > stopTimeout/2 {
		t.Errorf("stopped after %s", took)
	}
}

func TestServerThatEnds(t *testing.T) {
	folder, err := folderFor("false", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = launch(folder, program{
		signal: "TERM", ready: func(context.Context, *Server) error { return errors.New("not yet") },
		command: func(*Server) []string { return []string{"sh", "-c", "echo no such database; exit 3"} },
	})
	if err == nil || !strings.Contains(err.Error(), "sh ended: no such database") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestServerThatIsNotInstalled(t *testing.T) {
	if _, err := find("no-such-server"); err == nil || !strings.Contains(err.Error(), "no-such-server is not installed") {
		t.Errorf("%v", err)
	}
}
