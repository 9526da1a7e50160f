//go:build unix && (postgres || mariadb || slapd || ds389 || samba)

package servers

import (
	"errors"
	"io/fs"
	"net"
	"os"
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
	conn, err := net.DialTimeout("tcp", s.Address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
