// Package engine is the synchronization engine as a library: connector spaces,
// a metaverse, rules, run profiles.
//
// Open an engine over two stores, give it a [Definition], run profiles, look at
// what happened:
//
//	e, err := engine.Open(engine.Options{State: state, History: history})
//	err = e.Configure(ctx, engine.Definition{Model: model, Agents: agents}, rules.Functions{})
//	record, err := e.Run(ctx, "HR", "full-import", engine.Cause{Kind: "manual"}, nil)
//
// A Definition may be replaced at any time; runs that are active go on with the
// one that they started with. The engine starts no run by itself: package
// autosync does that, over [Engine.Facts] and [Engine.Run].
//
// Whoever embeds the engine implements connected systems with package agent,
// keeps the stores of package store, and needs neither the configuration file nor
// the script host of the metasync program.
package engine
