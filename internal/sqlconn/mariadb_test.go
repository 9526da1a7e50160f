//go:build unix && mariadb

package sqlconn

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/internal/servers"
)

func TestMariaDB(t *testing.T) {
	server := servers.For(t, servers.MariaDB)
	s, err := Parse(MySQL, server.DSN, "")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, s,
		`create table t (n int, big bigint, huge bigint unsigned, num decimal(12, 4), real_ float, text_ varchar(20), long_ longtext, bin varbinary(9), blob_ blob,
		   at timestamp(3) null, local datetime, day date, clock time, yes boolean, choice enum('a', 'b'), doc json, none text)`,
		`set time_zone = '+01:00'`)
	db := open(t, s, ReadWrite)
	at := time.Date(2026, 11, 22, 8, 30, 0, 5e8, time.UTC)
	if _, err := db.ExecContext(t.Context(),
		`insert into t values (5, 9007199254740993, 18446744073709551615, 12.5, 0.1, 'Zoë', 'Zoë', x'00ff', x'00ff', ?, '2026-11-22 08:30:00', '2026-11-22', '08:30:00', true, 'b', '{"a": 1}', null)`, at); err != nil {
		t.Fatal(err)
	}
	huge, _ := new(big.Int).SetString("18446744073709551615", 10)
	want := []any{
		int64(5), int64(9007199254740993), huge, "12.5000", 0.1, "Zoë", "Zoë",
		[]byte{0, 0xff},
		[]byte{0, 0xff},
		at, time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "08:30:00", int64(1), "b", `{"a": 1}`, nil,
	}
	alike := cmp.Options{
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
	}
	// With parameters the driver speaks another protocol.
	for statement, parameters := range map[string][]any{`select * from t`: nil, `select * from t where n = ?`: {int64(5)}} {
		got, err := row(t, s, statement, parameters...)
		if diff := cmp.Diff(want, got, alike); diff != "" || err != nil {
			t.Errorf("%s: %v %s", statement, err, diff)
		}
	}
	for statement, want := range map[string]string{
		`delete from t`:                                     "READ ONLY transaction",
		`create table u (n int)`:                            "READ ONLY transaction",
		`select 1 as n; delete from t`:                      "error in your SQL syntax",
		`select * from nowhere`:                             "Table 'app.nowhere' doesn't exist",
		`load data local infile '/etc/passwd' into table t`: "",
	} {
		_, err := row(t, s, statement)
		if err = s.Failed(t.Context(), err); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", statement, err, want)
		}
	}
}
