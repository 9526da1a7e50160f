//go:build unix

package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// A MariaDBServer is a server of MariaDB, which speaks the protocol of MySQL. Its user
// root needs no password.
type MariaDBServer struct {
	*Server
	DSN string // of the database app, as Go's driver takes it
}

// MariaDB starts MariaDB with an empty database app.
func MariaDB() (*MariaDBServer, error) {
	server, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	folder, err := folderFor("mariadb", nil)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	command := []string{install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"}
	var as []string
	if os.Geteuid() == 0 {
		as = []string{"--user=root"}
	}
	err = prepare(folder, nil, append(command, as...)...)
	if err == nil {
		err = os.Mkdir(filepath.Join(data, "app"), 0o700) // a database is a folder
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s, err := launch(folder, program{
		signal: "TERM",
		command: func(s *Server) []string {
			return append([]string{
				server, "--no-defaults", "--datadir=" + data, "--bind-address=" + s.Host, "--port=" + strconv.Itoa(s.Port),
				"--socket=" + filepath.Join(folder, "socket"), "--pid-file=" + filepath.Join(folder, "pid"),
				"--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0",
			}, as...)
		},
		ready: func(ctx context.Context, s *Server) error { return greets(ctx, s.Address, nil) },
	})
	if err != nil {
		return nil, err
	}
	return &MariaDBServer{s, "root@tcp(" + s.Address + ")/app"}, nil
}
