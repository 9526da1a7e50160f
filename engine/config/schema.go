package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
)

// Schema returns the JSON Schema (draft 2020-12) of a configuration file,
// indented, for editors. It accepts what [Load] accepts, except for what only
// holds between several keys or files, such as that a name exists. The error
// tells what is wrong with a kind.
func Schema(kinds []agent.Kind) ([]byte, error) {
	root, err := generate(kinds)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(data, '\n'), nil
}

// checkKinds finds mistakes in the settings of agents, which are ours and not
// the administrator's.
func checkKinds(kinds []agent.Kind) error {
	_, err := generate(kinds)
	return err
}

func generate(kinds []agent.Kind) (*jsonschema.Schema, error) {
	g := &generator{kinds: kinds, defs: map[string]*jsonschema.Schema{}}
	for i := range kinds {
		g.checkKind(&kinds[i])
	}
	if len(g.errs) > 0 {
		return nil, errors.Join(g.errs...)
	}
	root := g.object(&keys{})
	if len(g.errs) > 0 {
		return nil, errors.Join(g.errs...)
	}
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "metasync configuration"
	root.Defs = g.defs
	return root, nil
}

// A generator describes types as schemas.
type generator struct {
	kinds []agent.Kind
	defs  map[string]*jsonschema.Schema
	errs  []error
}

// checkKind notes what would make the settings of a kind undecodable.
func (g *generator) checkKind(kind *agent.Kind) {
	fail := func(format string, args ...any) {
		g.errs = append(g.errs, fmt.Errorf("agent kind %q: "+format, append([]any{kind.Name}, args...)...))
	}
	if g.find(kind.Name) != kind {
		fail("registered twice")
	}
	check := func(what string, own any, common reflect.Type) {
		t := reflect.TypeOf(own)
		if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
			fail("%s is not a pointer to a struct", what)
			return
		}
		seen := map[string]bool{}
		for _, f := range fieldsOf(common) {
			seen[f.name] = true
		}
		for _, f := range fieldsOf(t.Elem()) {
			if seen[f.name] {
				fail("%s has key %q, which is taken", what, f.name)
			}
			seen[f.name] = true
		}
	}
	if kind.New == nil {
		fail("has no New")
		return
	}
	check("New", kind.New(), reflect.TypeFor[agentKeys]())
	if kind.NewObject != nil {
		check("NewObject", kind.NewObject(), reflect.TypeFor[objectKeys]())
	}
}

// find returns the first kind with a name.
func (g *generator) find(name string) *agent.Kind {
	for i := range g.kinds {
		if g.kinds[i].Name == name {
			return &g.kinds[i]
		}
	}
	return nil
}

// define gives a schema a name under $defs and returns a reference to it.
func (g *generator) define(name string, s *jsonschema.Schema) *jsonschema.Schema {
	name = strings.ReplaceAll(name, " ", "-")
	if g.defs[name] == nil {
		g.defs[name] = s
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + name}
}

// of describes a type as [loader.decode] reads it.
func (g *generator) of(t reflect.Type, oneOf []string) *jsonschema.Schema {
	switch v := reflect.New(t).Interface().(type) {
	case form:
		return v.schema(g)
	case *time.Duration:
		return g.duration()
	case *agent.Path:
		return textSchema()
	case *agent.Secret:
		return g.reference()
	}
	switch t.Kind() {
	case reflect.String:
		if oneOf != nil {
			return g.choice(oneOf)
		}
		return &jsonschema.Schema{Type: "string"}
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &jsonschema.Schema{Type: "integer"}
	case reflect.Float64:
		return &jsonschema.Schema{Type: "number"}
	case reflect.Pointer:
		return g.of(t.Elem(), oneOf)
	case reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: g.of(t.Elem(), oneOf)}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return &jsonschema.Schema{Types: []string{"object", "null"}, AdditionalProperties: g.of(t.Elem(), oneOf)}
		}
	case reflect.Struct:
		return g.object(reflect.New(t).Interface())
	case reflect.Interface: // whatever is written
		return &jsonschema.Schema{}
	}
	g.errs = append(g.errs, fmt.Errorf("a configuration key cannot have the type %s", t))
	return &jsonschema.Schema{}
}

// object describes the mapping that fills the structs, as [loader.object] does.
func (g *generator) object(pointers ...any) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Types:                []string{"object", "null"},
		Properties:           map[string]*jsonschema.Schema{},
		AdditionalProperties: never(),
	}
	for _, pointer := range pointers {
		v := reflect.ValueOf(pointer).Elem()
		for _, f := range fieldsOf(v.Type()) {
			typ := f.typ
			if typ.Kind() == reflect.Interface && !v.FieldByIndex(f.index).IsNil() {
				typ = v.FieldByIndex(f.index).Elem().Type().Elem()
			}
			p := g.of(typ, f.oneOf)
			p.Description = f.doc
			p.Default = g.preset(f.preset)
			s.Properties[f.name] = p
			s.PropertyOrder = append(s.PropertyOrder, f.name)
			if f.required {
				s.Required = append(s.Required, f.name)
			}
		}
	}
	if len(s.Required) > 0 {
		s.Type, s.Types = "object", nil
	}
	for _, pointer := range pointers {
		if c, ok := pointer.(checked); ok {
			c.refine(s)
		}
	}
	return s
}

// choice describes a text that is one of a list, or comes from elsewhere.
func (g *generator) choice(oneOf []string) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "string", Enum: anys(oneOf)},
		g.reference(),
	}}
}

// reference describes a text of which only the loader knows what it stands for.
func (g *generator) reference() *jsonschema.Schema {
	return g.define("reference", &jsonschema.Schema{
		Description: "A text in which ${env:NAME} or ${file:PATH} stands for a value from elsewhere.",
		Type:        "string", Pattern: referencePattern,
	})
}

const referencePattern = `(^|[^$])\$\{(env|file):`

// shortOrMapping describes a value that is written short, or as a mapping.
func (g *generator) shortOrMapping(short *jsonschema.Schema, pointer any) *jsonschema.Schema {
	long := g.object(pointer)
	long.Type, long.Types = "object", nil
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{short, long}}
}

// preset returns a default value as JSON, nil if there is none. What is not
// YAML, as it may be in the tag of a kind, is shown as a text.
func (g *generator) preset(value string) json.RawMessage {
	if value == "" {
		return nil
	}
	if !strings.Contains(value, "${") {
		l := &loader{}
		if n := l.parse("", []byte(value)); n != nil && len(l.problems) == 0 && n.kind != mappingNode {
			return n.json()
		}
	}
	return (&node{kind: textNode, text: value}).json()
}

// doc returns the description of a key.
func (g *generator) doc(pointer any, key string) string {
	for _, f := range fieldsOf(reflect.TypeOf(pointer).Elem()) {
		if f.name == key {
			return f.doc
		}
	}
	return ""
}

// never describes what nothing fits.
func never() *jsonschema.Schema { return &jsonschema.Schema{Not: &jsonschema.Schema{}} }

// without describes a mapping that does not have a key.
func without(key string) *jsonschema.Schema {
	return &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{key: never()}}
}
