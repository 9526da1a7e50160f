package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

type functionsCmd struct {
	Name     string `arg:"" optional:"" help:"Describe this function instead of listing all."`
	Dialect  string `enum:"fim,entra,all" default:"all" help:"Only those of one dialect: fim or entra."`
	Markdown bool   `help:"Print the reference page of all functions."`
}

// A functionRow is a function as --json shows it.
type functionRow struct {
	Name      string         `json:"name"`
	Signature string         `json:"signature"`
	Dialects  []expr.Dialect `json:"dialects"`
	Doc       string         `json:"doc"`
	Source    string         `json:"source"`
}

func (c *functionsCmd) Run(a *app) error {
	if c.Markdown {
		_, err := a.stdout.Write(expr.Reference())
		return err
	}
	rows, names := []functionRow{}, []string{}
	for _, f := range expr.Functions() {
		names = append(names, f.Name)
		switch {
		case c.Name != "" && !strings.EqualFold(c.Name, f.Name):
		case c.Dialect != "all" && !slices.Contains(f.Dialects, expr.Dialect(c.Dialect)):
		default:
			rows = append(rows, functionRow{f.Name, f.Signature, f.Dialects, f.Doc, f.Source})
		}
	}
	switch {
	case c.Name != "" && len(rows) == 0:
		err := fault.New("unknown-function", "there is no function %q", c.Name)
		if suggestion := fault.Suggest(c.Name, names); suggestion != "" {
			err.Hint = fmt.Sprintf("did you mean %s?", suggestion)
		}
		return err
	case a.JSON:
		return a.printJSON(rows)
	case c.Name != "":
		for i, row := range rows {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprintf(a.stdout, "%s\n  %s\n  dialect %s; %s\n", row.Signature, row.Doc, dialectNames(row.Dialects), row.Source)
		}
		return nil
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.Name, dialectNames(row.Dialects), row.Signature)
	}
	return table.Flush()
}

func dialectNames(dialects []expr.Dialect) string {
	names := make([]string, len(dialects))
	for i, d := range dialects {
		names[i] = string(d)
	}
	return strings.Join(names, ", ")
}
