package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/expr/cases"
)

type evalCmd struct {
	Expr    string `arg:"" optional:"" help:"The expression, with or without = in front."`
	Input   string `placeholder:"JSON" default:"{}" help:"The attributes as a JSON object; keys such as $$name or %name% are parameters."`
	Dialect string `enum:"fim,entra" default:"fim" help:"The dialect: fim or entra."`
	Cases   string `placeholder:"FILE" help:"Evaluate the cases of a JSON file instead, and say which do not give what they should."`
}

func (*evalCmd) Help() string {
	return `Values are JSON; {"$bin": "00ff"} is binary, {"$dt": "2026-01-05T02:00:00Z"} a date and time, {"$ref": "CN=..."} a reference. ` +
		"Functions of the scripts can be used if there is a configuration. " +
		`A file of cases is a JSON array of {"id", "dialect", "expr", "inputs", "expected"}, see docs/expressions.md.`
}

func (c *evalCmd) Run(a *app) error {
	switch {
	case (c.Expr == "") == (c.Cases == ""):
		a.printError(errors.New("eval takes either an expression or --cases FILE"))
		return exitUsage
	case c.Cases != "":
		return c.runCases(a)
	}
	value, err := c.evaluate(a)
	switch {
	case err != nil && a.JSON:
		if err := a.printJSON(map[string]string{"$error": err.Error()}); err != nil {
			return err
		}
		return exitFailed
	case err != nil:
		return err
	case a.JSON:
		return a.printJSON(value.JSON())
	}
	return printValue(a.stdout, value)
}

func (c *evalCmd) evaluate(a *app) (expr.Value, error) {
	in, err := cases.ParseInput(c.Input)
	if err != nil {
		return expr.Value{}, fmt.Errorf("--input: %w", err)
	}
	source := strings.TrimPrefix(strings.TrimSpace(c.Expr), "=")
	options := expr.Options{Dialect: expr.Dialect(c.Dialect), Attribute: in.Attribute}
	_, err = expr.Compile(source, options)
	if err != nil && fileExists(a.Config) {
		// Perhaps it uses a function of a script.
		functions, release, scriptErr := daemon.Functions(a.ctx, a.daemon())
		if scriptErr != nil {
			return expr.Value{}, errors.Join(err, scriptErr)
		}
		defer release()
		options.Functions = functions
	}
	return cases.Evaluate(a.ctx, source, options, in)
}

// A failedCase is a case that did not give what it should.
type failedCase struct {
	ID    any    `json:"id"`
	Expr  string `json:"expr"`
	Error string `json:"error"`
}

func (c *evalCmd) runCases(a *app) error {
	file, err := os.Open(c.Cases)
	if err != nil {
		return err
	}
	defer file.Close()
	list, err := cases.Read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Cases, err)
	}
	var options expr.Options
	if fileExists(a.Config) {
		functions, release, err := daemon.Functions(a.ctx, a.daemon())
		if err != nil {
			return err
		}
		defer release()
		options.Functions = functions
	}
	failed := []failedCase{}
	for _, one := range list {
		if err := one.Run(a.ctx, options); err != nil {
			failed = append(failed, failedCase{one.ID, one.Expr, err.Error()})
			if !a.JSON {
				fmt.Fprintf(a.stdout, "%s: %s\n", one, err)
			}
		}
	}
	if a.JSON {
		err = a.printJSON(map[string]any{"passed": len(list) - len(failed), "failed": len(failed), "failures": failed})
	} else {
		_, err = fmt.Fprintf(a.stdout, "%d passed, %d failed\n", len(list)-len(failed), len(failed))
	}
	if err == nil && len(failed) > 0 {
		err = exitFailed
	}
	return err
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// printValue prints a value as people read it, several values one to a line.
func printValue(w io.Writer, v expr.Value) error {
	var err error
	switch {
	case v.IsNull():
		_, err = fmt.Fprintln(w, "null")
	case v.Literal() != expr.NoLiteral:
		_, err = fmt.Fprintln(w, v.Literal())
	}
	for _, single := range v.Values() {
		if _, e := fmt.Fprintln(w, single.Text()); e != nil {
			err = e
		}
	}
	return err
}
