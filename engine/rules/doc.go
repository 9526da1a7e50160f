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
// # Writing a model
//
// A Model has three lists. [MetaverseType] names the attributes of the objects in
// the middle, and when such an object is deleted. [Agent] says of a connected
// system which of its objects do not take part (Filter), and what becomes of an
// object whose link is cut (Deprovision; the default leaves it alone). A [Rule]
// ties an object type of a system to a metaverse type: [JoinCriterion] finds the
// counterpart of an object, [Inbound] flows into the metaverse and may project a
// new object into it, [Outbound] flows to the system and may provision an object
// there. A [Flow] gives its target a value from a [Source]: an attribute, an
// expression of package expr, a constant, or code.
//
// A rule that provisions should have join criteria: what already exists in the
// system is found by them, and linked instead of made a second time.
//
// [Functions] are what code decides: functions that expressions call
// (Functions.ByName), flows that are code (Functions.Flows), and rules extensions
// of agents and metaverse types ([AgentExtension], [MetaverseExtension]), which
// filter, join, project, provision, and decide what the model leaves to a script
// ([DeprovisionScript], DeletionRule.Script), be it one or a Go function. They must
// be pure, and
// Functions.Version, or a version of their own, must change when what they decide
// changes: the engine then knows which objects have to be synchronized again.
//
// Agent.Schema, AnchorIsDN and LDAPNames come from the system itself; package
// engine fills them in. Positions are those of a configuration file, for the
// messages of errors; a model that is written in Go leaves them out.
//
// # Files
//
// definition.go is the Model, set.go the Set; compile.go leads from one to the
// other, with flows.go for the halves of a rule, outbound.go for what several of
// them share, match.go for scopes, precedence.go for ranks, derive.go for what
// follows from all rules together, fingerprint.go for what a change of them is
// about. extension.go declares what code may decide,
// reaction.go what becomes of its errors; search.go and choose.go compile
// searches.
package rules
