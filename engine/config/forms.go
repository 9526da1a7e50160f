package config

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// The forms that several parts of a configuration use.

// A word is a text that is not empty, and its place.
type word struct {
	text    string
	written string // before ${} was replaced: for messages
	at      fault.Position
}

func (w *word) decode(l *loader, n *node) {
	if l.nonEmpty(n) {
		*w = word{n.text, n.written, n.at}
	}
}

func (w *word) schema(*generator) *jsonschema.Schema { return textSchema() }

// words returns the texts alone.
func words(list []word) []string {
	var out []string
	for _, w := range list {
		out = append(out, w.text)
	}
	return out
}

// unique notes the words of a list that it holds twice.
func (l *loader) unique(list []word) {
	for i, w := range list {
		if w.text != "" && slices.ContainsFunc(list[:i], func(x word) bool { return x.text == w.text }) {
			l.fail(w.at, "%q is listed twice", w.written)
		}
	}
}

// named is a mapping from names that the administrator chooses, in the order of
// the file.
type named[T any] []entry[T]

type entry[T any] struct {
	name  string
	at    fault.Position
	value T
}

var namePattern = regexp.MustCompile(`^\S([^\r\n]*\S)?$`)

func (m *named[T]) decode(l *loader, n *node) {
	if !l.wantMapping(n) {
		return
	}
	for _, p := range n.pairs {
		if !namePattern.MatchString(p.key) {
			l.fail(p.at, "%q is not a name: it is empty, begins or ends with a space, or is longer than a line", p.key)
			continue
		}
		e := entry[T]{name: p.key, at: p.at}
		l.decode(p.value, reflect.ValueOf(&e.value).Elem(), nil)
		*m = append(*m, e)
	}
}

func (m *named[T]) schema(g *generator) *jsonschema.Schema {
	return &jsonschema.Schema{
		Types:                []string{"object", "null"},
		PropertyNames:        &jsonschema.Schema{Pattern: namePattern.String()},
		AdditionalProperties: g.of(reflect.TypeFor[T](), nil),
	}
}

// names lists the names.
func (m named[T]) names() []string {
	out := make([]string, len(m))
	for i := range m {
		out[i] = m[i].name
	}
	return out
}

// get returns the value of a name, nil if there is none.
func (m named[T]) get(name string) *T {
	for i := range m {
		if m[i].name == name {
			return &m[i].value
		}
	}
	return nil
}

// Durations.

var durationPattern = regexp.MustCompile(`^([0-9]{1,5}d)?(([0-9]+(\.[0-9]+)?(h|ms|m|s))+)?$`)

// duration reads a length of time such as 30d or 1h30m; a day has 24 hours.
func (l *loader) duration(n *node) (d time.Duration, ok bool) {
	const form = "a length of time such as 30s, 15m, 1h30m or 30d"
	if n.kind != textNode {
		l.fail(n.at, "want %s, not %s", form, n.kind)
		return 0, false
	}
	parts := durationPattern.FindStringSubmatch(n.text)
	if n.text == "" || parts == nil {
		l.fail(n.at, "%q is not %s", n.written, form)
		return 0, false
	}
	var total time.Duration
	if parts[1] != "" {
		days, _ := strconv.Atoi(strings.TrimSuffix(parts[1], "d")) // five digits at most
		total = time.Duration(days) * 24 * time.Hour
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || total+rest < 0 {
			l.fail(n.at, "%q is too long", n.written)
			return 0, false
		}
		total += rest
	}
	return total, true
}

// An interval is a length of time that is longer than nothing.
type interval struct {
	length  time.Duration
	written string
}

func (i *interval) decode(l *loader, n *node) {
	length, ok := l.duration(n)
	if ok && length == 0 {
		l.fail(n.at, "must be longer than nothing")
	}
	*i = interval{length, n.written}
}

func (i *interval) schema(g *generator) *jsonschema.Schema {
	return g.duration()
}

func (g *generator) duration() *jsonschema.Schema {
	return g.define("duration", &jsonschema.Schema{
		Description: "A length of time: numbers with the units d, h, m, s, ms, such as 15m or 1h30m.",
		AnyOf: []*jsonschema.Schema{
			{Type: "string", MinLength: ptr(1), Pattern: durationPattern.String()},
			g.reference(),
		},
	})
}

// An attributeType is a data type; [] after it makes an attribute multi-valued.
type attributeType struct {
	Type  identity.Type
	Multi bool
}

var stringType = attributeType{Type: identity.TypeString}

func attributeTypes() []string {
	var names []string
	for t := identity.TypeString; t <= identity.TypeReference; t++ {
		names = append(names, t.String(), t.String()+"[]")
	}
	return names
}

func (t *attributeType) decode(l *loader, n *node) {
	if !l.choice(n, attributeTypes()) {
		return
	}
	name, multi := strings.CutSuffix(n.text, "[]")
	t.Type, _ = identity.ParseType(name) // one of those above
	t.Multi = multi
}

func (t *attributeType) schema(g *generator) *jsonschema.Schema {
	s := g.choice(attributeTypes())
	s.Description = "The data type of an attribute; [] makes it multi-valued."
	return g.define("type", s)
}

// A constant is a text; numbers and booleans may stand without quotes.
type constant struct {
	text string
	at   fault.Position
	set  bool
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func (c *constant) decode(l *loader, n *node) {
	switch n.kind {
	case textNode, booleanNode:
	case numberNode:
		if !plainNumber.MatchString(n.text) {
			l.fail(n.at, "%s may be meant as a number or as a text", n.written).Hint = "put it in quotes to keep it as it is"
			return
		}
	default:
		l.fail(n.at, "want a text, a number, true or false, not %s", n.kind)
		return
	}
	*c = constant{n.text, n.at, true}
}

func (c *constant) schema(*generator) *jsonschema.Schema {
	return &jsonschema.Schema{Types: []string{"string", "number", "boolean"}}
}

// A parameter is a constant of expressions: a text, a whole number, true or false.
type parameter struct{ value any }

func (p *parameter) decode(l *loader, n *node) {
	var c constant
	if c.decode(l, n); !c.set {
		return
	}
	p.value = c.text
	switch n.kind {
	case booleanNode:
		p.value = n.text == "true"
	case numberNode:
		whole, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil {
			l.fail(n.at, "%s is not a whole number of 64 bits", n.written).Hint = "put it in quotes to keep it as text"
		}
		p.value = whole
	}
}

func (p *parameter) schema(*generator) *jsonschema.Schema {
	return &jsonschema.Schema{Types: []string{"string", "integer", "boolean"}}
}

// scriptChoice is {script: true}, where a decision is left to a script.
type scriptChoice struct {
	Script bool `yaml:"script,required" doc:"Always true: a script decides."`
}

func (s *scriptChoice) check(l *loader, n *node) {
	if given := n.get("script"); given != nil && given.kind == booleanNode && !s.Script {
		l.fail(given.at, "script can only be true")
	}
}

func (s *scriptChoice) refine(schema *jsonschema.Schema) { onlyTrue(schema, "script") }

// onlyTrue says that a boolean key cannot be false.
func onlyTrue(s *jsonschema.Schema, key string) {
	s.Properties[key].Const = ptr(any(true))
}

// given returns those of the keys that a mapping has.
func (n *node) given(keys ...string) []string {
	var out []string
	for _, key := range keys {
		if n.get(key) != nil {
			out = append(out, key)
		}
	}
	return out
}

// exactlyOne notes a problem unless the mapping has exactly one of the keys.
func (l *loader) exactlyOne(n *node, keys ...string) {
	switch given := n.given(keys...); len(given) {
	case 0:
		l.fail(n.at, "one of the keys %s is missing", strings.Join(keys, ", "))
	case 1:
	default:
		l.fail(n.at, "the keys %s exclude each other", strings.Join(given, " and "))
	}
}

// exactlyOneOf says the same to the schema.
func exactlyOneOf(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{key}})
	}
}

// excludes notes a problem if the mapping has a key beside one that it excludes.
func (l *loader) excludes(n *node, key, excluded string) {
	if n.get(key) != nil && n.get(excluded) != nil {
		l.fail(n.get(key).at, "the keys %s and %s exclude each other", excluded, key)
	}
}

// needs notes a problem if the mapping has a key without the one that it needs.
func (l *loader) needs(n *node, key, needed string) {
	if n.get(key) != nil && n.get(needed) == nil {
		l.fail(n.get(key).at, "%s has no meaning without %s", key, needed)
	}
}

// textSchema describes a text that is not empty.
func textSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", MinLength: ptr(1)}
}

func ptr[T any](v T) *T { return &v }

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
