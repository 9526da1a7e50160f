// Package run carries out run profiles: it reads connected systems into their
// connector spaces, synchronizes, writes to connected systems, and keeps the
// record of it (sync-engine §2).
//
// A [Runner] runs one [Profile] of one agent at a time in a given [Environment]:
// the compiled rules and the opened agents of one configuration. A run uses the
// environment that it started with to its end.
//
// The files follow the steps. import.go and fetch.go read pages of entries;
// stage.go puts one entry into the connector space and confirms exports with it;
// importnames.go sees to names that move between objects; obsolete.go draws the
// conclusions of a complete read. synchronize.go walks the objects of one agent
// through package sync. export.go, exportpage.go and exportnames.go send what is
// pending. partition.go divides an import, limits.go says where a step
// stops, files.go and exportresume.go put a file in the place of the system or
// beside it. record.go is what administrators see of it all, history.go keeps it.
//
// What must always hold: an import that did not finish deletes nothing; limits
// are checked before the first write; a crash between any two store commits
// leaves a state from which the next run goes on.
package run
