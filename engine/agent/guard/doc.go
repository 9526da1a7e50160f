// Package guard stands between the engine and the agents of connected systems.
// An agent is code of somebody else, and what it delivers comes from a system of
// somebody else. Neither may do harm beyond the step that asked:
//
//   - A [Keeper] wraps agents. A panic, an answer that breaks the contract of
//     package agent, or a call that never comes back ends the step with a named
//     error, and nothing is concluded from what the step saw.
//   - A [Checker] looks at single entries. One that cannot be staged gets a
//     discovery error (sync-engine §2.7); the step goes on with the others.
//
// What a guard cannot do: stop a goroutine, catch a panic in a goroutine that an
// agent has started itself, or notice that an agent changes the content of a page
// after it has handed it over. The conformance suite in agenttest tests the last.
package guard
