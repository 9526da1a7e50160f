// Package csv is the management agent for delimited text files: one object per
// row, one attribute per column, the names in the first row.
//
// An import reads the file once, from the front to the end, and keeps one page
// of it. It is all or nothing: a file that ends within a quote, holds null bytes,
// or changes while it is being read ends the import, so that nothing is taken for
// deleted. A bad row is an error on that row only.
//
// An export writes a new file beside the old one and puts it in its place when it
// is whole and on the disk. It changes only what it was asked to: rows, columns,
// quoting, byte order mark and line ends of everything else stay byte for byte as
// they were.
//
//   - An empty cell is an absent value; the empty text cannot be written.
//   - Objects have no name but their anchor: the text of the anchor columns.
//     References hold that text.
//   - The text is UTF-8. A quote opens a cell only at its very start, and a quote
//     within quotes is doubled (RFC 4180).
//   - There is no change log, so a delta import reads everything, unless the
//     content is that of the last import: then it reads nothing (see watermark).
package csv
