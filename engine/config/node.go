package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

// A node is a value in a configuration file. Aliases share the node of their
// anchor.
type node struct {
	kind  nodeKind
	at    fault.Position
	start fault.Position // text: of the first character inside quotes or block

	text    string     // scalars; of a text, after ${} was replaced
	written string     // scalars; before
	marks   expr.Marks // of an expression: as converter.marks

	pairs []pair  // mapping
	items []*node // list

	size int // how many nodes it stands for
}

// A pair is a key of a mapping and its value.
type pair struct {
	key   string
	at    fault.Position
	value *node
}

// A nodeKind is what YAML knows a value to be.
type nodeKind int

const (
	nullNode nodeKind = iota
	textNode
	numberNode
	booleanNode
	listNode
	mappingNode
)

var nodeKinds = [...]string{"nothing", "a text", "a number", "true or false", "a list", "a mapping"}

func (k nodeKind) String() string { return nodeKinds[k] }

// get returns the value of a key, nil if the mapping has no such key.
func (n *node) get(key string) *node {
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}

// Limits that no honest configuration comes near.
const (
	maxFile  = 8 << 20 // bytes of one file
	maxNodes = 1 << 20 // values of one file, aliases counted as what they stand for
	maxDepth = 100     // brackets within brackets
	maxNest  = 1000    // column up to which a "-" or "?" may stand
)

// parse turns a file into nodes. It returns nil after a problem that leaves
// nothing to look at; an empty file is an empty mapping.
func (l *loader) parse(file string, data []byte) *node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	c := &converter{loader: l, file: file, anchors: map[string]*node{}}
	if len(data) > maxFile {
		l.fail(c.position(nil), "the file is larger than %d MiB", maxFile>>20)
		return nil
	}
	if !utf8.Valid(data) {
		l.fail(c.invalidUTF8(data), "the file is not UTF-8 text")
		return nil
	}
	c.lines = strings.Split(string(data), "\n")
	tree, err := parseYAML(data)
	if err != nil {
		c.syntaxError(err)
		return nil
	}
	var root *node
	for _, document := range tree.Docs {
		switch body := document.Body.(type) {
		case nil:
		case *ast.DirectiveNode:
		default:
			n := c.node(body)
			if root != nil {
				l.fail(n.at, "the file holds more than one document")
				return nil
			}
			root = n
		}
	}
	if root == nil || root.kind == nullNode {
		root = &node{kind: mappingNode, at: c.position(nil)}
	}
	return root
}

// parseYAML parses a file. The parser works by recursion, so what is nested
// absurdly deep is refused beforehand; a panic of it is an error like another.
func parseYAML(data []byte) (tree *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot make sense of the file: %v", p)
		}
	}()
	tokens := lexer.Tokenize(string(data))
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Column > maxNest {
				depth = maxDepth + 1
			}
		}
		if depth > maxDepth {
			return nil, &yaml.SyntaxError{Message: "too deeply nested", Token: t}
		}
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// A converter turns the syntax tree of one file into nodes.
type converter struct {
	*loader
	file    string
	lines   []string
	anchors map[string]*node // nil while the anchor's own value is converted
	size    int              // nodes so far
}

func (c *converter) position(t *token.Token) fault.Position {
	if t == nil || t.Position == nil {
		return fault.Position{File: c.file, Line: 1, Column: 1}
	}
	return fault.Position{File: c.file, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

func (c *converter) invalidUTF8(data []byte) fault.Position {
	at := c.position(nil)
	for len(data) > 0 {
		r, width := utf8.DecodeRune(data)
		if r == utf8.RuneError && width == 1 {
			break
		}
		at.Column++
		if r == '\n' {
			at.Line, at.Column = at.Line+1, 1
		}
		data = data[width:]
	}
	return at
}

// syntaxError reports an error of the YAML parser without the piece of the file
// that the parser adds to it.
func (c *converter) syntaxError(err error) {
	var detailed yaml.Error
	if !errors.As(err, &detailed) {
		c.fail(c.position(nil), "not YAML: %s", err)
		return
	}
	at := c.position(detailed.GetToken())
	problem := c.fail(at, "not YAML: %s", detailed.GetMessage())
	if at.Line <= len(c.lines) && strings.Contains(c.lines[at.Line-1], ": =") {
		problem.Hint = "put an expression that holds `: ` or ` #` in single quotes"
	}
}

// node converts one value. It never returns nil.
func (c *converter) node(a ast.Node) *node {
	if a == nil {
		return c.leaf(nullNode, nil, "")
	}
	switch a := a.(type) {
	case *ast.MappingNode:
		return c.mapping(a.GetToken(), a.IsFlowStyle, a.Values)
	case *ast.MappingValueNode:
		return c.mapping(a.GetToken(), false, []*ast.MappingValueNode{a})
	case *ast.SequenceNode:
		return c.list(a)
	case *ast.StringNode:
		return c.str(a)
	case *ast.LiteralNode:
		return c.block(a)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return c.leaf(numberNode, a.GetToken(), a.GetToken().Value)
	case *ast.BoolNode:
		return c.leaf(booleanNode, a.GetToken(), strings.ToLower(a.GetToken().Value))
	case *ast.NullNode:
		return c.leaf(nullNode, a.GetToken(), "")
	case *ast.AnchorNode:
		return c.anchor(a)
	case *ast.AliasNode:
		return c.alias(a)
	case *ast.TagNode:
		c.fail(c.position(a.GetToken()), "tags such as %s are not supported; put a text in quotes", a.GetToken().Value)
		return c.node(a.Value)
	}
	c.fail(c.position(a.GetToken()), "not a value")
	return c.leaf(nullNode, a.GetToken(), "")
}

func (c *converter) leaf(kind nodeKind, t *token.Token, value string) *node {
	at := c.position(t)
	c.grow(1, at)
	return &node{kind: kind, at: at, start: at, text: value, written: value, size: 1}
}

// grow counts nodes, and says so once when there are too many.
func (c *converter) grow(n int, at fault.Position) (ok bool) {
	before := c.size
	c.size = min(c.size+n, maxNodes+1)
	if before <= maxNodes && c.size > maxNodes {
		c.fail(at, "the file stands for more than %d values", maxNodes)
	}
	return c.size <= maxNodes
}

func (c *converter) str(a *ast.StringNode) *node {
	n := c.leaf(textNode, a.Token, a.Value)
	quoted := unquoted
	switch a.Token.Type {
	case token.SingleQuoteType:
		quoted = singleQuoted
	case token.DoubleQuoteType:
		quoted = doubleQuoted
	}
	if quoted != unquoted {
		n.start.Column++
	}
	c.complete(n, quoted)
	return n
}

// block converts a text that stands on lines of its own, after | or >.
func (c *converter) block(a *ast.LiteralNode) *node {
	value := ""
	if a.Value != nil {
		value = a.Value.Value
	}
	n := c.leaf(textNode, a.Start, value)
	for i := n.at.Line; i < len(c.lines); i++ {
		if trimmed := strings.TrimLeft(c.lines[i], " "); strings.TrimSpace(trimmed) != "" {
			n.start.Line, n.start.Column = i+1, len(c.lines[i])-len(trimmed)+1
			break
		}
	}
	c.complete(n, unquoted)
	return n
}

// complete replaces the ${} in a text. Where each character of an expression
// stands is known if there are none.
func (c *converter) complete(n *node, q quoting) {
	n.text = c.expand(n.written, n.at)
	if n.text == n.written && strings.HasPrefix(n.text, "=") {
		n.marks = c.marks(n, q)
	}
}

func (c *converter) list(a *ast.SequenceNode) *node {
	n := &node{kind: listNode, at: c.position(a.GetToken()), size: 1}
	n.start = n.at
	for _, item := range a.Values {
		child := c.node(item)
		if last := len(n.items) - 1; last >= 0 && a.IsFlowStyle && continues(n.items[last], child) {
			n.items[last].extend(child)
			continue
		}
		n.items = append(n.items, child)
		n.size += child.size
	}
	c.grow(1, n.at)
	return n
}

func (c *converter) mapping(t *token.Token, flow bool, values []*ast.MappingValueNode) *node {
	n := &node{kind: mappingNode, at: c.position(t), size: 1}
	if !flow && len(values) > 0 && values[0].Key != nil {
		n.at = c.position(values[0].Key.GetToken())
	}
	n.start = n.at
	c.grow(1, n.at)
	seen := make(map[string]fault.Position, len(values))
	var merged []*node
	for _, value := range values {
		if value.Key == nil {
			c.fail(n.at, "a key is missing")
			continue
		}
		at := c.position(value.Key.GetToken())
		if value.Key.IsMergeKey() {
			merged = append(merged, c.node(value.Value))
			continue
		}
		key, ok := keyText(value.Key)
		if !ok {
			c.fail(at, "a key must be a text")
			continue
		}
		child := c.node(value.Value)
		if first, duplicate := seen[key]; duplicate {
			c.fail(at, "key %q is already given at %s", key, first)
			continue
		}
		seen[key] = at
		n.pairs = append(n.pairs, pair{key, at, child})
		n.size += child.size
	}
	for _, from := range merged {
		c.merge(n, from, seen)
	}
	return n
}

// merge adds the keys of a << that the mapping itself does not have.
func (c *converter) merge(n, from *node, seen map[string]fault.Position) {
	switch from.kind {
	case listNode:
		for _, item := range from.items {
			c.merge(n, item, seen)
		}
	case mappingNode:
		for _, p := range from.pairs {
			if _, known := seen[p.key]; !known {
				seen[p.key] = p.at
				n.pairs = append(n.pairs, p)
				n.size += p.value.size
			}
		}
	default:
		c.fail(from.at, "<< wants a mapping, not %s", from.kind)
	}
}

// keyText returns the text of a plain or quoted key.
func keyText(key ast.MapKeyNode) (string, bool) {
	if k, ok := key.(*ast.MappingKeyNode); ok {
		scalar, ok := k.Value.(ast.MapKeyNode)
		if !ok {
			return "", false
		}
		key = scalar
	}
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return key.GetToken().Value, true
	}
	return "", false
}

func (c *converter) anchor(a *ast.AnchorNode) *node {
	name := tokenText(a.Name)
	c.anchors[name] = nil
	n := c.node(a.Value)
	c.anchors[name] = n
	return n
}

func (c *converter) alias(a *ast.AliasNode) *node {
	at := c.position(a.GetToken())
	name := tokenText(a.Value)
	n, known := c.anchors[name]
	switch {
	case !known:
		problem := c.fail(at, "no anchor &%s stands before this alias", name)
		problem.Hint = "put a text that begins with * in quotes"
	case n == nil:
		c.fail(at, "alias *%s stands inside its own anchor", name)
	case c.grow(n.size, at):
		return n
	}
	return &node{at: at, start: at, size: 1}
}

func tokenText(a ast.Node) string {
	if a == nil || a.GetToken() == nil {
		return ""
	}
	return a.GetToken().Value
}
