// Package agenttest holds what tests of agents, and tests with agents, need.
//
//   - [Directory] is a connected system in memory and the agent for it: it
//     checks what it is given, renames, keeps a change log for delta imports, and
//     fails when and where a test wants it to.
//   - [Run] is the conformance suite: whatever implements package agent's
//     interfaces, in memory or against a real server, passes it.
//   - [Attrs] writes attributes down in one line.
//
// To test an agent, describe a system that is empty, and what its objects look
// like, as a [Subject]:
//
//	agenttest.Run(t, agenttest.Subject{
//		Agent:      func(t *testing.T) agent.Agent { return connectToEmptySystem(t) },
//		Type:       "account",
//		DN:         func(n int) string { return fmt.Sprintf("user%d", n) },
//		Attributes: func(n int) identity.Attributes { return agenttest.Attrs("uid", fmt.Sprintf("user%d", n), "cn", "x") },
//		Text:       "cn",
//	})
//
// To test rules, or a program that embeds the engine, give the engine directories:
// [NewDirectory] with a schema, [Directory.Put] and [Directory.Remove] for what other
// people do in the system, [Directory.Objects] to see what arrived, and
// [Directory.FailCall] and its like for what goes wrong.
//
// A Directory holds everything in memory and keeps every change in its log: it is
// for tests. Mistakes of the test panic.
package agenttest
