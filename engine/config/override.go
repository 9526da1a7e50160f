package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// An Override changes a configuration before it is checked, as a script may. It
// sees and says what a file would: texts of ${} are not replaced yet.
type Override struct {
	Position fault.Position // of whoever changes it: the place of what it sets

	// Apply gets the whole configuration as a JSON object, with the keys in the
	// order of the file, and returns it as it shall be.
	Apply func(document []byte) ([]byte, error)
}

// fixedKeys say where the overrides themselves come from, and what they would give
// themselves: access to the network.
var fixedKeys = []string{"include", "state", "scripts", "scripting", "lookups", "notify"}

// A Base is what must be known of a configuration before its scripts can be loaded.
type Base struct {
	Dir       string // absolute path of its folder
	State     string // absolute path of the folder of the store
	Scripts   string // absolute path of the scripts folder
	Scripting Scripting
	Lookups   []Lookup
	Secrets   []string // as in [Config]
}

// LoadBase reads a configuration no further than its scripts need. Only what cannot
// be read at all is an error; everything else is for [Load] to say, which scripts
// may yet put right.
func LoadBase(path string, opts Options) (Base, error) {
	opts.Overrides = []Override{}
	l, _, err := open(path, opts)
	if err != nil {
		return Base{}, err
	}
	if len(l.problems) > 0 {
		return Base{}, l.err()
	}
	k := l.decodeTree()
	return Base{
		Dir: l.dir, State: string(k.State), Scripts: string(k.Scripts),
		Scripting: k.Scripting, Lookups: l.lookups(k.Lookups), Secrets: l.secrets,
	}, nil
}

// decodeTree decodes everything that was written, as if one file held it.
func (l *loader) decodeTree() *keys {
	k := &keys{}
	l.preset(reflect.ValueOf(k).Elem())
	l.decode(&l.tree, reflect.ValueOf(k).Elem(), nil)
	return k
}

// override lets the overrides change the tree, one after the other.
func (l *loader) override() *keys {
	for _, o := range l.Overrides {
		answer, err := o.Apply(l.tree.document())
		var changed *node
		if err == nil {
			changed, err = parseDocument(answer)
		}
		if err != nil {
			for _, problem := range fault.All(err) {
				e := fault.As(problem, errorName)
				if e.Position.IsZero() {
					e.Position = o.Position
				}
				l.problems = append(l.problems, e)
			}
			continue
		}
		for _, key := range fixedKeys {
			before, after := l.tree.get(key), changed.get(key)
			if (before == nil) != (after == nil) || before != nil && !same(before, after) {
				l.fail(o.Position, "a script cannot change %q", key)
			}
		}
		l.tree = *l.overlay(&l.tree, changed, "", o.Position)
	}
	if len(l.problems) > 0 {
		return nil
	}
	return l.decodeTree()
}

// document writes a node as JSON, texts as they were written.
func (n *node) document() []byte {
	var b bytes.Buffer
	n.writeJSON(&b)
	return b.Bytes()
}

func (n *node) writeJSON(b *bytes.Buffer) {
	text := func(s string) {
		quoted, _ := json.Marshal(s) // a text can always be written
		b.Write(quoted)
	}
	switch n.kind {
	case nullNode:
		b.WriteString("null")
	case booleanNode:
		b.WriteString(n.text)
	case numberNode:
		if json.Valid([]byte(n.written)) {
			b.WriteString(n.written)
			return
		}
		text(n.written)
	case textNode:
		text(n.written)
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.writeJSON(b)
		}
		b.WriteByte(']')
	case mappingNode:
		b.WriteByte('{')
		for i, p := range n.pairs {
			if i > 0 {
				b.WriteByte(',')
			}
			text(p.key)
			b.WriteByte(':')
			p.value.writeJSON(b)
		}
		b.WriteByte('}')
	}
}

// parseDocument reads a JSON object into nodes without places.
func parseDocument(data []byte) (*node, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	n, err := decodeNode(decoder, 0)
	if err == nil {
		_, err = decoder.Token()
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return nil, fault.New(errorName, "what the configuration was changed to cannot be read: %s", err)
	}
	if n.kind != mappingNode {
		return nil, fault.New(errorName, "the configuration was changed to %s", n.kind)
	}
	return n, nil
}

func decodeNode(d *json.Decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("too deeply nested")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	n := &node{size: 1}
	switch t := t.(type) {
	case nil:
		n.kind = nullNode
	case bool:
		n.kind, n.written = booleanNode, strconv.FormatBool(t)
	case json.Number:
		n.kind, n.written = numberNode, t.String()
	case string:
		n.kind, n.written = textNode, t
	case json.Delim:
		n.kind = listNode
		if t == '{' {
			n.kind = mappingNode
		}
		for d.More() {
			key := ""
			if n.kind == mappingNode {
				t, err := d.Token()
				if err != nil {
					return nil, err
				}
				key, _ = t.(string)
			}
			value, err := decodeNode(d, depth+1)
			if err != nil {
				return nil, err
			}
			n.size += value.size
			if n.kind == mappingNode {
				n.pairs = append(n.pairs, pair{key: key, value: value})
			} else {
				n.items = append(n.items, value)
			}
		}
		if _, err := d.Token(); err != nil { // the bracket that closes it
			return nil, err
		}
	}
	n.text = n.written
	return n, nil
}

// same reports whether two nodes say the same; keys may be in another order.
func same(a, b *node) bool {
	if a.kind == numberNode && b.kind == textNode {
		return a.written == b.written // JSON has no such number
	}
	if a.kind != b.kind || len(a.pairs) != len(b.pairs) || len(a.items) != len(b.items) {
		return false
	}
	switch a.kind {
	case numberNode:
		x, errX := strconv.ParseFloat(a.written, 64)
		y, errY := strconv.ParseFloat(b.written, 64)
		return a.written == b.written || errX == nil && errY == nil && x == y
	case textNode:
		return a.written == b.written
	case booleanNode:
		return a.text == b.text
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	for _, p := range a.pairs {
		if other := b.get(p.key); other == nil || !same(p.value, other) {
			return false
		}
	}
	return true
}

// overlay returns what an override made of a node: what it left is where it was, and
// what it changed is at its place.
func (l *loader) overlay(before, after *node, path string, at fault.Position) *node {
	switch {
	case same(before, after):
		return before
	case before.kind == mappingNode && after.kind == mappingNode:
		n := *before
		n.pairs = nil
		for _, p := range before.pairs {
			inner := joinPath(path, p.key)
			if value := after.get(p.key); value != nil {
				n.pairs = append(n.pairs, pair{p.key, p.at, l.overlay(p.value, value, inner, at)})
			} else {
				l.overridden[inner] = overridden{at, p.value}
			}
		}
		for _, p := range after.pairs {
			if before.get(p.key) == nil {
				inner := joinPath(path, p.key)
				l.overridden[inner] = overridden{at, nil}
				n.pairs = append(n.pairs, pair{p.key, at, l.stamp(p.value, at)})
			}
		}
		return &n
	case before.kind == listNode && after.kind == listNode:
		n := *before
		n.items = make([]*node, len(after.items))
		left := slices.Clone(before.items)
		for i, item := range after.items {
			inner := joinPath(path, itemName(item, i))
			if j := slices.IndexFunc(left, func(old *node) bool { return same(old, item) || sameName(old, item) }); j >= 0 {
				n.items[i] = l.overlay(left[j], item, inner, at)
				left = slices.Delete(left, j, j+1)
				continue
			}
			l.overridden[inner] = overridden{at, nil}
			n.items[i] = l.stamp(item, at)
		}
		for i, old := range left {
			l.overridden[joinPath(path, itemName(old, len(after.items)+i))] = overridden{at, old}
		}
		return &n
	}
	l.overridden[path] = overridden{at, before}
	return l.stamp(after, at)
}

// sameName reports whether two items of a list, such as rules, have the same name.
func sameName(a, b *node) bool {
	x, y := a.get("name"), b.get("name")
	return x != nil && y != nil && x.kind == textNode && x.written == y.written
}

// itemName is how an item of a list is called in a path: by its name if it has one.
func itemName(n *node, i int) string {
	if name := n.get("name"); name != nil && name.kind == textNode {
		return name.written
	}
	return strconv.Itoa(i + 1)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// stamp gives new nodes their place, and replaces ${} in their texts.
func (l *loader) stamp(n *node, at fault.Position) *node {
	n.at, n.start = at, at
	if n.kind == textNode {
		n.text = l.expand(n.written, at)
	}
	for _, item := range n.items {
		l.stamp(item, at)
	}
	for i := range n.pairs {
		n.pairs[i].at = at
		l.stamp(n.pairs[i].value, at)
	}
	return n
}

// An overridden value is one that an override set or removed.
type overridden struct {
	at  fault.Position
	was *node // nil if there was none
}

// A Setting is a value of a configuration, and where it comes from. Its JSON form is
// the public one.
type Setting struct {
	Path  string `json:"path"`            // its keys, such as agents.HR.import
	Value string `json:"value,omitempty"` // as it is written; "" if it was removed
	From  string `json:"from"`            // file:line:column
	Was   string `json:"was,omitempty"`   // what it was before a script changed it
	By    string `json:"by"`              // file or script
}

// Settings loads a configuration and returns all that is written in it, in the order
// of the file, with what overrides made of it. Values of ${} are not replaced. The
// error is that of [Load].
func Settings(path string, opts Options) ([]Setting, error) {
	_, l, err := load(path, opts)
	if err != nil {
		return nil, err
	}
	out := []Setting{}
	l.settings(&l.tree, "", nil, &out)
	var removed []Setting
	for path, o := range l.overridden {
		if o.was != nil && !slices.ContainsFunc(out, func(s Setting) bool { return s.Path == path || strings.HasPrefix(s.Path, path+".") }) {
			removed = append(removed, Setting{Path: path, From: l.place(o.at), Was: shownValue(o.was), By: "script"})
		}
	}
	slices.SortFunc(removed, func(a, b Setting) int { return strings.Compare(a.Path, b.Path) })
	return append(out, removed...), nil
}

func (l *loader) settings(n *node, path string, by *overridden, out *[]Setting) {
	if o, ok := l.overridden[path]; ok {
		by = &o
	}
	switch {
	case n.kind == mappingNode && len(n.pairs) > 0:
		for _, p := range n.pairs {
			l.settings(p.value, joinPath(path, p.key), by, out)
		}
		return
	case n.kind == listNode && slices.ContainsFunc(n.items, func(item *node) bool { return item.kind == mappingNode }):
		for i, item := range n.items {
			l.settings(item, joinPath(path, itemName(item, i)), by, out)
		}
		return
	}
	s := Setting{Path: path, Value: shownValue(n), From: l.place(n.at), By: "file"}
	if by != nil {
		if s.By = "script"; by.was != nil && by.was.kind != mappingNode {
			s.Was = shownValue(by.was)
		}
	}
	*out = append(*out, s)
}

// place writes a place relative to the folder of the configuration, as messages do.
func (l *loader) place(at fault.Position) string {
	if relative, err := filepath.Rel(l.base, at.File); err == nil && filepath.IsLocal(relative) {
		at.File = relative
	}
	return at.String()
}

// shownValue writes a value in one line: a text as it is, everything else in YAML.
func shownValue(n *node) string {
	if n.kind == textNode {
		return n.written
	}
	return lineOf(n)
}

// lineOf writes a node in one line of YAML.
func lineOf(n *node) string {
	switch n.kind {
	case textNode:
		return scalar(n.written, inlinePlain)
	case listNode:
		text := "["
		for i, item := range n.items {
			if i > 0 {
				text += ", "
			}
			text += lineOf(item)
		}
		return text + "]"
	case mappingNode:
		text := "{"
		for i, p := range n.pairs {
			if i > 0 {
				text += ", "
			}
			text += nameText(p.key) + ": " + lineOf(p.value)
		}
		return text + "}"
	case nullNode:
		return "null"
	}
	return n.written
}
