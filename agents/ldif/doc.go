// Package ldif is the management agent for LDIF files (RFC 2849): a file of
// directory entries that is read and rewritten, a log of change records that is read
// on top of one, or a file to which change records are appended for somebody else to
// apply.
//
// An import reads the file from the front to the end and keeps one record of it. It
// is all or nothing: text that is no LDIF ends it, and so does a last record without
// the empty line after it, because that is how a file looks that was cut off. A bad
// value is an error on its object only.
//
// An export of entries writes a new file beside the old one and puts it in its place
// when it is whole and on the disk. Records, comments, attributes, folding and line
// ends that no change is about stay byte for byte as they were.
//
//   - Names are LDAP distinguished names. Without an anchor attribute the name is the
//     anchor, in the form of RFC 4514, so that spacing and escaping do not count.
//   - What attributes hold is said by the configuration, else by the standards (see
//     standard.go). Attributes that neither knows are not read, and stay.
//   - A log of changes is laid over the file: the objects are those of the file after
//     all changes of the log. A delta import delivers those that changes behind the
//     watermark touch, whole (see overlay and watermark).
package ldif
