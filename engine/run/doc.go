// Package run carries out run profiles: it reads connected systems into their
// connector spaces, synchronizes, writes to connected systems, and keeps the
// record of it (sync-engine §2).
//
// A [Runner] runs one [Profile] of one agent at a time in a given [Environment]:
// the compiled rules and the opened agents of one configuration. A run uses the
// environment that it started with to its end.
//
// # For a program that embeds the engine
//
// Package engine runs profiles; this package has the words of it:
//
//   - [Profile] and [Step], with [DefaultProfiles]: one profile for each [StepType]
//     that is not a combined one, named after it. full-import reads everything, delta-import what changed as far
//     as the agent can tell; full-sync evaluates all objects of the agent again,
//     delta-sync those with pending imports; export sends what is pending.
//   - [Thresholds] and [Limit]: what stops a step before it deletes too much.
//   - [Record] and its [Report] for each step: what happened, by the counters and
//     names of the field's run history. [Result] says how it ended; its Severity
//     orders results.
//   - [History] keeps the records; [History.Prune] removes old ones. Nothing else
//     depends on them.
//
// An export is only believed when an import has seen its effect: after each export,
// import the same agent (the confirming import).
//
// # Inside
//
// The files follow the steps. import.go and fetch.go read pages of entries;
// stage.go puts one entry into the connector space and confirms exports with it;
// importnames.go sees to names that move between objects; obsolete.go draws the
// conclusions of a complete read. synchronize.go walks the objects of one agent
// through package sync. export.go, exportpage.go and exportnames.go send what is
// pending. partition.go divides an import, limits.go says where a step
// stops, files.go and exportresume.go put a file in the place of the system or
// beside it. single.go takes one object through its own steps, in a run or in a
// rehearsal. record.go is what administrators see of it all, history.go keeps it.
//
// What must always hold: an import that did not finish deletes nothing; limits
// are checked before the first write; a crash between any two store commits
// leaves a state from which the next run goes on.
package run
