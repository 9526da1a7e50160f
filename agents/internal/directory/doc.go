// Package directory is what management agents for directory servers have in common. A
// kind of server is a [Dialect] of it: package ldap for those that keep to the standards,
// package ad for Active Directory. A package of a kind holds its settings and its
// dialect, and nothing that another kind needs too.
//
//	directory.go   the settings, and how a connection is opened
//	dialect.go     what kinds of servers do in their own way
//	server.go      what a server says of itself, and the object types in its terms
//	subschema.go   its attributes and classes
//	import.go      full imports by paging, delta imports of what a [Tracker] names
//	elsewhere.go   what a delta import does not find because it has moved
//	value.go       values, as the server writes them and as the engine has them
//	export.go      changes in waves, over several connections
//	add.go         new objects
//	modify.go      changes, renames and deletions
//	whole.go       values that the server cannot compare
//	referral.go    where a server refers to
//	watch.go       listening to what the server tells
//	watermark.go   what an import leaves for the next one
//
// A full import is one search with paging. Whatever cuts it short, as a limit of the
// server, is an error, so that nothing is taken for deleted. A delta import asks what
// changed (see [Tracker]) for the anchors of the entries alone, and then reads these as
// they are now: one that is not found any more has been deleted, or has left the
// filter, and a full import would not show it either.
//
// An export never trusts a name alone: it changes, renames and deletes an entry only if
// that has the anchor of the object, and looks for the anchor if the name leads
// nowhere. Several connections carry out what does not depend on each other.
package directory
