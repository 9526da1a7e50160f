package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store/storetest"
)

// TestDeleteAddCrash kills the engine at every commit while new people get the names
// of others whose accounts are to be deleted. In the end everybody has an account of
// their own: nothing that somebody wrote on an old one is left, and nothing of an
// account that was to stay is lost. References are to the new accounts.
func TestDeleteAddCrash(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(exchangeKinds)) {
		for _, exportFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/export first %t", kind, exportFirst), func(t *testing.T) {
				n := 1
				for crashed := true; crashed; n++ {
					crashed = deleteAddCrash(t, kind, exportFirst, n)
				}
				if n < 6 {
					t.Fatalf("there are only %d commits: the test tests nothing", n)
				}
			})
		}
	}
}

func deleteAddCrash(t *testing.T, kind string, exportFirst bool, n int) (crashed bool) {
	k := exchangeKinds[kind]
	w := newWorld(t, fmt.Sprintf(exchange, k[0], k[1], k[2]))
	dn := func(name string) string {
		if kind == "ldap" && name != "" {
			return "CN=" + name + ",OU=x"
		}
		return name
	}
	names := []string{"a", "b", "c", "d"}
	for i, name := range names {
		w.edit("HR", fmt.Sprint(i), "employee", "name="+name)
	}
	w.change("HR", "0", "boss=1")
	w.change("HR", "3", "boss=2")
	w.once()
	for i, name := range names {
		w.change("Dir", dn(name), fmt.Sprintf("note=of %d", i))
	}
	w.once()
	w.drop("HR", "1")
	w.drop("HR", "2")
	w.edit("HR", "5", "employee", "name=b", "boss=6")
	w.edit("HR", "6", "employee", "name=c", "boss=0")
	w.change("HR", "0", "boss=5") // who has the name that the one before had
	w.change("HR", "3", "boss=5")
	w.run("HR", "full-import")
	record := w.run("HR", "delta-sync")
	if got := record.Steps[0].Outbound["Dir"]["provisioned-delete-add-flow"]; got != 2 {
		t.Fatalf("%d delete-adds are staged, want 2\n%s", got, showRecord(record))
	}
	if err := w.tryOpen(storetest.FailAfter(w.state, n)); err != nil {
		crashed = true
	} else {
		crashed = w.killed("Dir", "export")
	}
	w.open()
	w.check()
	if exportFirst {
		w.run("Dir", "export")
	}
	records, summary := w.once()
	if summary.Failed || summary.Errors {
		for _, r := range records {
			t.Log(showRecord(r))
		}
		t.Fatalf("after a crash at commit %d: %+v\n%s", n, summary, w)
	}
	w.check()
	w.staffed(t, dn)
	for _, o := range w.systems["Dir"].Objects() {
		want := ""
		if number := o.Attributes.First("number").Text(); number < "5" {
			want = "of " + number
		}
		if got := o.Attributes.First("note").Text(); got != want {
			t.Fatalf("after a crash at commit %d: the account of %s says %q, want %q\n%s", n, o.Attributes.First("number"), got, want, w)
		}
	}
	return crashed
}

// TestDeleteAddThreshold: for the threshold of an export a delete-add is a deletion.
func TestDeleteAddThreshold(t *testing.T) {
	for _, kind := range []string{"own", "own, replacing"} {
		t.Run(kind, func(t *testing.T) {
			k := exchangeKinds[kind]
			configuration := fmt.Sprintf(exchange, k[0], k[1], k[2])
			w := newWorld(t, strings.Replace(configuration, "    deprovision: delete\n", "    deprovision: delete\n    thresholds: {export: {deletes: 1}}\n", 1))
			for i, name := range []string{"a", "b", "c"} {
				w.edit("HR", fmt.Sprint(i), "employee", "name="+name)
			}
			w.once()
			w.drop("HR", "1")
			w.drop("HR", "2")
			w.edit("HR", "5", "employee", "name=b")
			w.edit("HR", "6", "employee", "name=c")
			w.run("HR", "full-import")
			record := w.run("HR", "delta-sync")
			if got := record.Steps[0].Outbound["Dir"]["provisioned-delete-add-flow"]; got != 2 {
				t.Fatalf("%d delete-adds are staged, want 2\n%s", got, showRecord(record))
			}
			before := w.changes()
			if record := w.run("Dir", "export"); record.Result != run.StoppedExportThreshold || w.changes() != before {
				t.Fatalf("%d changes were made\n%s", w.changes()-before, showRecord(record))
			}
		})
	}
}
