// Command metasync is the whole product in one binary: the daemon, and the
// command line for people and scripts. What it does is in the packages beside it;
// here are only the commands, a file for each, and how they print.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // expressions know the time zones on every machine

	"github.com/alecthomas/kong"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/internal/heap"
)

// The exit codes. They are part of the interface, see docs/operations.md.
const (
	exitDone   exitCode = 0
	exitFailed exitCode = 1
	exitUsage  exitCode = 2
	exitErrors exitCode = 3 // done, with errors on some objects
	exitHeld   exitCode = 4 // by a threshold

	exitDifferent exitCode = 5 // diff and preview --with show differences
)

// An exitCode is the error of a command that has already said what is wrong.
type exitCode int

func (c exitCode) Error() string { return "" }

// cli is the command line.
type cli struct {
	globals

	Init     initCmd     `cmd:"" help:"Write a commented configuration, sample data and a scripts folder into a folder."`
	Validate validateCmd `cmd:"" help:"Check the configuration and the scripts; show every mistake with its place."`
	Discover discoverCmd `cmd:"" help:"Look at the system of an agent: what it can do, its objects and attributes; draft a configuration."`
	Test     testCmd     `cmd:"" help:"Run the tests in the scripts."`
	Scripts  scriptsCmd  `cmd:"" help:"Show the scripts that are in force, what they register, and what was refused."`
	Try      tryCmd      `cmd:"" help:"Call one function of the scripts on an object; change nothing."`
	Diff     diffCmd     `cmd:"" help:"Show in what two configurations differ, rule by rule and flow by flow."`
	Run      runCmd      `cmd:"" help:"Run the daemon until it is stopped."`
	Once     onceCmd     `cmd:"" help:"Import, synchronize, export and confirm until nothing is left to do."`
	Exec     execCmd     `cmd:"" help:"Carry out one run profile of an agent; print the run record."`
	Sync     syncCmd     `cmd:"" help:"Take one object through everything: read it, synchronize, export and confirm; print the steps."`
	Resync   resyncCmd   `cmd:"" help:"Synchronize again what changed rules decide about, or chosen objects; print the run records."`
	Get      getCmd      `cmd:"" help:"Show objects."`
	Rules    rulesCmd    `cmd:"" help:"List the synchronization rules, print one as text or as FIM's XML, copy one, or convert FIM's."`
	Report   reportCmd   `cmd:"" help:"Print reports."`
	Preview  previewCmd  `cmd:"" help:"Tell what a synchronization would do and why, for one object or all; change nothing."`
	Explain  explainCmd  `cmd:"" help:"Tell why an object is as it is: links, contributors, who lost, what is pending."`
	History  historyCmd  `cmd:"" help:"Show what has run, one run with its counters and errors, or the objects behind a counter."`
	Status   statusCmd   `cmd:"" help:"Show what is pending, unconfirmed, held or failing, or the numbers of one agent."`

	Queue     queueCmd     `cmd:"" help:"Show what should run and what it waits for; ask for a run, or take one back."`
	Plan      planCmd      `cmd:"" help:"Show what runs by itself, when and why: profiles, intervals and triggers."`
	Pause     pauseCmd     `cmd:"" help:"Start no runs of an agent, or of all, until a time or until resume."`
	Resume    resumeCmd    `cmd:"" help:"End a pause, or the stop of a hook."`
	Cancel    cancelCmd    `cmd:"" help:"Stop the run that is going on."`
	Log       logCmd       `cmd:"" help:"Show what happened, and who did what."`
	Notify    notifyCmd    `cmd:"" help:"Show who is told what, and which incidents are open; send a test message."`
	Workflows workflowsCmd `cmd:"" help:"Show what workflows have to do and what failed; try that again, or forget it."`
	Hold      holdCmd      `cmd:"" help:"Show what thresholds hold, in words, and which objects it is about."`
	Approve   approveCmd   `cmd:"" help:"Approve what a threshold holds, or a change of scripts or configuration that is held."`
	Reject    rejectCmd    `cmd:"" help:"Reject what a threshold holds, or a change of scripts or configuration that is held."`

	ImportAutosync importAutosyncCmd `cmd:"" help:"Convert the config.xml of AutoSync into ours."`

	Join       joinCmd       `cmd:"" help:"Link an object to a metaverse object by hand."`
	Disconnect disconnectCmd `cmd:"" help:"Cut the link of an object by hand."`
	Project    projectCmd    `cmd:"" help:"Create a metaverse object for an object by hand."`
	Release    releaseCmd    `cmd:"" help:"Have an object exported again that is parked because its changes go round."`
	Remove     removeCmd     `cmd:"" help:"Remove what the configuration no longer has: an agent, a part of one, or a metaverse type."`

	Verify    verifyCmd    `cmd:"" help:"Find out whether the stores are sound."`
	Backup    backupCmd    `cmd:"" help:"Write a copy of the stores into a file; the daemon may run."`
	Restore   restoreCmd   `cmd:"" help:"Put the stores of a backup in place; the daemon must not run."`
	Settings  configCmd    `cmd:"" name:"config" help:"Show what the configuration says, and which file or script set each value."`
	Eval      evalCmd      `cmd:"" help:"Evaluate an expression."`
	Functions functionsCmd `cmd:"" help:"List the functions of expressions, or describe one."`
	Schema    schemaCmd    `cmd:"" help:"Print the JSON Schema of the configuration, for editors."`
	Types     typesCmd     `cmd:"" help:"Write metasync.d.ts and jsconfig.json into the scripts folder, for editors."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// globals are the flags of every command.
type globals struct {
	Config string `short:"c" default:"metasync.yaml" placeholder:"FILE" help:"The configuration (default: metasync.yaml)."`
	JSON   bool   `name:"json" help:"Print one JSON document."`
}

// An app is what commands work with.
type app struct {
	globals
	ctx    context.Context // done at the first signal
	stdout io.Writer
	stderr io.Writer
	line   *statusLine // on stderr
}

// daemon returns the options of the daemon of this configuration.
func (a *app) daemon() daemon.Options {
	return daemon.Options{File: absolute(a.Config), Kinds: kinds, Version: version}
}

func main() {
	heap.Limit()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(int(execute(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

// execute carries out a command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) exitCode {
	var c cli
	helped := false
	parser := kong.Must(&c,
		kong.Name("metasync"),
		kong.Description("metasync keeps identity systems in step."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
	)
	command, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	a := &app{c.globals, ctx, stdout, stderr, newStatusLine(stderr)}
	if err != nil {
		a.printError(err)
		fmt.Fprintln(stderr, "  hint: metasync --help lists the commands, metasync COMMAND --help explains one")
		return exitUsage
	}
	err = command.Run(a)
	code := exitFailed
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return code
	}
	a.printError(err)
	return exitFailed
}
