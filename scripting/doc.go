// Package scripting is what administrators' scripts can do: the JavaScript and
// TypeScript files of a watched folder register flow functions, rules
// extensions, triggers and tests of all these.
//
//	flowFunction("initials", (given, sn) => given[0] + sn[0]);
//	trigger("HR file", { agent: "HR", watch: "data/*.csv", settle: "2s", run: "full-import" });
//
// A [Loader] loads the folder as a whole and gives a [Generation], or an error
// that names everything that is wrong with it. The caller swaps generations
// between two runs; a run keeps to the one that it started with by holding it.
// While the folder is broken the last good generation stays, and what
// [Generation.Keep] keeps outlives the program.
//
// Everything that a script sees is a row of the table in api.go. A new kind of
// registration is a file of its own and a row there; how files are compiled,
// isolated and bounded is the business of package host, which knows nothing of
// identities.
//
//	generation.go  Loader, Generation
//	api.go         the table; the text of docs/script-api.md
//	types.go       the table and a configuration -> metasync.d.ts
//	function.go    flowFunction -> expr.Function
//	extension.go   flow, extension, metaverse -> rules.Functions
//	testing.go     test: as our scripts use those of package host
//	testcalls.go   what a test calls
//	try.go         one call on stored objects
//	trigger.go     trigger      -> autosync.TriggerSpec
//	agenttype.go   agentType    -> agent.Kind; scriptagent.go and agent*.go are the agent
//	activity.go    activity     -> what workflows call
//	value.go       values of identity to JavaScript and back
//	modules        what scripts can call: text, date, lookup, http, files ...
package scripting
