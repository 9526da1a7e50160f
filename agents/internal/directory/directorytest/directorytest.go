// Package directorytest holds what the tests of all agents for directory servers say in
// the same words: what an import delivered ([Read]), what became of changes ([Put]), what
// a watch tells ([Listen]), and what somebody else does in the directory meanwhile
// ([Create], [Modify], [Attribute]). The servers, and what their entries are like, are
// those of the tests of each kind.
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// Main runs the tests of a package, stops what they have started, and ends the process. A
// goroutine that is left is a failure.
func Main(m *testing.M, stop func()) {
	code := m.Run()
	stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A Reading is what one import delivered.
type Reading struct {
	Lines     []string      // type, name and error of what is there, "gone" for deletions; sorted
	Entries   []agent.Entry // in the order of the import
	Watermark []byte        // nil if the import did not get to its end
}

// Read imports all there is, or what was there before the import ended with an error.
func Read(t testing.TB, a agent.Importer, req agent.ImportRequest) (Reading, error) {
	t.Helper()
	var out Reading
	m, err := a.OpenImport(t.Context(), req)
	if err != nil {
		return out, err
	}
	for {
		page := new(agent.Page) // entries are kept
		err := m.Next(t.Context(), page)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_, _ = m.Close(context.Background(), agent.Aborted)
			return out, err
		}
		for _, e := range page.Entries {
			line := "gone"
			if e.Op != identity.Delete {
				line = e.ObjectType + " " + e.DN
			}
			if e.Err != nil {
				line += " " + e.Err.Error()
			}
			out.Lines = append(out.Lines, line)
			out.Entries = append(out.Entries, e)
		}
	}
	slices.Sort(out.Lines)
	out.Watermark, err = m.Close(t.Context(), agent.Completed)
	return out, err
}

// Expect compares the lines with those that are wanted, in whatever order.
func (r Reading) Expect(t testing.TB, what string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(r.Lines, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, r.Lines, want)
	}
}

// Entry returns the entry of that name, which must be there.
func (r Reading) Entry(t testing.TB, dn string) agent.Entry {
	t.Helper()
	for _, e := range r.Entries {
		if e.DN == dn {
			return e
		}
	}
	t.Fatalf("%s is not in %q", dn, r.Lines)
	return agent.Entry{}
}

// Put exports changes, and returns what became of them: "" for success, else the name of
// the error and what was refused.
func Put(t testing.TB, a agent.Exporter, changes ...agent.Change) (names []string, results []agent.Result) {
	t.Helper()
	x, err := a.OpenExport(t.Context(), agent.ExportRequest{})
	Must(t, err)
	results, err = x.Put(t.Context(), changes)
	Must(t, err)
	Must(t, x.Close(t.Context(), agent.Completed))
	for _, r := range results {
		name := ""
		if r.Err != nil {
			name = r.Err.Name
		}
		names = append(names, strings.TrimSpace(name+" "+strings.Join(r.Refused, " ")))
	}
	return names, results
}

// ExpectNames compares what became of changes with what is wanted.
func ExpectNames(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// References returns the values of an attribute that refers to these names.
func References(list ...string) []identity.Value {
	out := make([]identity.Value, len(list))
	for i, dn := range list {
		out[i] = identity.Reference(dn)
	}
	return identity.Normalize(out)
}

// Listen watches until the end of the test, and returns what receives a value for each
// call of changed.
func Listen(t testing.TB, a agent.Watcher) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls, done := make(chan struct{}, 100), make(chan error)
	go func() { done <- a.Watch(ctx, func() { calls <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	})
	return calls
}

// Create adds an entry of a class, with pairs of an attribute and a value, and returns its
// name.
func Create(t testing.TB, conn *goldap.Conn, dn, class string, more ...string) string {
	t.Helper()
	r := goldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{class})
	for i := 0; i < len(more); i += 2 {
		r.Attribute(more[i], []string{more[i+1]})
	}
	if err := conn.Add(r); err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
	return dn
}

// Modify replaces all values of an attribute.
func Modify(t testing.TB, conn *goldap.Conn, dn, name string, values ...string) {
	t.Helper()
	r := goldap.NewModifyRequest(dn, nil)
	r.Replace(name, values)
	if err := conn.Modify(r); err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
}

// Attribute returns the values that the server holds of an attribute, sorted. The entry
// must be there.
func Attribute(t testing.TB, conn *goldap.Conn, dn, name string) []string {
	t.Helper()
	found, err := conn.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{name}, nil))
	Must(t, err)
	out := found.Entries[0].GetAttributeValues(name)
	slices.Sort(out)
	return out
}
