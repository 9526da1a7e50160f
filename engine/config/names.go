package config

import (
	"regexp"
	"unicode/utf8"
)

// A distinguished name has commas, at which YAML divides a list in brackets. So
// [ou=People,dc=example,dc=org] is put together again: it is one name, as everybody reads
// it. [o=a, o=b] are two, and what is in quotes is whole.

// nameComponent is how a component of a distinguished name begins (RFC 4514 §2).
var nameComponent = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)=`)

// continues reports whether a text is the next component of the name that the one before
// it in a list in brackets ends with: both are components, without quotes, and there is
// nothing but a comma between them.
func continues(before, n *node) bool {
	for _, part := range []*node{before, n} {
		if part.kind != textNode || part.start != part.at || !nameComponent.MatchString(part.written) {
			return false
		}
	}
	return before.at.Line == n.at.Line && n.at.Column == before.at.Column+utf8.RuneCountInString(before.written)+1
}

// extend adds a component to a name.
func (n *node) extend(by *node) {
	n.text += "," + by.text
	n.written += "," + by.written
}
