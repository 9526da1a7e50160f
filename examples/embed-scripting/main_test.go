package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/metasync/metasync/scripting/host"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock"))
}

// The files for editors in the folder are those of the table.
func TestTypes(t *testing.T) {
	folder := t.TempDir()
	written, err := host.WriteTypes(folder, "shop.d.ts", api.DTS())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range written {
		want, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join("scripts", name)); string(got) != string(want) {
			t.Errorf("scripts/%s, %v, is not\n%s", name, err, want)
		}
	}
}

// The documentation promises that it takes fewer than 50 lines.
func TestIsShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if lines := strings.Count(string(text), "\n"); err != nil || lines >= 50 {
		t.Errorf("main.go has %d lines, %v", lines, err)
	}
}

// A shop at work, by what goes in and comes out.
type shop struct {
	t      *testing.T
	folder string
	orders io.WriteCloser
	lines  *bufio.Scanner
	ended  chan error
}

func open(t *testing.T, folder string) *shop {
	t.Helper()
	orders, in := io.Pipe()
	read, out := io.Pipe()
	s := &shop{t: t, folder: folder, orders: in, lines: bufio.NewScanner(read), ended: make(chan error, 1)}
	go func() {
		err := run(t.Context(), folder, orders, out)
		out.Close()
		s.ended <- err
	}()
	return s
}

// expect fails unless the next line of the shop contains the texts.
func (s *shop) expect(texts ...string) {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("no line, want %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(s.lines.Text(), text) {
			s.t.Errorf("got %q, want %q", s.lines.Text(), text)
		}
	}
}

func (s *shop) order(line, want string) {
	s.t.Helper()
	if _, err := io.WriteString(s.orders, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
	s.expect(want)
}

// change replaces a text in a script.
func (s *shop) change(script, old, now string) {
	s.t.Helper()
	path := filepath.Join(s.folder, script)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		s.t.Fatalf("%s has no %q: %v", script, old, err)
	}
	aside := filepath.Join(s.folder, ".changed") // the shop is watching, and shall see no half of it
	if err := os.WriteFile(aside, []byte(strings.Replace(string(text), old, now, 1)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) close() {
	s.t.Helper()
	s.orders.Close()
	if err := <-s.ended; err != io.EOF {
		s.t.Error(err)
	}
}

func TestShop(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scripts")
	if err := os.CopyFS(folder, os.DirFS("scripts")); err != nil {
		t.Fatal(err)
	}
	s := open(t, folder)
	s.expect("generation 1 is in force; refused: <nil>")
	s.order("Ada tea 3", "[ Ada pays 12.00] <nil>")
	s.order("Ben cake 10", "[Thank you! Ben pays 31.50] <nil>")
	s.order("Eve milk 1", "bills.ts:6:37: extension-dll-exception: Error: there is no milk")

	s.change("bills.ts", "pays", "owes")
	s.expect("generation 2 is in force; refused: <nil>")
	s.order("Ada tea 3", "Ada owes 12.00")

	s.change("discounts.js", "? 0.1", "? 0.2") // the test in bills.ts fails
	s.expect("generation 2 is in force; refused: ", "bills.ts:13:4: script-test-failed", "got 32, want 36")
	s.order("Ben cake 10", "Ben owes 31.50")
	s.change("discounts.js", "? 0.2", "? (")
	s.expect("generation 2 is in force; refused: ", "discounts.js:2:", "script-syntax-error")
	s.order("Ben cake 10", "Ben owes 31.50")
	s.close()

	s = open(t, folder) // over the broken folder
	s.expect("generation 1 is in force; refused: ", "discounts.js:2:", "script-syntax-error")
	s.order("Ada tea 3", "Ada owes 12.00")
	s.change("discounts.js", "? (", "? 0.1")
	s.expect("in force; refused: <nil>")
	s.close()
}
