// Package engine is the synchronization engine as a library: connector spaces,
// a metaverse, rules, run profiles. It keeps connected systems in step and knows
// neither configuration files, nor scripts, nor a network of its own.
//
// # The words
//
// A connected system holds objects: people, accounts, groups. An agent is the code
// that reads and writes one. The engine keeps a connector space for each agent, a
// copy of what it knows of the system, and between them the metaverse, with one
// object for each person or thing. Rules say which objects are linked (join,
// projection, provisioning) and which attributes flow. A run profile is a list of
// steps of one agent: import, synchronization, export.
//
// # The way
//
// Open an engine over a store, give it a [Definition], run profiles, look at what
// happened:
//
//	e, err := engine.Open(engine.Options{State: store.NewMemory()})
//	warnings, err := e.Configure(ctx, definition, rules.Functions{})
//	record, err := e.Run(ctx, "HR", "full-import", engine.Cause{Kind: "manual"}, nil)
//
// The example of this package does it with two systems. The engine starts no run
// by itself. Package autosync does: an Engine is an [autosync.Engine], and
// [Definition.Scheduling] gives a scheduler its settings.
//
//	scheduler, err := autosync.New(autosync.Options{Engine: e, Store: state, Settings: definition.Scheduling()})
//	summary, err := scheduler.Once(ctx, autosync.Changes) // or Run, for ever
//
// # What to read
//
// In this order, for a program that embeds the engine:
//
//   - this package: [Options], [Definition], [Engine], and what it shows: [Record]
//     of a run, [ConnectorView] and [ObjectView] of objects, [Statistics],
//     [Forecast] of what rules would change;
//   - package agent: the interface that a connected system implements, and
//     agent/agenttest, which holds it to the contract;
//   - package identity: values, attributes, schemas;
//   - package rules: the [rules.Model] that decides everything, and the
//     [rules.Functions] by which Go code decides with it;
//   - package expr: the expressions of flows, and functions for them;
//   - package run: profiles, thresholds, results, run records and their history;
//   - package autosync: the scheduler;
//   - package store: where state is kept; package fault: errors with a name.
//
// Package config reads metasync.yaml into the same model. Packages space and sync
// are the inside of the engine: records, and the synchronization of one object.
//
// # What holds
//
//   - An object is synchronized as a unit: everything that this changes, in any
//     connector space and in the metaverse, lands together or not at all.
//   - One bad object stops no run: its error is in the run record and stays with
//     the object until that succeeds.
//   - Every step is durable before the next begins. A process that dies leaves a
//     state that the next one goes on from; what an export may have sent already
//     is sent again, marked as such (see [agent.Change]).
//   - An import that did not finish deletes nothing, and thresholds are checked
//     before anything is deleted (see [run.Thresholds]).
//   - A run uses the definition that it started with to its end.
//   - [Engine.Check], [Engine.Forecast] and [Engine.Compare] change nothing.
//
// # What the caller does
//
//   - The stores are the caller's, who closes them when no run is active any more.
//     Only one engine may work on a store.
//   - Two runs on one agent, and two synchronizations, never overlap: the second
//     is refused with an error that wraps [run.ErrBusy]. Runs of different agents
//     may overlap otherwise. A scheduler sees to it.
//   - A cancelled context ends a run soon; its record says so.
//   - The name of an agent is part of the state. Another name is another agent,
//     with an empty connector space.
//   - What an Engine returns belongs to the caller; a Definition that it was given
//     must not be changed any more.
package engine
