// Package filewatch says when the contents of files change.
//
// [Watch] looks at folders with everything below them, at single files and at
// patterns such as data/*.csv. Notifications of the operating system are only a
// hint to look again: what counts is a [Fingerprint] over the contents, so that
// touching a file, an editor's temporary files and a file that was written
// again unchanged cause nothing. A slow poll finds what notifications miss:
// network file systems, exhausted watches, links that were swapped far away.
package filewatch
