package hold_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// update carries out fn in a transaction of a store.
func update(t *testing.T, st store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := st.Update(fn); err != nil {
		t.Fatal(err)
	}
}

// A window forgets what was done before it, a part too late rather than too early, and
// counts back what was not done after all.
func TestWindow(t *testing.T) {
	st := store.NewMemory()
	const day = 24 * time.Hour
	do := func(after time.Duration, n int) {
		t.Helper()
		update(t, st, func(tx store.Tx) error {
			return hold.Do(tx, "AD", hold.Export, hold.Deletes, day, noon.Add(after), n)
		})
	}
	want := func(after time.Duration, n int) {
		t.Helper()
		update(t, st, func(tx store.Tx) error {
			got, err := hold.Done(tx, "AD", hold.Export, hold.Deletes, day, noon.Add(after))
			if got != n {
				t.Errorf("after %s: %d, want %d", after, got, n)
			}
			return err
		})
	}
	want(0, 0)
	do(0, 3)
	do(10*time.Minute, 4)
	want(11*time.Minute, 7)
	do(12*time.Hour, 5)
	do(12*time.Hour, -2)
	want(23*time.Hour, 10)
	want(24*time.Hour, 10)
	want(25*time.Hour, 3)
	want(35*time.Hour, 3)
	want(37*time.Hour, 0)
	do(25*time.Hour, 1)
	want(25*time.Hour, 4)
	update(t, st, func(tx store.Tx) error { return hold.Restart(tx, "AD", hold.Export, hold.Deletes) })
	want(25*time.Hour, 0)
}

// What is kept of one agent is not that of another, whatever their names.
func TestAgents(t *testing.T) {
	st := store.NewMemory()
	update(t, st, func(tx store.Tx) error {
		for _, agent := range []string{"A", "AD", "hold"} {
			h := &hold.Hold{Agent: agent, Step: hold.Sync, Of: hold.Import, Reasons: []hold.Reason{{Kind: hold.Adds, Count: 1}}}
			if err := hold.Put(tx, h); err != nil {
				return err
			}
			if err := hold.SetRejected(tx, h.Place(), []hold.Mark{{ID: identity.NewID(1, 2), Hash: 3}}); err != nil {
				return err
			}
			if err := hold.Raise(tx, hold.Raised{Agent: agent, Step: hold.Import, Kind: hold.Adds, Count: 5}); err != nil {
				return err
			}
		}
		return hold.Raise(tx, hold.Raised{Agent: "A", Step: hold.Import, Kind: hold.Adds, Count: 4}) // lower: it stays
	})
	update(t, st, func(tx store.Tx) error {
		all, err := hold.List(tx, "")
		if len(all) != 3 || err != nil {
			t.Errorf("all: %+v, %v", all, err)
		}
		one, err := hold.List(tx, "A")
		if len(one) != 1 || one[0].Agent != "A" || err != nil {
			t.Errorf("A: %+v, %v", one, err)
		}
		raised, err := hold.RaisedLimits(tx, "A")
		if len(raised) != 1 || raised[0].Count != 5 || err != nil {
			t.Errorf("raised: %+v, %v", raised, err)
		}
		marks, err := hold.Rejected(tx, one[0].Place())
		if diff := cmp.Diff([]hold.Mark{{ID: identity.NewID(1, 2), Hash: 3}}, marks); diff != "" || err != nil {
			t.Errorf("%s, %v", diff, err)
		}
		if err := hold.Forget(tx, "A"); err != nil {
			return err
		}
		if hold.Any(tx, "A") || !hold.Any(tx, "AD") {
			t.Error("it forgot another one")
		}
		return nil
	})
}

func TestText(t *testing.T) {
	for want, r := range map[string]hold.Reason{
		"312 deletions, more than 50":                                 {Kind: hold.Deletes, Count: 312, Limit: "50"},
		"1 deletion and 3 in the 24h before, more than 3":             {Kind: hold.Deletes, Count: 1, Limit: "3", Window: "24h", Before: 3},
		"40 additions of 300 objects, more than 10%":                  {Kind: hold.Adds, Count: 40, Of: 300, Limit: "10%"},
		"7 deletions, and nothing would be left":                      {Kind: hold.Deletes, Count: 7, Limit: hold.Everything},
		"1 member removal, more than 0":                               {Kind: hold.MemberRemovals, Count: 1, Limit: "0"},
		"2 renames of 9 objects and 1 in the 1h before, more than 5%": {Kind: hold.Renames, Count: 2, Of: 9, Limit: "5%", Window: "1h", Before: 1},
	} {
		if got := hold.Text([]hold.Reason{r}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
