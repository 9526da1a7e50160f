// Package workflow does something about objects after something happened to them: a
// workflow names a counter of runs, and what is done for each object that is counted
// there.
//
// A [Queue] keeps what is to be done in the store. Gather looks at the runs that
// ended since, and adds an [Entry] for each object, together with the mark of how far
// it has looked: after a crash no object is left out, and none is there twice. Work
// carries the entries out one by one. What fails is tried again later, a bounded
// number of times, and then kept as failed until somebody decides. An entry that a
// crash cuts short is carried out again.
//
//	entry.go    an entry, and its object as it was then
//	queue.go    Queue, Begin, Gather
//	work.go     Work, and what an administrator does about entries that failed
//	copy.go     objects of the engine as plain data, and back
package workflow
