package main

import (
	"fmt"
	"log/slog"
	"regexp"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting"
)

type testCmd struct {
	Files   []string `arg:"" optional:"" name:"file" help:"Only the tests of these scripts."`
	Pattern string   `name:"run" placeholder:"PATTERN" help:"Only tests whose name matches this regular expression."`
}

func (*testCmd) Help() string {
	return "Tests are what scripts register with test(name, t => ...). The scripts in the folder are tested, not those that " +
		"a daemon has in force. A test that fails keeps changed scripts from taking effect. The exit code is 1 if one fails."
}

// testsResult is what test prints with --json.
type testsResult struct {
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	Tests  []testResult `json:"tests"`
}

type testResult struct {
	Name        string                 `json:"name"`
	OK          bool                   `json:"ok"`
	File        string                 `json:"file"`
	Line        int                    `json:"line-number"`
	Column      int                    `json:"column-number"`
	Seconds     float64                `json:"seconds"`
	Error       *daemon.Problem        `json:"error,omitempty"`
	Differences []scripting.Difference `json:"differences,omitempty"` // if a comparison failed
}

func (c *testCmd) Run(a *app) error {
	query := daemon.TestQuery{}
	for _, file := range c.Files {
		query.Files = append(query.Files, absolute(file))
	}
	if c.Pattern != "" {
		var err error
		if query.Name, err = regexp.Compile(c.Pattern); err != nil {
			a.printError(fmt.Errorf("--run: %w", err))
			return exitUsage
		}
	}
	options := a.daemon()
	options.Log = a.log(slog.LevelInfo, false)
	results, err := daemon.Test(a.ctx, options, query)
	if err != nil {
		return err
	}
	out := testsResult{Tests: []testResult{}}
	for _, r := range results {
		shown := testResult{
			Name: r.Name, OK: r.Err == nil, File: r.Position.File, Line: r.Position.Line, Column: r.Position.Column,
			Seconds: r.Took.Seconds(), Differences: r.Differences,
		}
		if r.Err == nil {
			out.Passed++
		} else {
			out.Failed++
			shown.Error = &daemon.Problems(r.Err)[0]
		}
		out.Tests = append(out.Tests, shown)
	}
	if a.JSON {
		err = a.printJSON(out)
	} else {
		err = a.printTests(results, out)
	}
	if err == nil && out.Failed > 0 {
		err = exitFailed
	}
	return err
}

// printTests prints a line for each test, and what is wrong below those that
// failed.
func (a *app) printTests(results []scripting.TestResult, out testsResult) error {
	for _, r := range results {
		verdict := "ok  "
		if r.Err != nil {
			verdict = "FAIL"
		}
		fmt.Fprintf(a.stdout, "%s  %s  %s\n", verdict, oneLine(r.Name), a.placed(r.Position))
		if r.Err == nil {
			continue
		}
		fmt.Fprintf(a.stdout, "      %s: %s\n", a.placed(r.Err.Position), oneLine(r.Err.Detail()))
		if r.Err.Hint != "" {
			fmt.Fprintf(a.stdout, "      hint: %s\n", oneLine(r.Err.Hint))
		}
		for _, d := range r.Differences {
			if d.Path != "" {
				fmt.Fprintf(a.stdout, "        %s\n", oneLine(d.Path))
			}
			fmt.Fprintf(a.stdout, "        - want %s\n        + got  %s\n", oneLine(d.Want), oneLine(d.Got))
		}
	}
	if len(results) == 0 {
		_, err := fmt.Fprintln(a.stdout, "there are no tests")
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "%d passed, %d failed\n", out.Passed, out.Failed)
	return err
}

// placed returns a place in a file as it is reached from here.
func (a *app) placed(at fault.Position) fault.Position {
	at.File = a.place(at.File)
	return at
}
