package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

// printJSON prints the one JSON document of a command.
func (a *app) printJSON(document any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// A table aligns columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) table { return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row adds a row. Tabs and line ends in cells become blanks.
func (t table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = oneLine(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

// end prints the table.
func (t table) end() error { return t.w.Flush() }

// oneLine makes a text safe to print within a line: control characters, which
// may come from connected systems, become blanks.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// stamp is a time as people read it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// took is the time between two moments as people read it.
func took(from, to time.Time) string {
	if to.IsZero() {
		return "-"
	}
	d := to.Sub(from)
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// counters lists what was counted, sorted by name, without the zeros.
func counters[K ~string](counts map[K]int) string {
	var parts []string
	for name, n := range counts {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", string(name), n))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// printError prints what went wrong: mistakes in files one by one with their
// place, anything else in a line, each with its hint.
func (a *app) printError(err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.stderr, "metasync: interrupted")
		return
	}
	list := fault.All(err)
	if len(list) > 1 || len(list) == 1 && !list[0].Position.IsZero() {
		for _, e := range list {
			a.printProblem(e)
		}
		return
	}
	fmt.Fprintf(a.stderr, "metasync: %s\n", err)
	for _, e := range list {
		a.printHint(e)
	}
}

// printProblem prints one mistake as file:line:column: message.
func (a *app) printProblem(e *fault.Error) {
	shown := *e
	shown.Name, shown.Position.File = "", a.place(e.Position.File)
	fmt.Fprintln(a.stderr, cmp.Or(shown.Error(), e.Name))
	a.printHint(e)
}

func (a *app) printHint(e *fault.Error) {
	if e.Hint != "" {
		fmt.Fprintf(a.stderr, "  hint: %s\n", strings.ReplaceAll(e.Hint, "\n", "\n        "))
	}
}

// place returns the path of a file in an error as people find it: from the
// working directory if that is shorter. A relative one is relative to the
// configuration.
func (a *app) place(file string) string {
	if file == "" {
		return ""
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(absolute(a.Config)), file)
	}
	return nearest(file)
}

// nearest returns a path relative to the working directory if that is shorter.
func nearest(path string) string {
	if relative, err := filepath.Rel(absolute("."), path); err == nil && len(relative) < len(path) {
		return relative
	}
	return path
}

// absolute returns an absolute path; without a working directory, the path as it
// is.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
