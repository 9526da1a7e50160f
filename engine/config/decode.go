package config

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// The decoder fills Go values from nodes. What a key is called, whether it must
// be given, what it may hold and what it means stands in the tags of a field:
//
//	Mode string `yaml:"mode,required" oneof:"fast safe" default:"safe" doc:"How it goes."`
//
// Most types are filled by their kind. A type with a notation of its own is a
// [form]; a struct that wants more than its fields can say is [checked].

// A form is a type that reads its own notation and describes it.
type form interface {
	decode(l *loader, n *node)
	schema(g *generator) *jsonschema.Schema
}

// checked is a struct with rules about its keys beyond their types: check finds
// what breaks them, refine says the same to the schema.
type checked interface {
	check(l *loader, n *node)
	refine(s *jsonschema.Schema)
}

// A field is a key of a struct.
type field struct {
	name     string
	doc      string
	preset   string // default value, as YAML
	oneOf    []string
	required bool
	index    []int
	typ      reflect.Type
}

// fieldsOf lists the keys of a struct type, those of embedded structs included.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
		case name == "" || name == "-" || !f.IsExported():
		default:
			fields = append(fields, field{
				name: name, doc: f.Tag.Get("doc"), preset: f.Tag.Get("default"),
				oneOf: oneOf(f.Tag), required: option == "required",
				index: []int{i}, typ: f.Type,
			})
		}
	}
	return fields
}

func oneOf(tag reflect.StructTag) []string {
	if values, ok := tag.Lookup("oneof"); ok {
		return strings.Fields(values)
	}
	return nil
}

// ours reports whether a type belongs to this package, so that the defaults in
// its tags are put into effect. Those of an agent's settings are set by the
// agent, and only shown.
func ours(t reflect.Type) bool { return t.PkgPath() == reflect.TypeFor[keys]().PkgPath() }

// preset gives the fields of one of our structs their defaults.
func (l *loader) preset(v reflect.Value) {
	if v.Kind() != reflect.Struct || !ours(v.Type()) {
		return
	}
	for _, f := range fieldsOf(v.Type()) {
		target := v.FieldByIndex(f.index)
		switch {
		case f.preset != "":
			l.decode(l.parse("default of "+f.name, []byte(f.preset)), target, f.oneOf)
		default:
			l.preset(target)
		}
	}
}

// decode fills a value from a node. What does not fit is a problem and leaves
// the value, or that part of it, as it was. A text must be one of oneOf, if that
// is not empty.
func (l *loader) decode(n *node, v reflect.Value, oneOf []string) {
	if f, ok := v.Addr().Interface().(form); ok {
		f.decode(l, n)
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		if d, ok := l.duration(n); ok {
			*p = d
		}
		return
	case *agent.Path:
		if l.nonEmpty(n) {
			*p = agent.Path(l.path(n.text))
		}
		return
	case *agent.Secret:
		switch {
		case !l.nonEmpty(n):
		case !isReference.MatchString(n.written):
			l.fail(n.at, "a secret must not stand in the configuration").Hint = "write ${env:NAME} or ${file:PATH}"
		default:
			*p = agent.Secret(n.text)
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if oneOf == nil && l.want(n, textNode) || oneOf != nil && l.choice(n, oneOf) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if l.want(n, booleanNode) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		l.integer(n, v)
	case reflect.Float64:
		if x, err := strconv.ParseFloat(n.text, 64); l.want(n, numberNode) {
			if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
				l.fail(n.at, "%s is not a number that can be used here", n.written)
				return
			}
			v.SetFloat(x)
		}
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		l.decode(n, target.Elem(), oneOf)
		v.Set(target)
	case reflect.Slice:
		if l.want(n, listNode) {
			items := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
			for i, item := range n.items {
				l.decode(item, items.Index(i), oneOf)
			}
			v.Set(items)
		}
	case reflect.Map:
		if l.wantMapping(n) {
			values := reflect.MakeMapWithSize(v.Type(), len(n.pairs))
			for _, p := range n.pairs {
				value := reflect.New(v.Type().Elem()).Elem()
				l.decode(p.value, value, oneOf)
				values.SetMapIndex(reflect.ValueOf(p.key).Convert(v.Type().Key()), value)
			}
			v.Set(values)
		}
	case reflect.Struct:
		l.object(n, v)
	case reflect.Interface:
		// Of an agent's settings: what it points to, or whatever is written.
		if v.IsNil() {
			if given := n.anything(); given != nil {
				v.Set(reflect.ValueOf(given))
			}
			return
		}
		l.decode(n, v.Elem().Elem(), oneOf)
	}
}

// anything returns what a node says as map[string]any, []any, string, int64, float64,
// bool or nil.
func (n *node) anything() any {
	switch n.kind {
	case textNode:
		return n.text
	case booleanNode:
		return n.text == "true"
	case numberNode:
		if x, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return x
		}
		if x, err := strconv.ParseFloat(n.text, 64); err == nil {
			return x
		}
		return n.text
	case listNode:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = item.anything()
		}
		return items
	case mappingNode:
		values := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			values[p.key] = p.value.anything()
		}
		return values
	}
	return nil
}

// object fills structs from the keys of one mapping, each key into the struct
// that has it. Unknown keys and missing ones are problems.
func (l *loader) object(n *node, targets ...reflect.Value) {
	type key struct {
		field
		target reflect.Value
	}
	var known []key
	for _, target := range targets {
		l.preset(target)
		for _, f := range fieldsOf(target.Type()) {
			known = append(known, key{f, target})
		}
	}
	if !l.wantMapping(n) {
		return
	}
	var names []string
	for _, k := range known {
		names = append(names, k.name)
		if k.required && n.get(k.name) == nil {
			l.fail(n.at, "key %q is missing", k.name)
		}
	}
	for _, p := range n.pairs {
		i := slices.Index(names, p.key)
		if i < 0 {
			l.fail(p.at, "unknown key %q%s", p.key, suggestion(p.key, names))
			continue
		}
		l.decode(p.value, known[i].target.FieldByIndex(known[i].index), known[i].oneOf)
	}
	for _, target := range targets {
		if c, ok := target.Addr().Interface().(checked); ok {
			c.check(l, n)
		}
	}
}

// fill decodes a node into the values that the pointers lead to: several structs
// share the keys of a mapping, see [loader.object].
func (l *loader) fill(n *node, pointers ...any) {
	targets := make([]reflect.Value, len(pointers))
	for i, p := range pointers {
		targets[i] = reflect.ValueOf(p).Elem()
	}
	if len(targets) == 1 && targets[0].Kind() != reflect.Struct {
		l.decode(n, targets[0], nil)
		return
	}
	l.object(n, targets...)
}

// want reports whether the node is of a kind, and notes a problem if not.
func (l *loader) want(n *node, kind nodeKind) bool {
	if n.kind == kind {
		return true
	}
	problem := l.fail(n.at, "want %s, not %s", kind, n.kind)
	if kind == textNode && (n.kind == numberNode || n.kind == booleanNode) {
		problem.Hint = "put it in quotes"
	}
	return false
}

// wantMapping is want for mappings; a key without a value is an empty one.
func (l *loader) wantMapping(n *node) bool {
	return n.kind == nullNode || l.want(n, mappingNode)
}

func (l *loader) nonEmpty(n *node) bool {
	if !l.want(n, textNode) {
		return false
	}
	if n.text == "" {
		l.fail(n.at, "must not be empty")
		return false
	}
	return true
}

// choice reports whether the node is a text of a list, and notes a problem if not.
func (l *loader) choice(n *node, oneOf []string) bool {
	switch {
	case n.kind != textNode:
		l.fail(n.at, "want one of %s, not %s", strings.Join(oneOf, ", "), n.kind)
	case !slices.Contains(oneOf, n.text):
		l.fail(n.at, "unknown value %q%s; want one of %s", n.written, suggestion(n.written, oneOf), strings.Join(oneOf, ", "))
	default:
		return true
	}
	return false
}

func (l *loader) integer(n *node, v reflect.Value) {
	if !l.want(n, numberNode) {
		return
	}
	x, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
	if err != nil {
		l.fail(n.at, "%s is not a whole number that can be used here", n.written)
		return
	}
	v.SetInt(x)
}

// suggestion returns "; did you mean ...?" if one of the candidates is near.
func suggestion(text string, candidates []string) string {
	if near := fault.Suggest(text, candidates); near != "" {
		return "; did you mean " + strconv.Quote(near) + "?"
	}
	return ""
}

// json returns the node as a JSON value.
func (n *node) json() json.RawMessage {
	switch n.kind {
	case numberNode, booleanNode:
		return json.RawMessage(n.text)
	case listNode:
		items := make([]json.RawMessage, len(n.items))
		for i, item := range n.items {
			items[i] = item.json()
		}
		data, _ := json.Marshal(items) // of valid JSON: cannot fail
		return data
	case textNode:
		data, _ := json.Marshal(n.text) // of a string: cannot fail
		return data
	}
	return json.RawMessage("null")
}
