package fimxml

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
)

// The errors of the reference (sync-engine §3.11).
const (
	errRule      = "sync-rule-validation-parsing-error"
	errFlow      = "sync-rule-invalid-xml-attribute-flow"
	errScope     = "sync-rule-scoping-filter-invalid-xml"
	errOperator  = "sync-rule-scoping-filter-invalid-operator"
	errCriteria  = "sync-rule-invalid-relationship-criteria-xml"
	errFunction  = "sync-rule-invalid-function-xml"
	noteNoPlace  = "no-counterpart"
	namespace    = "urn:metasync:rule"
	xmlNamespace = "http://www.w3.org/XML/1998/namespace"
)

// Bounds that no honest document comes near. The depth keeps the recursion over
// the tree small.
const (
	maxSize  = 32 << 20
	maxDepth = 250
)

// An element is an XML element with its place.
type element struct {
	xml.Name
	attributes []xml.Attr
	children   []*element
	chars      string // what is in it beside elements
	at         fault.Position
}

// fail returns an error at the element.
func (e *element) fail(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Position = e.at
	return err
}

// attribute returns an attribute without a namespace.
func (e *element) attribute(name string) (string, bool) { return e.attributeIn("", name) }

func (e *element) attributeIn(space, name string) (string, bool) {
	for _, a := range e.attributes {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// text returns the text of an element: without blanks around it, which come from
// the layout, unless it says xml:space="preserve".
func (e *element) text() string {
	if space, _ := e.attributeIn(xmlNamespace, "space"); space == "preserve" {
		return e.chars
	}
	return strings.TrimSpace(e.chars)
}

// child returns the first child of a name, nil if there is none.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.Space == "" && c.Local == name {
			return c
		}
	}
	return nil
}

// parse reads a document. Namespaces that it uses for FIM's own elements are
// dropped. The error is a *fault.Error.
func parse(file string, data []byte) (*element, error) {
	start := fault.Position{File: file, Line: 1, Column: 1}
	if len(data) > maxSize {
		err := fault.New(errRule, "the file is larger than %d MiB", maxSize>>20)
		err.Position = start
		return nil, err
	}
	decoder := xml.NewDecoder(bytes.NewReader(fromUTF16(data)))
	decoder.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-16", "utf-16le", "utf-16be", "us-ascii", "unicode":
			return input, nil // it is UTF-8 by now
		}
		return nil, fmt.Errorf("the encoding %q is not known; save the file as UTF-8", charset)
	}
	document := &element{at: start}
	open := []*element{document}
	for {
		line, column := decoder.InputPos()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, column = decoder.InputPos()
			named := fault.New(errRule, "not XML: %s", message(err))
			named.Position = fault.Position{File: file, Line: line, Column: max(column, 1)} // 0 after a line end
			return nil, named
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Space != namespace {
				t.Name.Space = ""
			}
			e := &element{Name: t.Name, attributes: t.Copy().Attr, at: fault.Position{File: file, Line: line, Column: column}}
			if len(open) > maxDepth {
				return nil, e.fail(errRule, "nested more than %d deep", maxDepth)
			}
			top.children = append(top.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.chars += string(t)
		}
	}
	if len(document.children) == 0 {
		return nil, document.fail(errRule, "there is no XML element in it")
	}
	return document, nil
}

func message(err error) string {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Msg
	}
	return strings.TrimPrefix(err.Error(), "xml: ")
}

// fromUTF16 returns a text that PowerShell wrote as UTF-16 in UTF-8, and any other
// as it is, without its mark.
func fromUTF16(data []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(data, []byte("\ufeff"))
	}
	var units []uint16
	for data = data[2:]; len(data) > 1; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	var out []byte
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return out
}

// inner returns the elements inside an element: its children, or what is escaped in
// its text. All that comes from a text has the place of the element, and an error the
// name.
func (e *element) inner(name string) ([]*element, error) {
	if len(e.children) > 0 || !strings.Contains(e.chars, "<") {
		return e.children, nil
	}
	fragment, err := parse("", []byte("<fragment>"+e.chars+"</fragment>"))
	if err != nil {
		return nil, e.fail(name, "%s", fault.As(err, name).Text)
	}
	fragment.move(e.at)
	return fragment.children[0].children, nil
}

func (e *element) move(to fault.Position) {
	e.at = to
	for _, c := range e.children {
		c.move(to)
	}
}
