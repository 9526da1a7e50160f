// Command embed keeps accounts in step with people: it shows how a program uses
// the engine as a library. README.md tells what is where.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

func main() {
	folder := flag.String("folder", "", "keep state and history in this `folder`; without it, in memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := embed(ctx, os.Stdout, *folder); err != nil {
		log.Fatal(err)
	}
}

// embed opens the stores, and over them an engine.
func embed(ctx context.Context, out io.Writer, folder string) (err error) {
	state, history := store.NewMemory(), store.NewMemory()
	if folder != "" {
		if state, err = store.OpenBolt(filepath.Join(folder, "state.db"), store.BoltOptions{}); err != nil {
			return err
		}
		if history, err = store.OpenBolt(filepath.Join(folder, "history.db"), store.BoltOptions{}); err != nil {
			return errors.Join(err, state.Close())
		}
	}
	e, err := engine.Open(engine.Options{State: state, History: history})
	if err == nil {
		err = play(ctx, out, e, state)
	}
	return errors.Join(err, history.Close(), state.Close())
}

// play configures the engine and lets it follow what happens to the people.
func play(ctx context.Context, out io.Writer, e *engine.Engine, state store.Store) error {
	people, accounts := &People{byID: map[string]Person{}}, &Accounts{byLogin: map[string]Account{}}
	definition := define(people, accounts)
	if _, err := e.Configure(ctx, definition, functions); err != nil {
		return err
	}
	last, err := e.History().Last(1)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		return remember(out, e) // the state is that of an earlier process
	}
	settings := definition.Scheduling()
	settings.Mode = autosync.Exclusive // one run after the other, which reads better than several at a time
	scheduler, err := autosync.New(autosync.Options{Engine: e, Store: state, Settings: settings})
	if err != nil {
		return err
	}

	ada := Person{"1", "Ada", "Lovelace", "Research", ""}
	grace := Person{"2", "Grace", "Hopper", "Research", "1"}
	alan := Person{"3", "Alan", "Turing", "Research", "1"}
	barbara := Person{"4", "Barbara", "Liskov", "Engineering", "2"}
	for _, act := range []struct {
		title  string
		happen func()
	}{
		{"Three people, no accounts yet", func() { people.Put(ada, grace, alan) }},
		{"Grace moves to another department, Barbara joins her", func() {
			grace.Department = "Engineering"
			people.Put(grace, barbara)
		}},
		{"Alan leaves", func() { people.Remove(alan.ID) }},
		{"Two more disappear at once", func() { people.Remove(ada.ID, grace.ID) }},
		{"It was a mistake, and is put right", func() { people.Put(ada, grace) }},
		{"Barbara leaves", func() { people.Remove(barbara.ID) }},
	} {
		fmt.Fprintf(out, "== %s\n\n", act.title)
		act.happen()
		summary, err := scheduler.Once(ctx, autosync.Changes) // import, synchronize, export, confirm, until nothing is left to do
		if err != nil {
			return err
		}
		for _, completed := range summary.Runs {
			if err := printRun(out, e, completed); err != nil {
				return err
			}
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "\nLOGIN\tNUMBER\tNAME\tDEPARTMENT\tMANAGER")
		for _, a := range accounts.All() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.Login, a.Number, a.Name, a.Department, cmp.Or(a.Manager, "-"))
		}
		table.Flush()
		fmt.Fprintln(out)
	}
	return nil
}

// printRun prints the record of a run: what each of its steps did, and what
// stopped it.
func printRun(out io.Writer, e *engine.Engine, completed autosync.Completed) error {
	record, err := e.History().Record(completed.Run)
	if err != nil {
		return err
	}
	if record == nil {
		return fmt.Errorf("%s of %s did not start: %s", completed.Profile, completed.Agent, completed.Error)
	}
	fmt.Fprintf(out, "run %d: %s of %s: %s\n", record.Run, record.Profile, record.Agent, record.Result)
	for _, step := range record.Steps {
		printCounts(out, "imported", step.Staging)
		printCounts(out, "inbound", step.Inbound)
		for _, name := range slices.Sorted(maps.Keys(step.Outbound)) {
			printCounts(out, "outbound to "+name, step.Outbound[name])
		}
		printCounts(out, "exported", step.Exports)
		for _, problem := range slices.Concat(step.DiscoveryErrors, step.SyncErrors, step.ExportErrors) {
			fmt.Fprintf(out, "    %s: %s: %s\n", problem.DN, problem.Type, problem.Detail)
		}
		if step.Error != "" {
			fmt.Fprintf(out, "    %s\n    (%s)\n", step.Error, step.Hint)
		}
	}
	return nil
}

func printCounts[C ~string](out io.Writer, what string, counts map[C]int) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(out, "    %s: %s\n", what, strings.Join(parts, ", "))
	}
}

// remember prints what the engine knows from an earlier process. The systems of
// this one are new, and empty; nothing is run, so nothing is concluded from that.
func remember(out io.Writer, e *engine.Engine) error {
	persons, err := e.Objects(engine.ObjectQuery{Type: "person"})
	if err != nil {
		return err
	}
	for _, p := range persons {
		name := p.Attributes["displayName"]
		fmt.Fprintf(out, "%v, by the rule %q:", name.Values[0], name.Rule)
		for _, link := range p.Connectors {
			fmt.Fprintf(out, " %s %s %s;", link.Agent, link.Object, link.DN)
		}
		fmt.Fprintln(out)
	}
	return nil
}
