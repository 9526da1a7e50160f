package expr

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Functions returns the built-in functions of all dialects, sorted by name. A
// function that the dialects have in different forms is in it several times.
func Functions() []Function {
	var all []Function
	for _, theme := range themes {
		for _, f := range theme {
			f.MinArgs, f.MaxArgs = arguments(f.Params)
			f.Signature = signature(f)
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, byName)
	return all
}

// Reference returns a page in Markdown that describes all built-in functions.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("# Functions\n\n" +
		"The functions of [expressions](expressions.md), from the same table that the\n" +
		"product works with; `metasync functions NAME` prints one. Arguments in brackets may\n" +
		"be left out. What becomes of no value (null) is said where it is not null again.\n")
	letter := ""
	for _, f := range Functions() {
		if first := strings.ToUpper(f.Name[:1]); first != letter {
			letter = first
			fmt.Fprintf(&b, "\n## %s\n", letter)
		}
		dialects := make([]string, len(f.Dialects))
		for i, d := range f.Dialects {
			dialects[i] = string(d)
		}
		fmt.Fprintf(&b, "\n### %s\n\n`%s`\n\n%s\n\nDialect %s. *%s*\n", f.Name, f.Signature, f.Doc, strings.Join(dialects, ", "), f.Source)
	}
	return b.Bytes()
}
