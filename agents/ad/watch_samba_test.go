//go:build unix && samba

package ad

import (
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory/directorytest"
	"github.com/metasync/metasync/engine/fault"
)

// Whoever listens hears of changes, also of deletions and moves, and after the server was
// away; of logons, and of what is elsewhere, nothing is heard.
func TestWatch(t *testing.T) {
	base, elsewhere, admin := place(t), place(t), administrator(t)
	ada := create(t, admin, "CN=ada,"+base, "user", "sAMAccountName", "ada-watch")
	calls := directorytest.Listen(t, open(t, settings(t, base), user))
	hears := func(what string) {
		t.Helper()
		select {
		case <-calls:
		case <-time.After(3 * time.Minute):
			t.Fatalf("nothing was heard %s", what)
		}
		for settled := false; !settled; {
			select {
			case <-calls:
			case <-time.After(100 * time.Millisecond):
				settled = true
			}
		}
	}
	hears("at the beginning")
	modify(t, admin, ada, "title", "Dr")
	hears("of a change")

	// Of all these only the last is news; the server tells them together.
	modify(t, admin, ada, "lastLogonTimestamp", "134398397142890150")
	bob := create(t, admin, "CN=bob,"+elsewhere, "user", "sAMAccountName", "bob-watch")
	modify(t, admin, bob, "title", "Dr")
	select {
	case <-calls:
		// A new object may have come from the base, which is asked; nothing else is.
		hearsNothing(t, calls)
	case <-time.After(7 * time.Second):
	}
	modify(t, admin, ada, "logonCount", "7")
	hearsNothing(t, calls)

	must(t, admin.ModifyDN(goldap.NewModifyDNRequest(bob, "CN=bob", true, base)))
	hears("of a move into the base")
	must(t, admin.Del(goldap.NewDelRequest(ada, nil)))
	hears("of a deletion")
	must(t, samba(t).Restart())
	hears("after the server came back")
	modify(t, administrator(t), "CN=bob,"+base, "title", "Prof")
	hears("over the second connection")
}

// hearsNothing waits as long as the server takes to tell, and longer.
func hearsNothing(t *testing.T, calls <-chan struct{}) {
	t.Helper()
	select {
	case <-calls:
		t.Error("something was heard, and nothing has happened that matters")
	case <-time.After(7 * time.Second):
	}
}

func TestWatchThatDoesNotHear(t *testing.T) {
	s := settings(t, place(t))
	s.Changes = byNone
	if err := open(t, s, user).Watch(t.Context(), func() {}); fault.Name(err) != "no-start-change-log-not-enabled" {
		t.Errorf("%v", err)
	}
}
