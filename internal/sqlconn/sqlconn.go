// Package sqlconn opens the databases that an administrator declares, and makes what
// their drivers deliver alike.
//
//	source, err := sqlconn.Parse("postgres", dsn, folder)
//	db := source.Open(sqlconn.ReadOnly)
//
// The text that says where a database is, its DSN, may hold a password: it stands in
// no error, see [Source.Failed].
package sqlconn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

// The names of drivers.
const (
	Postgres  = "postgres"
	MySQL     = "mysql"
	SQLite    = "sqlite"
	SQLServer = "sqlserver"
)

// drivers reads the DSN of each kind of database.
var drivers = map[string]struct {
	form  string // of a DSN, for messages
	parse func(s *Source, dsn, base string) error
}{
	Postgres:  {"postgres://user:password@host:5432/database", parsePostgres},
	MySQL:     {"user:password@tcp(host:3306)/database", parseMySQL},
	SQLite:    {"the path of a file", parseSQLite},
	SQLServer: {"sqlserver://user:password@host:1433?database=name", parseSQLServer},
}

// Drivers returns the names of drivers, sorted.
func Drivers() []string { return slices.Sorted(maps.Keys(drivers)) }

// An Access is what a connection may be used for.
type Access bool

// The kinds of access.
const (
	ReadOnly  Access = false
	ReadWrite Access = true
)

// A Source is a database that was declared. It may be used by many goroutines.
type Source struct {
	driver  string
	dsn     string
	secrets []string // the DSN, and the password in it
	connect func(Access) driver.Connector
}

// ErrDSN is wrapped by the error about a DSN that cannot be read.
var ErrDSN = errors.New("the dsn cannot be read")

// Parse reads a DSN. It connects to nothing; paths are relative to base. The error
// does not show the DSN.
func Parse(name, dsn, base string) (*Source, error) {
	kind, ok := drivers[name]
	if !ok {
		return nil, fmt.Errorf("there is no driver %q; there are %s", name, strings.Join(Drivers(), ", "))
	}
	s := &Source{driver: name, dsn: dsn}
	if name != SQLite {
		s.secrets = append(s.secrets, dsn)
	}
	if err := kind.parse(s, dsn, base); err != nil {
		return nil, fmt.Errorf("%w as one of %s, such as %s: %w", ErrDSN, name, kind.form, err)
	}
	return s, nil
}

// errMalformed stands for the errors of the drivers' own readers, which may show
// parts of the DSN.
var errMalformed = errors.New("it has another form")

func (s *Source) hide(password string) {
	if password != "" {
		s.secrets = append(s.secrets, password)
	}
}

func parsePostgres(s *Source, dsn, _ string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return errMalformed
	}
	if config.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return errors.New("default_query_exec_mode=simple_protocol lets one text hold several statements; use exec")
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "metasync"
	}
	s.hide(config.Password)
	s.connect = func(Access) driver.Connector { return stdlib.GetConnector(*config) }
	return nil
}

func parseMySQL(s *Source, dsn, _ string) error {
	config, err := mysqlConfig(dsn)
	if err != nil {
		return err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return errMalformed
	}
	s.hide(config.Passwd)
	s.connect = func(access Access) driver.Connector {
		if access == ReadOnly {
			return readOnlySession{connector}
		}
		return connector
	}
	return nil
}

// A readOnlySession makes every transaction of its connections read-only. One that is
// begun as such is not enough: a CREATE TABLE ends it and goes on without.
type readOnlySession struct{ driver.Connector }

// Connect implements [driver.Connector].
func (c readOnlySession) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(errors.New("the driver cannot be kept from writing"), conn.Close())
	}
	if _, err := execer.ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func mysqlConfig(dsn string) (*mysql.Config, error) {
	config, err := mysql.ParseDSN(dsn)
	switch {
	case err != nil:
		return nil, errMalformed
	case config.MultiStatements:
		return nil, errors.New("multiStatements lets one text hold several statements")
	case config.AllowAllFiles:
		return nil, errors.New("allowAllFiles lets a statement read the files of this machine")
	}
	config.ParseTime = true
	config.Logger = &mysql.NopLogger{} // the other writes to standard error; what goes wrong is returned
	if config.TLSConfig == "" {
		config.TLSConfig = "preferred"
	}
	// TIMESTAMP is an instant, which the server shows in the zone of the session.
	if _, ok := config.Params["time_zone"]; !ok && config.Loc == time.UTC {
		if config.Params == nil {
			config.Params = map[string]string{}
		}
		config.Params["time_zone"] = "'+00:00'"
	}
	return config, nil
}

func parseSQLServer(s *Source, dsn, _ string) error {
	config, err := msdsn.Parse(dsn)
	if err != nil {
		return errMalformed
	}
	s.hide(config.Password)
	s.connect = func(access Access) driver.Connector {
		return mssql.NewConnectorConfig(sqlServerConfig(config, access))
	}
	return nil
}

// sqlServerConfig says who asks, and whether a copy that is only read would do.
func sqlServerConfig(config msdsn.Config, access Access) msdsn.Config {
	if config.AppName == "" || config.AppName == "go-mssqldb" {
		config.AppName = "metasync"
	}
	config.ReadOnlyIntent = config.ReadOnlyIntent || access == ReadOnly
	return config
}

// Bounds of what is kept open.
const (
	maxOpen     = 4
	maxIdle     = 2
	maxIdleTime = time.Minute
	maxLifetime = 30 * time.Minute
)

// Open returns a pool, which connects when it is first used. Whoever opens it closes
// it.
func (s *Source) Open(access Access) *sql.DB {
	db := sql.OpenDB(s.connect(access))
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return db
}

// Begin begins a transaction in which the server refuses to write. SQL Server knows
// none: there it is an ordinary one. Roll it back.
func (s *Source) Begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	return db.BeginTx(ctx, &sql.TxOptions{ReadOnly: s.driver != SQLServer})
}

// Failed describes what went wrong: the text of the server, without what is secret.
// If the context has ended, that is the error.
func (s *Source) Failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if end := endOf(ctx); end != nil {
		return fmt.Errorf("no answer in time: %w", end)
	}
	text := err.Error()
	var server *pgconn.PgError
	var connection *pgconn.ConnectError
	switch {
	case errors.As(err, &server):
		text = server.Error()
		if server.Detail != "" {
			text += ": " + server.Detail
		}
		if server.Hint != "" {
			text += "; " + server.Hint
		}
	case errors.As(err, &connection):
		text = "connect: " + connection.Unwrap().Error()
	}
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return errors.New(text)
}

// endOf returns why ctx has ended, nil if it has not. The time of a deadline counts: a socket
// has a clock of its own for it, which may be ahead of that of the context.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at, limited := ctx.Deadline(); limited && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return nil
}
