// Package space holds the two kinds of objects of the engine on top of the
// store: a connector space for each management agent, and the metaverse
// (sync-engine §1).
//
// A [Connector] is an object of a connector space: what the last import saw, what
// of that has been synchronized, and what is still to be exported, as a stack of
// images and deltas. An [Object] is an object of the metaverse: values, each with
// its contributor, and the connectors that are linked to it.
//
// This is the inside of the engine: a program that embeds it looks at objects by
// the views of package engine, and changes them by runs alone.
//
// All access goes through a [Tx]. A transaction is a batch of units:
//
//	err := s.Update(func(tx *space.Tx) error {
//		for _, id := range ids {
//			err := tx.Unit(func() error { return synchronize(tx, id) })
//			...
//		}
//	})
//
// What a unit changes lands together or not at all: a unit that returns an error
// leaves no trace, and the batch goes on. Within a unit every object exists once
// in memory: asking twice gives the same pointer. Change it and call Put; indexes,
// counters, work lists and back references follow by themselves, in the same
// transaction. [Space.View] runs the same code over a state that is thrown away
// afterwards, which is what a preview is.
//
// Only this package knows how records and keys look: record.go and keys.go. tx.go
// is what a unit can do, lookup.go what it can find, write.go keeps everything
// that is derived from a record in step with it, and check.go proves that.
package space
