// Package storetest holds what tests of and with stores need: the suite that
// every [store.Store] must pass, a store that dies at a chosen commit, and one
// that counts what is asked of it.
//
// [Run] is the suite; a test of a store calls it with a function that opens a new,
// empty one. [FailAfter] wraps a store that a test of a crash uses until it fails
// with [ErrKilled], to open the store below again and see what is left. [Counting]
// wraps one whose work a test bounds: [Counter.Take] returns what was asked of it
// since the last time.
package storetest
