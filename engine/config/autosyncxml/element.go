package autosyncxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// Bounds that no honest document comes near.
const (
	maxSize  = 32 << 20
	maxDepth = 100
)

// An element is an XML element with its place; namespaces do not count.
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
	fail := func(line, column int, text string) error {
		err := fault.New(malformed, "%s", text)
		err.Position = fault.Position{File: file, Line: line, Column: max(column, 1)}
		return err
	}
	if len(data) > maxSize {
		return nil, fail(1, 1, "the file is larger than 32 MiB")
	}
	decoder := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	document := &element{at: fault.Position{File: file, Line: 1, Column: 1}}
	open := []*element{document}
	for {
		line, column := decoder.InputPos()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, column = decoder.InputPos()
			return nil, fail(line, column, "not XML: "+strings.TrimPrefix(err.Error(), "XML "))
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return nil, fail(line, column, "elements are nested too deep")
			}
			e := &element{name: t.Name.Local, at: fault.Position{File: file, Line: line, Column: column}}
			for _, a := range t.Attr {
				switch {
				case a.Name.Local == "type" && a.Name.Space != "":
					e.kind = a.Value
				case a.Name.Space == "" && a.Name.Local != "xmlns": // some versions write settings so
					e.children = append(e.children, &element{name: a.Name.Local, text: a.Value, at: e.at})
				}
			}
			top.children = append(top.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(document.children) == 0 {
		return nil, fail(1, 1, "there is no XML element in it")
	}
	return document.children[0], nil
}
