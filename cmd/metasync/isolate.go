package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

// isolate looks for functions whose answers depend on earlier calls, on the state of
// this folder: in the daemon if that is at work on it.
func (a *app) isolate(sample int) (_ *daemon.Isolation, err error) {
	if sample < 1 {
		return nil, fault.New("invalid-argument", "--sample must be 1 at least")
	}
	query := daemon.IsolationQuery{File: absolute(a.Config), Sample: sample}
	client, err := console.Dial(a.ctx, daemon.StateFolder(a.daemon()))
	if err == nil {
		defer func() { err = errors.Join(err, client.Close()) }()
		return client.Isolate(a.ctx, query)
	}
	if !errors.Is(err, console.ErrNotRunning) {
		return nil, err
	}
	found, err := daemon.Isolate(a.ctx, a.daemon(), query)
	if errors.Is(err, store.ErrLocked) {
		locked := fault.As(err, "state-in-use")
		locked.Hint = "another command is at work on the state; try again when it has ended"
		return nil, locked
	}
	return found, err
}

func (a *app) printIsolation(found *daemon.Isolation) {
	for _, d := range found.Dependent {
		name := fmt.Sprintf("%s %q", d.Kind, d.Name)
		if d.Function != "" {
			name += " " + d.Function
		}
		at := a.placed(fault.Position{File: d.File, Line: d.Line, Column: d.Column})
		fmt.Fprintf(a.stdout, "%s: the answer of %s depends on earlier calls: %d of %s\n", at, name, d.Differ, number(d.Calls, "call"))
		fmt.Fprintf(a.stdout, "  %s: %s in fresh scripts\n", d.Object, oneLine(d.Fresh))
		fmt.Fprintf(a.stdout, "  %s  %s after other calls\n", strings.Repeat(" ", len(d.Object)), oneLine(d.Used))
	}
	fmt.Fprintf(a.stdout, "compared %s on %s\n", number(found.Calls, "call"), number(found.Objects, "object"))
	if len(found.Uncalled) > 0 {
		fmt.Fprintf(a.stdout, "not called: %s\n", strings.Join(found.Uncalled, "; "))
	}
}
