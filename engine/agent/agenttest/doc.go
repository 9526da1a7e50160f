// Package agenttest holds what tests of agents, and tests with agents, need.
//
//   - [Directory] is a connected system in memory and the agent for it: it
//     checks what it is given, renames, keeps a change log for delta imports, and
//     fails when and where a test wants it to.
//   - [Run] is the conformance suite: whatever implements package agent's
//     interfaces, in memory or against a real server, passes it.
//   - [Attrs] writes attributes down in one line.
package agenttest
