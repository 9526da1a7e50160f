// Package dropfile keeps in a file what an agent delivered or was to be sent
// (sync-engine §2.9): to look at it, as evidence, or to go on from there later.
//
// A file is JSON Lines. The first line is its [Header]; then there is one line for
// each entry of an import or change of an export, in their order; the last one is
// a trailer with their number, so that a file that was torn is noticed:
//
//	{"dropFile":1,"agent":"HR","step":"full-import","complete":true,"schema":"5d41402abc4b2a76","created":"2026-01-05T02:00:00Z"}
//	{"op":"add","type":"employee","dn":"1001","anchor":"1001","attributes":[{"name":"level","values":[{"integer":"7"}]},{"name":"name","values":["Ada"]}]}
//	{"entries":1}
//
// A value is a string, or an object that names its type: integer, boolean, binary
// (base64), datetime or reference (a DN). Nothing is lost: what JSON cannot hold
// is written as {"bytes": ...}. Of the attributes that can only be exported, such
// as passwords, a file says {"secret":true} in place of the value; such a change
// cannot be sent from it.
//
// [RecordImport] and [RecordExport] are decorators that write a file beside a
// stream. [OpenImport] is an import that reads one; [Open] reads one with changes.
package dropfile
