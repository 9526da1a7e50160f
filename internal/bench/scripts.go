package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	agentcsv "github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/scripting"
)

// The same flow, written in ways that all give the same value.
const (
	asExpression   = "full sync, an expression"
	asFlowFunction = "full sync, a flow function"
	asFlow         = "full sync, a flow in JavaScript"
)

type flow struct{ name, source string }

var flows = []flow{
	{asExpression, `=givenName + " " + sn`},
	{asFlowFunction, `=fullName(givenName, sn)`},
	{asFlow, `{script: fullName}`},
}

const fullName = `
flowFunction("fullName", (given, sn) => given + " " + sn);
flow("HR.employee", "fullName", employee => employee.givenName + " " + employee.sn);
`

// scriptsPeople are enough for figures that differ by less than the noise.
const scriptsPeople = 20_000

// reportScripts shows what a flow in JavaScript costs in a full synchronization.
func reportScripts() error {
	figures := best{}
	size := min(*people, scriptsPeople)
	if err := inFolder(size, func(dir string) error {
		for range *runs {
			measured, err := child[figure]("scripts", dir, size)
			if err != nil {
				return err
			}
			figures.add(measured)
		}
		return nil
	}); err != nil {
		return err
	}
	fmt.Printf("\n%-34s %10s %10s\n", fmt.Sprintf("%d people, one flow of eight", size), "µs", "cpu µs")
	for _, flow := range flows {
		f := figures[flow.name]
		fmt.Printf("%-34s %10.2f %10.2f\n", flow.name, f.timePerObject(), f.cpuPerObject())
	}
	base := figures[asExpression]
	aims{
		{"flow function, to the expression", figures[asFlowFunction].cpuPerObject() / base.cpuPerObject(), 1.4, false},
		{"flow in JavaScript, to the expression", figures[asFlow].cpuPerObject() / base.cpuPerObject(), 1.4, false},
	}.print()
	return nil
}

// scriptsRun measures full synchronizations that change nothing, in turns. Each is
// done once before, for it follows a change of the rules.
func scriptsRun(dir string) error {
	scripts, state := filepath.Join(dir, "scripts"), filepath.Join(dir, "state-scripts")
	for _, name := range []string{scripts, state, filepath.Join(dir, "directory.csv")} {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := os.Mkdir(scripts, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(scripts, "names.js"), []byte(fullName), 0o600); err != nil {
		return err
	}
	if err := show(dir, "before.csv"); err != nil {
		return err
	}
	generation, err := scripting.NewLoader(scripting.Options{Folder: scripts, Base: dir}).Load(context.Background())
	if err != nil {
		return err
	}
	defer generation.Close()
	st, err := store.OpenBolt(state, store.BoltOptions{})
	if err != nil {
		return err
	}
	defer st.Close()
	e, err := engine.Open(engine.Options{State: st, History: store.NewMemory()})
	if err != nil {
		return err
	}
	run := func(agent, profile string, want int) func() error {
		return func() error {
			record, err := e.Run(context.Background(), agent, profile, engine.Cause{Kind: "manual"}, nil)
			if err == nil && (record.Result.Severity() > 0 || total(record) != want) {
				err = fmt.Errorf("%s: %s, %d objects", profile, record.Result, total(record))
			}
			return err
		}
	}
	for i, flow := range append(flows[:len(flows):len(flows)], flows...) {
		file := filepath.Join(dir, fmt.Sprintf("scripts%d.yaml", i))
		if err := os.WriteFile(file, []byte(strings.Replace(configuration, flows[0].source, flow.source, 1)), 0o600); err != nil {
			return err
		}
		functions := rules.Functions{}
		if flow.name != asExpression {
			functions = generation.Rules()
		}
		if err := configure(e, file, agentcsv.Kind, functions); err != nil {
			return err
		}
		if i == 0 {
			if err := run("Directory", "full-import", 0)(); err != nil {
				return err
			}
			if err := run("HR", "full-import", *people)(); err != nil {
				return err
			}
		}
		sync := run("HR", "full-sync", *people)
		if err := sync(); err != nil {
			return err
		}
		if err := measure(flow.name, *people, sync); err != nil {
			return err
		}
	}
	return nil
}
