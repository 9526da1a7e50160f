//go:build unix && postgres

package sqlconn

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/internal/servers"
)

func TestPostgres(t *testing.T) {
	server := servers.For(t, servers.Postgres)
	s, err := Parse(Postgres, strings.Replace(server.DSN, "app@", "app:hunter22@", 1), "")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, s,
		`create table t (n int, big bigint, num numeric(12, 4), real real, text text, blob bytea, at timestamptz, local timestamp,
		   day date, yes boolean, id uuid, doc jsonb, tags text[], none text)`,
		`insert into t values (5, 9007199254740993, 12.5000, 0.5, 'Zoë', '\x00ff', '2026-11-22T09:30:00.5+01:00', '2026-11-22 08:30',
		   '2026-11-22', true, '01234567-89ab-cdef-0123-456789abcdef', '{"a": 1}', '{x,y}', null)`)
	got, err := row(t, s, `select * from t where text = $1 and n = $2 and at < $3`, "Zoë", int64(5), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	want := []any{
		int64(5), int64(9007199254740993), "12.5000", 0.5, "Zoë",
		[]byte{0, 0xff},
		time.Date(2026, 11, 22, 8, 30, 0, 5e8, time.UTC), time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC),
		time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), true, "01234567-89ab-cdef-0123-456789abcdef", `{"a": 1}`, "{x,y}", nil,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for statement, want := range map[string]string{
		`delete from t`:                     "cannot execute DELETE in a read-only transaction (SQLSTATE 25006)",
		`commit; delete from t`:             "cannot insert multiple commands",
		`select * from nowhere`:             `relation "nowhere" does not exist (SQLSTATE 42P01)`,
		`select 1, 2`:                       `two columns are called "?column?"`,
		`insert into t (n) values (1)`:      "read-only transaction",
		`select n from t where n = $1::int`: "expected 1 arguments, got 0",
	} {
		_, err := row(t, s, statement)
		if err = s.Failed(t.Context(), err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", statement, err, want)
		}
	}
	if _, err := row(t, s, `select n from t`); err != nil {
		t.Errorf("the row is gone: %v", err)
	}
}

// A server that is gone, or refuses, is told without the password and the DSN.
func TestPostgresThatRefuses(t *testing.T) {
	server := servers.For(t, servers.Postgres)
	for dsn, want := range map[string]string{
		strings.Replace(server.DSN, "app@", "nobody:hunter22@", 1):                   `role "nobody" does not exist`,
		strings.Replace(server.DSN, "app@", "app:hunter22@", 1) + "x":                `database "postgresx" does not exist`,
		"postgres://app:hunter22@127.0.0.1:1/payroll?connect_timeout=2":              "connect: ",
		strings.Replace(server.DSN, "app@", "app:hunter22@", 1) + "?sslmode=require": "server refused TLS connection",
	} {
		s, err := Parse(Postgres, dsn, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = row(t, s, `select 1 as n`)
		if err = s.Failed(t.Context(), err); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
