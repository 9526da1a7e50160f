package config

import (
	"regexp"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"
)

// A Size is an amount of memory in bytes.
type Size int64

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,5})(MiB|GiB)$`)

func (s *Size) decode(l *loader, n *node) {
	const form = "an amount of memory such as 512MiB or 2GiB"
	if n.kind != textNode {
		l.fail(n.at, "want %s, not %s", form, n.kind)
		return
	}
	parts := sizePattern.FindStringSubmatch(n.text)
	if parts == nil {
		l.fail(n.at, "%q is not %s", n.written, form)
		return
	}
	number, _ := strconv.ParseInt(parts[1], 10, 64) // six digits at most
	if *s = Size(number << 20); parts[2] == "GiB" {
		*s <<= 10
	}
}

func (s *Size) schema(g *generator) *jsonschema.Schema {
	return g.define("size", &jsonschema.Schema{
		Description: "An amount of memory: a number with the unit MiB or GiB, such as 512MiB.",
		AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: sizePattern.String()},
			g.reference(),
		},
	})
}
