package sqlconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// fileDriver opens one file and no other: ATTACH, and VACUUM INTO which needs it,
// would reach files that nobody declared.
var fileDriver = func() *sqlite.Driver {
	d := &sqlite.Driver{}
	d.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
		guarded, ok := conn.(sqlite.AuthorizerRegisterer)
		if !ok {
			return errors.New("the driver cannot be kept to one file")
		}
		return guarded.RegisterAuthorizer(func(action sqlite.AuthorizerActionCode, _, _, _, _ string) sqlite.AuthorizerReturnCode {
			if action == sqlite.AuthAttach || action == sqlite.AuthDetach {
				return sqlite.AuthorizerDeny
			}
			return sqlite.AuthorizerOK
		})
	})
	return d
}()

// A fileConnector opens a file of SQLite.
type fileConnector struct{ name string }

// Connect implements [driver.Connector].
func (c fileConnector) Connect(context.Context) (driver.Conn, error) { return fileDriver.Open(c.name) }

// Driver implements [driver.Connector].
func (c fileConnector) Driver() driver.Driver { return fileDriver }

func parseSQLite(s *Source, dsn, base string) error {
	switch {
	case dsn == "":
		return errors.New("it is empty")
	case strings.Contains(dsn, ":memory:"):
		return errors.New("a database in memory would be empty each time")
	case strings.HasPrefix(dsn, "file:"), strings.ContainsAny(dsn, "?#\x00"):
		return errors.New("it has parameters")
	}
	file := filepath.FromSlash(dsn)
	if !filepath.IsAbs(file) {
		file = filepath.Join(base, file)
	}
	path := filepath.ToSlash(file)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/data
	}
	s.connect = func(access Access) driver.Connector {
		// No mode creates a file: a name that is misspelt is an error.
		parameters := url.Values{
			"mode": {"rw"}, "_busy_timeout": {"5000"}, "_time_format": {"sqlite"}, "_timezone": {"UTC"},
			"_defensive": {"1"}, "_error_rc": {"1"}, "_foreign_keys": {"1"},
		}
		if access == ReadOnly {
			parameters.Set("mode", "ro")
		}
		name := url.URL{Scheme: "file", Path: path, RawQuery: parameters.Encode()}
		return fileConnector{name.String()}
	}
	return nil
}
