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
// and Go closures (compile.go, operators.go, join.go). The built-in functions are
// rows of a table, one file per theme, all listed in function.go. A row says what
// a function takes and what becomes of null arguments; argument.go evaluates,
// converts and checks the arguments before the function sees them; variable.go
// applies it to each value of a list. Functions of scripts are rows too, given in
// [Options.Functions].
//
// A dialect is a grammar value and a set of rows. There are two: [FIM]
// (sync-engine §6.1, §6.3, §6.4) and [Entra] (§6.2, §6.3, §6.5). Where their
// public descriptions leave a choice:
//
//   - A concatenation with a null operand is null in FIM, so that no half a name
//     is ever built; in Entra null is the empty text.
//   - Comparisons are exact: "a" and "A" differ. A number and the text of a
//     number are the same.
//   - In Entra && and || come after all other operators, so that the default rules
//     of Entra Connect Sync mean what their description says.
//   - FIM converts an argument where that is beyond doubt, such as a text of
//     digits to a number; in Entra it is an error, and CNum converts.
//   - FIM refuses a list where a function takes one value; Entra applies the
//     function to each value, if only one argument is a list.
//   - Texts are counted in characters (Unicode code points).
//   - Binary values and resolved references have no text; using them as text is
//     an error.
//   - A datetime without a zone is UTC.
//   - The functions of MIMWAL compare texts without case where MIMWAL does
//     (Contains, IndexByValue, RemoveDuplicates), and their regular expressions
//     are those that can be searched in one pass.
//   - An empty list is null.
//   - Null gives null, except where the description says otherwise, and in Entra's
//     tests: they answer false, IsBitSet null. Count and Contains give 0.
//   - The values of an attribute are counted in the order in which the engine
//     keeps them. RemoveDuplicates holds "a" and "A" for two values.
//   - A word or a component of a name that does not exist is an error where half a
//     name would be built of it (DNComponent), and the empty text in Word.
//   - A time zone is an offset of UTC. Of names only UTC and GMT are read: others
//     do not mean the same everywhere.
//
// Work is bounded: the size and depth of an expression, the size of every text
// that it builds, and all that one evaluation handles.
package expr
