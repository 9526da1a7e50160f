//go:build unix && slapd

package ldap

import (
	"testing"
	"time"

	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/fault"
)

func hears(t *testing.T, calls <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-calls:
	case <-time.After(3 * time.Minute):
		t.Fatalf("nothing was heard %s", what)
	}
}

func silent(t *testing.T, calls <-chan struct{}) {
	t.Helper()
	select {
	case <-calls:
		t.Error("something was heard, and nothing has happened")
	case <-time.After(300 * time.Millisecond):
	}
}

// Whoever listens hears of changes at once, also after the server was away; what
// happened while it was is made up for by a call.
func TestWatch(t *testing.T) {
	slapd := useSlapd(t)
	base, admin := place(t), administrator(t)
	calls := directorytest.Listen(t, open(t, settings(base), person))
	hears(t, calls, "at the beginning")
	silent(t, calls)
	someone(t, admin, "ada", base)
	hears(t, calls, "of a new entry")
	someone(t, admin, "elsewhere", target.Suffix)
	silent(t, calls)
	must(t, slapd.Restart())
	hears(t, calls, "after the server came back")
	silent(t, calls)
	someone(t, administrator(t), "grace", base)
	hears(t, calls, "over the second connection")
}

func TestWatchThatCannotHear(t *testing.T) {
	useSlapd(t)
	s := settings(place(t))
	s.Changes = "timestamp"
	err := open(t, s, person).Watch(t.Context(), func() {})
	if fault.Name(err) != "no-start-change-log-not-enabled" {
		t.Errorf("%v", err)
	}
}
