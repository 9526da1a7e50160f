package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
)

type reportCmd struct {
	Exports reportExportsCmd `cmd:"" help:"What the next exports would change, attribute by attribute."`
}

type reportExportsCmd struct {
	Agent string `arg:"" optional:"" help:"The agent (default: all)."`
	CSV   bool   `name:"csv" help:"Print comma-separated values with a header."`
}

func (*reportExportsCmd) Help() string {
	return "Values of attributes that cannot be read back, such as passwords, are shown as (hidden). " +
		"Nothing is exported."
}

func (c *reportExportsCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		out := bufio.NewWriter(a.stdout)
		var report exportReport = &textReport{w: out}
		switch {
		case a.JSON:
			report = &jsonReport{w: out}
		case c.CSV:
			report = &csvReport{w: csv.NewWriter(out)}
		}
		if err := service.PendingExports(a.ctx, c.Agent, report.row); err != nil {
			return err
		}
		return errors.Join(report.end(), out.Flush())
	})
}

// An exportReport prints rows as they come.
type exportReport interface {
	row(r engine.ExportRow) error
	end() error
}

const hidden = "(hidden)"

// sides returns the old and the new values of a row as people read them.
func sides(r engine.ExportRow) (before, after string) {
	if r.Hidden {
		return "", hidden
	}
	return valuesText(r.Old), valuesText(r.New)
}

// A csvReport prints comma-separated values (RFC 4180).
type csvReport struct {
	w     *csv.Writer
	begun bool
}

func (c *csvReport) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	return c.w.Write([]string{
		"agent", "object type", "id", "dn", "object operation", "attribute", "attribute operation", "value operation", "old value", "new value",
	})
}

func (c *csvReport) row(r engine.ExportRow) error {
	if err := c.begin(); err != nil {
		return err
	}
	for _, v := range valueRows(r) {
		if err := c.w.Write([]string{
			r.Agent, r.Object, r.ID.String(), r.DN, r.Operation, r.Attribute, r.AttributeOperation, v.operation, v.before, v.after,
		}); err != nil {
			return err
		}
	}
	return nil
}

// A valueRow is what happens to one value of an attribute.
type valueRow struct{ operation, before, after string }

// valueRows takes a row apart: a value to a line, so that no separator is taken for
// part of one. A single value that gives way to another is replaced; of several, some
// are deleted and some added, and those that stay are not listed.
func valueRows(r engine.ExportRow) []valueRow {
	switch {
	case r.Attribute == "":
		return []valueRow{{}}
	case r.Hidden:
		return []valueRow{{"", "", hidden}}
	case len(r.Old) == 1 && len(r.New) == 1:
		return []valueRow{{"replace", fmt.Sprint(r.Old[0]), fmt.Sprint(r.New[0])}}
	}
	var rows []valueRow
	for _, v := range r.Old {
		if !slices.Contains(r.New, v) {
			rows = append(rows, valueRow{"delete", fmt.Sprint(v), ""})
		}
	}
	for _, v := range r.New {
		if !slices.Contains(r.Old, v) {
			rows = append(rows, valueRow{"add", "", fmt.Sprint(v)})
		}
	}
	if len(rows) == 0 {
		return []valueRow{{}}
	}
	return rows
}

func (c *csvReport) end() error {
	if err := c.begin(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// A jsonReport prints one JSON array.
type jsonReport struct {
	w io.Writer
	n int
}

func (j *jsonReport) row(r engine.ExportRow) error {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return err
	}
	before := ",\n  "
	if j.n == 0 {
		before = "[\n  "
	}
	j.n++
	_, err := io.WriteString(j.w, before+strings.TrimSuffix(text.String(), "\n"))
	return err
}

func (j *jsonReport) end() error {
	end := "\n]\n"
	if j.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}

// A textReport prints objects with what happens to them, for people.
type textReport struct {
	w    io.Writer
	last engine.ExportRow
	n    int
}

func (t *textReport) row(r engine.ExportRow) error {
	if t.n == 0 || r.ID != t.last.ID {
		t.n++
		if _, err := fmt.Fprintf(t.w, "%s %s %s: %s\n", r.Agent, r.Object, oneLine(r.DN), r.Operation); err != nil {
			return err
		}
	}
	t.last = r
	if r.Attribute == "" {
		return nil
	}
	before, after := sides(r)
	change := after
	switch {
	case before != "" && after == "":
		change = before
	case before != "":
		change = before + " -> " + after
	}
	_, err := fmt.Fprintf(t.w, "  %s: %s %s\n", r.Attribute, r.AttributeOperation, oneLine(change))
	return err
}

func (t *textReport) end() error {
	text := "nothing is pending\n"
	if t.n > 0 {
		text = fmt.Sprintf("%s would be exported\n", number(t.n, "change"))
	}
	_, err := io.WriteString(t.w, text)
	return err
}
