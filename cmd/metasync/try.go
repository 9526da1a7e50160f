package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
)

type tryCmd struct {
	Kind   string   `arg:"" help:"flow, flowFunction, extension or metaverse."`
	Name   []string `arg:"" help:"What was registered, and which function of it."`
	Object string   `required:"" placeholder:"OBJECT" help:"The object: AGENT/KEY with its anchor, DN or id, or TYPE/ID of the metaverse."`
	With   []string `sep:"none" placeholder:"OBJECT" help:"Another object: a candidate of resolveJoin, the connector of shouldDelete; may be repeated."`
}

func (*tryCmd) Help() string {
	return `Calls one function of the scripts that are in force on an object as it is stored; prints what it returns and logs. Nothing is changed: ` +
		`of a provisioning function, what it asks for is printed. The exit code is 3 if the function fails.

  metasync try flow HR.employee department --object HR/1001
  metasync try flowFunction initials givenName sn --object HR/1001
  metasync try extension AD filter --object "AD/CN=Ada,DC=x"
  metasync try extension AD resolveJoin RULE --object AD/7 --with person/0000-000000000001
  metasync try metaverse person provision --object person/0000-000000000001
  metasync try metaverse person shouldDelete --object person/0000-000000000001 --with HR/1001

The arguments of a flow function are expressions: names of attributes, or more.`
}

func (c *tryCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		tried, err := service.Try(a.ctx, daemon.TryQuery{Kind: c.Kind, Name: c.Name, Object: c.Object, With: c.With})
		if err != nil {
			return err
		}
		if a.JSON {
			err = a.printJSON(tried)
		} else {
			err = a.printTried(tried)
		}
		if err == nil && tried.Error != nil {
			err = exitErrors
		}
		return err
	})
}

func (a *app) printTried(t *daemon.Tried) error {
	t2 := newTable(a.stdout)
	for _, line := range t.Log {
		text := line.Text
		for _, key := range slices.Sorted(maps.Keys(line.Fields)) {
			text += fmt.Sprintf(" %s=%s", key, line.Fields[key])
		}
		t2.row(strings.ToLower(line.Level), line.Script, text)
	}
	if err := t2.end(); err != nil {
		return err
	}
	took := fmt.Sprintf("nothing was changed; it took %.1fms", t.Seconds*1000)
	if e := t.Error; e != nil {
		at := a.placed(fault.Position{File: e.File, Line: e.Line, Column: e.Column})
		fmt.Fprintf(a.stdout, "failed: %s: %s: %s\n", at, e.Name, oneLine(e.Text))
		if e.Hint != "" {
			fmt.Fprintf(a.stdout, "  hint: %s\n", oneLine(e.Hint))
		}
		_, err := fmt.Fprintln(a.stdout, took)
		return err
	}
	text, err := json.Marshal(t.Returned)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "returned %s%s\n%s\n", oneLine(string(text)), meaning(t), took)
	return err
}

// meaning says what the answer of a flow stands for where it is no value.
func meaning(t *daemon.Tried) string {
	literal, _ := t.Returned.(map[string]any)
	switch {
	case t.Kind != "flow":
	case t.Returned == nil:
		return ": it contributes nothing, and the next in precedence may"
	case literal["$literal"] == "AuthoritativeNull":
		return ": the attribute has no value"
	case literal["$literal"] == "IgnoreThisFlow":
		return ": the attribute stays as it is"
	}
	return ""
}
