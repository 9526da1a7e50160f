// Package rules turns the rules that an administrator wrote into something to
// run: what is in scope, what joins, what flows, and who wins.
//
// A [Model] is what the configuration says. [Compile] checks it against the
// schemas of the connected systems and the functions of the scripts, reports
// everything that is wrong with its place, and returns a [Set]: immutable, safe
// for concurrent use, without any state of a run. Package sync walks objects
// through a Set; this package decides nothing about links and stores nothing.
//
// The order of things is settled here, once: rules by precedence and then by
// their order in the configuration, outbound rules behind those that they depend
// on, flows into one metaverse attribute by rank (sync-engine §4.1, §4.6, §5.5).
//
// definition.go is the Model, set.go the Set; compile.go leads from one to the
// other, with flows.go for the halves of a rule, match.go for scopes, derive.go
// for what follows from all rules together.
package rules
