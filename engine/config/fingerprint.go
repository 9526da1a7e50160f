package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// importFingerprint returns the fingerprint of what is written about the system of
// an agent: its kind and the keys of that, and its object types. The other keys
// that every agent has say what becomes of what an import delivers. Texts count
// before ${} is replaced, so that a new password is no other configuration.
func importFingerprint(n *node) string {
	h := sha256.New()
	ours := fieldsOf(reflect.TypeFor[agentKeys]())
	for _, p := range sorted(n.pairs) {
		isOurs := slices.ContainsFunc(ours, func(f field) bool { return f.name == p.key })
		if !isOurs || p.key == "type" || p.key == "objects" {
			fmt.Fprintf(h, "%q", p.key)
			p.value.digest(h)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// digest writes what the node says. The order of keys says nothing.
func (n *node) digest(w io.Writer) {
	fmt.Fprintf(w, "%d %q[", n.kind, n.written)
	for _, p := range sorted(n.pairs) {
		fmt.Fprintf(w, "%q", p.key)
		p.value.digest(w)
	}
	for _, item := range n.items {
		item.digest(w)
	}
	fmt.Fprint(w, "]")
}

func sorted(pairs []pair) []pair {
	pairs = slices.Clone(pairs)
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return pairs
}
