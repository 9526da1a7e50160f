// Package agent is the interface between the engine and connected systems, as
// database/sql/driver is between database/sql and databases.
//
// A management agent implements [Agent], and [Importer], [Exporter] or both. The
// example is one that reads; examples/embed in the repository has one that writes
// too. Package agenttest holds any of them to the contract, and has an agent for
// tests of everything else.
//
// # The calls
//
// The order is that of sync-engine §10.1:
//
//	Schema, OpenImport, Complete, Unchanged, Next..., Close
//	Schema, OpenExport, Put..., Close
//
// Every import and export that was opened is closed, once. The engine runs an agent
// one profile at a time, and makes the calls of a run one after the other, though
// from several goroutines. Only Schema, Capabilities, Partitions and Hierarchy may be called
// at any time: whoever configures the engine, or asks what a definition would do,
// calls them while a run is active. A context may be cancelled at any moment.
//
// A system that is divided, as a directory into domains, says so by [Partitioner];
// then there may be an import for each part. One that can read an object without
// delivering all others says so by [ObjectReader]. One that has containers lists them by
// [Hierarchical].
//
// # What an agent may rely on, and what not
//
//   - It streams: entries come in pages, changes go out in batches, and no method
//     may hold a whole system in memory that could be large.
//   - The changes given to Put belong to the engine: what is kept of them is copied.
//     The other way round, entries stay valid until their [Page] is filled again.
//   - Attributes are sorted by name, and their values are sets: [identity.Attributes]
//     built with Set, or by [identity.SortAttributes], are right. An absent attribute
//     is left out.
//   - References hold names: DNs, or anchors with [Capabilities.AnchorIsDN]. Their
//     target may come later in the stream, or never.
//
// # Errors
//
// What goes wrong with one object is a *[fault.Error] on that object (in
// [Entry.Err] or [Result.Err]) and the run goes on. What goes wrong with the
// system is the error of the call; its fault name becomes the result of the step
// (sync-engine §2.6, such as "stopped-connectivity" or "no-start-file-not-found").
//
// Package guard holds agents to this contract. An error without a name of §2.6,
// a panic, or an answer that makes no sense stops the step; so does a call that
// has not come back 10 seconds after its context is done.
//
// # Completeness
//
// Objects are deleted on an agent's word. An import that is [Import.Complete] and
// read to io.EOF holds everything there is, and what it did not hold is gone. So
// whatever cuts it short is an error of Next, never an early io.EOF; and a system
// that has lost an attribute which rules read refuses to open the import
// ([ImportRequest.Check]).
//
// # Configuration
//
// A [Kind] makes an agent available to metasync.yaml as `type: name`. A program
// that embeds the engine needs none. Package discover tells what a system is before its
// object types are described; settings may do that by themselves.
package agent
