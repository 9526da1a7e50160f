package sqlconn

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is wrong with a DSN is told without it.
func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ driver, dsn, want string }{
		{"oracle", "hunter22", `there is no driver "oracle"; there are mysql, postgres, sqlite, sqlserver`},
		{Postgres, "postgres://app:hunter22@[db/payroll", "as one of postgres, such as postgres://user"},
		{Postgres, "postgres://app:hunter22@db:port/payroll", "it has another form"},
		{Postgres, "postgres://app:hunter22@db/payroll?default_query_exec_mode=simple_protocol", "several statements"},
		{MySQL, "app:hunter22@tcp(db/payroll", "as one of mysql, such as user"},
		{MySQL, "app:hunter22@tcp(db)/payroll?multiStatements=true", "several statements"},
		{MySQL, "app:hunter22@tcp(db)/payroll?allowAllFiles=true", "the files of this machine"},
		{MySQL, "app:hunter22@tcp(db)/payroll?tls=hunter22", "it has another form"},
		{SQLite, "", "it is empty"},
		{SQLite, ":memory:", "empty each time"},
		{SQLite, "file:x.db?mode=rwc", "it has parameters"},
		{SQLite, "x.db?_pragma=hunter22", "it has parameters"},
		{SQLServer, "sqlserver://app:hunter22@db:port?database=payroll", "as one of sqlserver"},
	} {
		_, err := Parse(test.driver, test.dsn, "")
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v, want %q", test.driver, err, test.want)
		}
	}
}

// SQL Server cannot be started here: what its connections are made of is looked at.
func TestSQLServer(t *testing.T) {
	const dsn = "sqlserver://sync:hunter22@db.corp.example:1444?database=payroll"
	parsed, err := msdsn.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for access, wantIntent := range map[Access]bool{ReadOnly: true, ReadWrite: false} {
		config := sqlServerConfig(parsed, access)
		if config.Host != "db.corp.example" || config.Port != 1444 || config.Database != "payroll" || config.User != "sync" ||
			config.AppName != "metasync" || config.ReadOnlyIntent != wantIntent || config.Encryption == msdsn.EncryptionDisabled {
			t.Errorf("%v: %+v", access, config)
		}
	}
	s, err := Parse(SQLServer, dsn, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.connect(ReadOnly).(*mssql.Connector); !ok {
		t.Errorf("%T", s.connect(ReadOnly))
	}
	err = s.Failed(t.Context(), errors.New("login failed for sync with hunter22"))
	if err.Error() != "login failed for sync with [redacted]" {
		t.Errorf("%v", err)
	}
}

func TestMySQL(t *testing.T) {
	for dsn, want := range map[string]string{
		"sync:hunter22@tcp(db)/payroll":                                     "tls=preferred time_zone='+00:00' parse=true",
		"sync:hunter22@tcp(db)/payroll?tls=skip-verify":                     "tls=skip-verify time_zone='+00:00' parse=true",
		"sync:hunter22@tcp(db)/payroll?tls=false&time_zone=%27SYSTEM%27":    "tls=false time_zone='SYSTEM' parse=true",
		"sync:hunter22@tcp(db)/payroll?loc=Europe%2FBerlin&parseTime=false": "tls=preferred time_zone= parse=true",
		"sync:hunter22@tcp(db)/payroll?loc=UTC&readTimeout=5s":              "tls=preferred time_zone='+00:00' parse=true",
	} {
		config, err := mysqlConfig(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := fmt.Sprintf("tls=%s time_zone=%s parse=%t", config.TLSConfig, config.Params["time_zone"], config.ParseTime); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
		if _, quiet := config.Logger.(*mysql.NopLogger); !quiet {
			t.Errorf("%s: it logs to %T", dsn, config.Logger)
		}
	}
}

// What drivers deliver that cannot be tried here, and what all of them do alike.
func TestValues(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 30, 0, 5e8, time.UTC)
	for _, test := range []struct {
		driver, databaseType string
		value, want          any
	}{
		{SQLServer, "DECIMAL", []byte("12.50"), "12.50"},
		{SQLServer, "MONEY", []byte("12.5000"), "12.5000"},
		{SQLServer, "VARBINARY", []byte{1, 2}, []byte{1, 2}},
		{SQLServer, "UNIQUEIDENTIFIER", []byte{0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, "01234567-89AB-CDEF-0123-456789ABCDEF"},
		{SQLServer, "TIME", at, "08:30:00.5"},
		{SQLServer, "DATETIME2", at, at},
		{MySQL, "DECIMAL", []byte("12.50"), "12.50"},
		{MySQL, "VARCHAR", []byte("Zoë"), "Zoë"},
		{MySQL, "LONGBLOB", []byte{0xff}, []byte{0xff}},
		{MySQL, "VARBINARY", []byte{0xff}, []byte{0xff}},
		{MySQL, "DATETIME", time.Time{}, nil},
		{MySQL, "FLOAT", float32(0.1), 0.1},
		{MySQL, "UNSIGNED BIGINT", uint64(7), int64(7)},
		{MySQL, "UNSIGNED BIGINT", uint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
		{Postgres, "JSONB", []byte(`{"a": 1}`), `{"a": 1}`},
		{Postgres, "BYTEA", []byte{0}, []byte{0}},
		{SQLite, "", nil, nil},
		{SQLite, "", int32(5), int64(5)},
	} {
		got := (&Source{driver: test.driver}).value(test.value, test.databaseType)
		if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s %s: %s", test.driver, test.databaseType, diff)
		}
	}
}

// file returns the source of an empty file.
func file(t *testing.T) *Source {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a b%41.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(SQLite, "a b%41.db", folder)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, s *Source, access Access) *sql.DB {
	t.Helper()
	db := s.Open(access)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// row returns the only row of a query, in a transaction that only reads.
func row(t testing.TB, s *Source, statement string, parameters ...any) ([]any, error) {
	t.Helper()
	db := open(t, s, ReadOnly)
	tx, err := s.Begin(t.Context(), db)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(t.Context(), statement, parameters...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	scanner, err := s.Scan(rows)
	if err != nil {
		return nil, err
	}
	if !rows.Next() {
		return nil, errors.Join(errors.New("no row"), rows.Err())
	}
	values, _, err := scanner.Row()
	return values, err
}

func exec(t testing.TB, s *Source, statements ...string) {
	t.Helper()
	db := open(t, s, ReadWrite)
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestSQLite(t *testing.T) {
	s := file(t)
	exec(t, s,
		`create table t (n integer, big integer, real real, text text, blob blob, at timestamp, day date, yes boolean, none text)`,
		`insert into t values (5, 9007199254740993, 0.1, 'Zoë', x'00ff', '2026-11-22 08:30:00.5+00:00', '2026-11-22', true, null)`)
	got, err := row(t, s, `select * from t where text = ?`, "Zoë")
	want := []any{
		int64(5), int64(9007199254740993), 0.1, "Zoë",
		[]byte{0, 0xff},
		time.Date(2026, 11, 22, 8, 30, 0, 5e8, time.UTC), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), int64(1), nil,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	// A time that is written is found again by comparing with it.
	db := open(t, s, ReadWrite)
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.FixedZone("", 3600))
	if _, err := db.ExecContext(t.Context(), `update t set at = ?`, at); err != nil {
		t.Fatal(err)
	}
	if got, err := row(t, s, `select count(*) as n from t where at = ?`, at.UTC()); err != nil || got[0] != int64(1) {
		t.Errorf("%v (%v)", got, err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	for statement, want := range map[string]string{
		`select 1 as a, 2 as a`:                               `two columns are called "a"`,
		`delete from t`:                                       "readonly database",
		`pragma query_only = 0; delete from t`:                "readonly database",
		`attach '` + other + `' as other`:                     "not authorized",
		`vacuum into '` + other + `'`:                         "",
		`select load_extension('x') as a`:                     "not authorized",
		`select * from nowhere`:                               "no such table: nowhere",
		`select n from t; attach '` + other + `' as o`:        "not authorized",
		`pragma journal_mode = delete; delete from t`:         "readonly database",
		`create temp table x as select 1; attach 'y.db' as y`: "not authorized",
	} {
		_, err := row(t, s, statement)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", statement, err, want)
		}
	}
	if _, err := db.ExecContext(t.Context(), `attach '`+other+`' as other`); err == nil {
		t.Error("another file can be attached")
	}
	if _, err := db.ExecContext(t.Context(), `vacuum into '`+other+`'`); err == nil {
		t.Error("another file can be written")
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("another file was written")
	}
}

// A file that is not there is not made.
func TestSQLiteFileIsMissing(t *testing.T) {
	folder := t.TempDir()
	s, err := Parse(SQLite, "none.db", folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, access := range []Access{ReadOnly, ReadWrite} {
		if err := open(t, s, access).PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "unable to open") {
			t.Errorf("%v: %v", access, err)
		}
	}
	if found, err := os.ReadDir(folder); err != nil || len(found) > 0 {
		t.Errorf("%v (%v)", found, err)
	}
}

func TestFailedTellsTheDeadline(t *testing.T) {
	s := file(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := open(t, s, ReadOnly).ExecContext(ctx, `with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n`)
	if err = s.Failed(ctx, err); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer in time") || time.Since(began) > time.Minute {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// A behind is a context whose deadline has passed, and that does not know it yet.
type behind struct{ context.Context }

func (behind) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

// The end of a context is told as such also if the socket has noticed it first.
func TestFailedTellsADeadlineThatTheSocketNoticed(t *testing.T) {
	if err := file(t).Failed(behind{t.Context()}, os.ErrDeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
