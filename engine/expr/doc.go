// Package expr is the expression language of synchronization rules: the text
// behind = in a flow, such as
//
//	"CN=" + EscapeDNComponent(displayName) + ",OU=Staff,DC=corp,DC=example"
//
// [Compile] reads such a text once, checks it against the attributes, parameters
// and functions that exist, and returns a [Program]; [Program.Eval] computes its
// value for one object. Both stages report a fault.Error with the place in the
// administrator's file.
//
// In reading order: [Compile] with its [Options], [Program], the [Context] of an
// evaluation, [Value]; [Function] for those that a program or a script adds, and
// [Library] for what is built in. A Program is immutable and may be used by
// several goroutines, each with a Context of its own. Functions must be pure: the
// engine evaluates an expression as often as it likes.
//
// An expression goes through three forms: tokens (token.go), a tree (parse.go)
// and Go closures (compile.go). The built-in functions are rows of a table, one
// file per theme: text.go, conditions.go, numbers.go, convert.go, datetime.go and
// dn.go. A row says what a function takes and what becomes of null arguments;
// argument.go evaluates, converts and checks the arguments before the function
// sees them. Functions of scripts are rows too, given in [Options.Functions].
//
// A dialect is a grammar value and a set of rows. The package has one: [FIM]
// (sync-engine §6.1, §6.3, §6.4). Where its public description leaves a choice:
//
//   - A concatenation with a null operand is null, so that no half a name is
//     ever built.
//   - Comparisons are exact: "a" and "A" differ. A number and the text of a
//     number are the same.
//   - Texts are counted in characters (Unicode code points).
//   - A function that takes one value refuses an attribute that has several.
//   - Binary values and resolved references have no text; using them as text is
//     an error.
//   - A datetime without a zone is UTC.
//
// Work is bounded: the size and depth of an expression, and the size of every
// text that it builds.
package expr
