// Package discover tells administrators what a connected system is, before or after they
// have described its objects: what it says of itself, what can be done with it, which
// objects and attributes there are and how many. It only reads.
//
// [System] works with any agent. One whose settings implement [Discoverer] says more, and
// says it without a description of object types.
package discover
