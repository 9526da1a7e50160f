// Package xmltree reads XML that other programs wrote, as a tree whose elements know
// their place.
package xmltree

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

// Bounds that no honest document comes near. The depth keeps the recursion over
// the tree small.
const (
	maxSize  = 32 << 20
	maxDepth = 250
)

const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// An Element is an XML element with its place.
type Element struct {
	xml.Name
	Attributes []xml.Attr
	Children   []*Element
	Chars      string // what is in it beside elements
	At         fault.Position
}

// Parse reads a document, in UTF-8 or as PowerShell writes files, in UTF-16. What it
// returns is the document, whose first child is the root. Of the namespaces of elements only the given one is kept, "" is none. The
// error is a *[fault.Error] of the given name, with a place in the file.
func Parse(file string, data []byte, namespace, name string) (*Element, error) {
	document := &Element{At: fault.Position{File: file, Line: 1, Column: 1}}
	if len(data) > maxSize {
		return nil, document.Fail(name, "the file is larger than %d MiB", maxSize>>20)
	}
	decoder := xml.NewDecoder(bytes.NewReader(fromUTF16(data)))
	decoder.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-16", "utf-16le", "utf-16be", "us-ascii", "unicode":
			return input, nil // it is UTF-8 by now
		}
		return nil, fmt.Errorf("the encoding %q is not known; save the file as UTF-8", charset)
	}
	open := []*Element{document}
	for {
		line, column := decoder.InputPos()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line, column = decoder.InputPos()
			named := fault.New(name, "not XML: %s", message(err))
			named.Position = fault.Position{File: file, Line: line, Column: max(column, 1)} // 0 after a line end
			return nil, named
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Space != namespace {
				t.Name.Space = ""
			}
			e := &Element{Name: t.Name, Attributes: t.Copy().Attr, At: fault.Position{File: file, Line: line, Column: column}}
			if len(open) > maxDepth {
				return nil, e.Fail(name, "nested more than %d deep", maxDepth)
			}
			top.Children = append(top.Children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.Chars += string(t)
		}
	}
	if len(document.Children) == 0 {
		return nil, document.Fail(name, "there is no XML element in it")
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

// Fail returns an error at the element.
func (e *Element) Fail(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Position = e.At
	return err
}

// Attribute returns an attribute without a namespace.
func (e *Element) Attribute(name string) (string, bool) { return e.AttributeIn("", name) }

// AttributeIn returns an attribute of a namespace, "" is none.
func (e *Element) AttributeIn(space, name string) (string, bool) {
	for _, a := range e.Attributes {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// Text returns the text of an element: without blanks around it, which come from
// the layout, unless it says xml:space="preserve".
func (e *Element) Text() string {
	if space, _ := e.AttributeIn(xmlNamespace, "space"); space == "preserve" {
		return e.Chars
	}
	return strings.TrimSpace(e.Chars)
}

// Child returns the first child of a name without a namespace, nil if there is none.
func (e *Element) Child(name string) *Element {
	for _, c := range e.Children {
		if c.Space == "" && c.Local == name {
			return c
		}
	}
	return nil
}

// Move gives an element and all in it another place.
func (e *Element) Move(to fault.Position) {
	e.At = to
	for _, c := range e.Children {
		c.Move(to)
	}
}
