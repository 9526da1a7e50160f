package autosyncxml

import (
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/config/internal/xmltree"
	"github.com/metasync/metasync/engine/fault"
)

// An element is a setting with its place; namespaces do not count.
type element struct {
	name     string
	kind     string // what its i:type attribute says
	children []*element
	text     string
	at       fault.Position
}

// child returns the first child of a name, an empty element if there is none.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return &element{name: name, at: e.at}
}

// value returns the text of a child.
func (e *element) value(name string) string { return strings.TrimSpace(e.child(name).text) }

// is reports whether a child says true.
func (e *element) is(name string) bool {
	v, err := strconv.ParseBool(e.value(name))
	return err == nil && v
}

// number returns the number that a child says, 0 without one.
func (e *element) number(name string) int {
	n, err := strconv.Atoi(e.value(name))
	if err != nil {
		return 0
	}
	return n
}

// list returns the texts of the children of a child.
func (e *element) list(name string) []string {
	var out []string
	for _, c := range e.child(name).children {
		if text := strings.TrimSpace(c.text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// parse reads a document. The error is a *fault.Error.
func parse(file string, data []byte) (*element, error) {
	document, err := xmltree.Parse(file, data, "", malformed)
	if err != nil {
		return nil, err
	}
	return settingOf(document.Children[0]), nil
}

// settingOf returns what an element of the file sets. Some versions write settings as
// attributes, which come before the elements inside.
func settingOf(x *xmltree.Element) *element {
	e := &element{name: x.Local, text: x.Chars, at: x.At}
	for _, a := range x.Attributes {
		switch {
		case a.Name.Local == "type" && a.Name.Space != "":
			e.kind = a.Value
		case a.Name.Space == "" && a.Name.Local != "xmlns":
			e.children = append(e.children, &element{name: a.Name.Local, text: a.Value, at: e.at})
		}
	}
	for _, c := range x.Children {
		e.children = append(e.children, settingOf(c))
	}
	return e
}
