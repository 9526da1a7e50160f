package database

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/internal/sqlconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a database, and what watches it reports.
type world struct {
	t       *testing.T
	source  *sqlconn.Source
	reports chan report
}

type report struct {
	mark     string
	happened bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	w := &world{t: t, reports: make(chan report, 10)}
	var err error
	if w.source, err = sqlconn.Parse(sqlconn.SQLite, path, ""); err != nil {
		t.Fatal(err)
	}
	create(t, path)
	w.exec("create table t (id integer primary key, name text)", "insert into t values (1, 'ada')")
	return w
}

func (w *world) exec(statements ...string) {
	w.t.Helper()
	db := w.source.Open(sqlconn.ReadWrite)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(w.t.Context(), s); err != nil {
			w.t.Fatalf("%s: %v", s, err)
		}
	}
}

// watch watches until stop is called, which returns the error.
func (w *world) watch(query string, since []byte, skip bool) (stop func() error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	watch := autosync.SQLWatch{Connection: "x", Query: query, Every: 20 * time.Millisecond}
	go func() {
		ended <- Watch(w.source, watch).Watch(ctx, since, skip, func(mark []byte, happened bool) {
			select {
			case w.reports <- report{string(mark), happened}:
			case <-ctx.Done():
			}
		})
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

// next returns the next report that something has happened, or with quiet that all is
// well.
func (w *world) next(happened bool) report {
	w.t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case r := <-w.reports:
			if r.happened == happened {
				return r
			}
		case <-deadline:
			w.t.Fatal("nothing was reported")
		}
	}
}

const all = "select id, name from t order by id"

func TestQuery(t *testing.T) {
	w := newWorld(t)
	stop := w.watch(all, nil, false)
	first := w.next(true)
	w.next(false)
	w.exec("insert into t values (2, 'grace')")
	second := w.next(true)
	if first.mark == second.mark {
		t.Error("another answer has the same mark")
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: %v", err)
	}

	// After a restart: nothing is told twice, and nothing is missed.
	w.reports = make(chan report, 10)
	stop = w.watch(all, []byte(second.mark), false)
	w.next(false)
	_ = stop()
	w.exec("update t set name = 'Ada' where id = 1")
	w.reports = make(chan report, 10)
	stop = w.watch(all, []byte(second.mark), false)
	w.next(true)
	_ = stop()

	// What happened before does not count.
	w.reports = make(chan report, 10)
	stop = w.watch(all, []byte(first.mark), true)
	w.next(false)
	w.exec("delete from t where id = 2")
	w.next(true)
	_ = stop()
}

func TestQueryFails(t *testing.T) {
	for query, want := range map[string]string{
		"select * from nowhere": "no such table",
		"select 1, 1":           "two columns",
		"delete from t":         "readonly",
		"with recursive n(i) as (select 1 union all select i + 1 from n limit 20000) select i from n": "too large",
	} {
		w := newWorld(t)
		ended := make(chan error, 1)
		watch := Watch(w.source, autosync.SQLWatch{Connection: "x", Query: query})
		go func() {
			ended <- watch.Watch(t.Context(), nil, false, func([]byte, bool) { t.Errorf("%s: reported", query) })
		}()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	w := newWorld(t)
	if err := Watch(w.source, autosync.SQLWatch{Listen: "x"}).Watch(t.Context(), nil, false, nil); !errors.Is(err, sqlconn.ErrCannotListen) {
		t.Errorf("listening to a file: %v", err)
	}
}

// create makes an empty file, for a database that does not exist is an error.
func create(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
