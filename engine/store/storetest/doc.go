// Package storetest holds what tests of and with stores need: the suite that
// every [store.Store] must pass, a store that dies at a chosen commit, and one
// that counts what is asked of it.
package storetest
