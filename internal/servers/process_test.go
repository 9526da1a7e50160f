//go:build unix

package servers

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

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
	s.Stop()
	if how := s.command.ProcessState.Sys().(syscall.WaitStatus); how.Signaled() {
		t.Errorf("it did not end by itself: %s", s.command.ProcessState)
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
