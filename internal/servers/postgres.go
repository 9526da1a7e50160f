//go:build unix

package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// A PostgresServer is a server of PostgreSQL with logical decoding. Its superuser app
// needs no password.
type PostgresServer struct {
	*Server
	DSN string // of the database postgres, as a URL
}

// Postgres starts PostgreSQL.
func Postgres() (*PostgresServer, error) {
	initdb, err := find("initdb", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
	if err != nil {
		return nil, err
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return nil, err
	}
	bin := filepath.Dir(initdb)    // where all of one version are
	as, err := account("postgres") // as root it refuses to start
	if err != nil {
		return nil, err
	}
	folder, err := folderFor("postgres", as)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	if err := prepare(folder, as, initdb, "-D", data, "-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s, err := launch(folder, program{
		as: as, signal: "INT", // fast: it waits for no client
		command: func(s *Server) []string {
			return []string{
				filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.Port),
				"-c", "listen_addresses=" + s.Host, "-c", "unix_socket_directories=" + folder,
				"-c", "wal_level=logical", "-c", "fsync=off", "-c", "timezone=UTC",
			}
		},
		ready: func(ctx context.Context, s *Server) error {
			return exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", s.Host, "-p", strconv.Itoa(s.Port)).Run()
		},
	})
	if err != nil {
		return nil, err
	}
	return &PostgresServer{s, "postgres://app@" + s.Address + "/postgres"}, nil
}
