// Package logging is where the lines of a log go: standard error, or a file that is
// rotated by size and age. Format, level and file can change while the log is
// written; loggers that were derived before follow.
//
//	logging.go   the log and its handler
//	file.go      the file that is rotated
//	context.go   attributes that a context carries into lines
//	priority.go  the priorities of the journal of the system, and journal_unix.go
//	             whether lines go there
package logging
