// Package daemon is metasync at work on one configuration: it puts together the
// configuration file, the scripts, the agents, the engine, the scheduler and the
// triggers, and replaces them while it runs.
//
//	d, err := daemon.Open(ctx, daemon.Options{File: "metasync.yaml", Kinds: kinds})
//	err = d.Run(ctx)        // or d.Once(ctx, nil), d.Exec(ctx, ...)
//	err = d.Close()
//
// Configuration and scripts count as one: a change of either is loaded, checked
// and compiled beside what runs, and takes effect as a whole between two runs.
// One that is not right changes nothing; what is wrong with it shows in [Status].
// The scripts of the last good generation are kept in the store, so that a restart
// over a broken folder goes on with them. A change that would newly delete objects is
// held until somebody approves of it, and what is in force stays so.
//
//	assemble.go  files -> candidate: what could run
//	daemon.go    Open, Run, Once, Exec, Close
//	reload.go    a change of files -> the next candidate
//	workflows.go what happened -> calls of activities
//	notify.go    what happened -> events for those who are told
//	guard.go     which change is held for approval
//	kept.go      what is in force, as it is kept in the store
//	status.go    what administrators see
//	types.go     the configuration as types for editors of scripts
//	redact.go    secrets stay out of the log
package daemon
