package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
)

// Reference returns the description of all keys as Markdown: a section with a
// table for each mapping, then one for each notation that several keys share,
// then one for each kind of agent. It is made from the same schema as [Schema],
// and fails like it.
func Reference(kinds []agent.Kind) ([]byte, error) {
	root, err := generate(kinds)
	if err != nil {
		return nil, err
	}
	r := &reference{defs: root.Defs, queued: map[string]bool{"agent": true, "reference": true}}
	r.out.WriteString("# Configuration keys\n\n" +
		"In every text that is a value, `${env:NAME}` stands for an environment variable and `${file:PATH}` for the content of a file;\n" +
		"what came from there is secret. `$${` stands for `${` itself. Relative paths are relative to the folder of the configuration.\n")
	r.section("metasync.yaml", root, nil)
	g := &generator{kinds: kinds, defs: root.Defs}
	common := g.object(&agentKeys{})
	r.section("agents.NAME", common, nil)
	for len(r.queue) > 0 {
		name := r.queue[0]
		r.queue = r.queue[1:]
		r.section(name, root.Defs[name], nil)
	}
	object := g.object(&objectKeys{})
	for i := range kinds {
		title := "agents.NAME with type: " + kinds[i].Name
		own := g.object(kinds[i].New())
		own.Description = kinds[i].Doc
		r.section(title, own, common)
		if kinds[i].NewObject != nil {
			r.section(title+", objects.NAME", g.object(kinds[i].NewObject()), object)
		}
		for ; len(r.queue) > 0; r.queue = r.queue[1:] {
			r.section(r.queue[0], root.Defs[r.queue[0]], nil)
		}
	}
	return []byte(r.out.String()), nil
}

// A reference is a Markdown text that grows section by section.
type reference struct {
	out    strings.Builder
	defs   map[string]*jsonschema.Schema
	queue  []string // shared notations that wait for their section
	queued map[string]bool
}

// section describes a schema and then the mappings in it. Keys that another
// schema has are left out.
func (r *reference) section(title string, s, except *jsonschema.Schema) {
	fmt.Fprintf(&r.out, "\n## %s\n", strings.ReplaceAll(title, "-", " "))
	if s.Description != "" {
		fmt.Fprintf(&r.out, "\n%s\n", s.Description)
	}
	if s.Properties == nil {
		fmt.Fprintf(&r.out, "\nWritten as %s.\n", r.value(s))
	} else {
		r.table(s, except)
	}
	r.inner(title, s, except)
}

func (r *reference) table(s, except *jsonschema.Schema) {
	r.out.WriteString("\n| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, key := range s.PropertyOrder {
		p := s.Properties[key]
		if except != nil && except.Properties[key] != nil {
			continue
		}
		preset := ""
		if p.Default != nil {
			preset = "`" + strings.Trim(string(p.Default), `"`) + "`"
		}
		for _, required := range s.Required {
			if required == key {
				preset = "required"
			}
		}
		row := []string{"`" + key + "`", r.value(p), preset, p.Description}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
		}
		fmt.Fprintf(&r.out, "| %s |\n", strings.Join(row, " | "))
	}
}

// inner writes the sections of the mappings inside a schema.
func (r *reference) inner(title string, s, except *jsonschema.Schema) {
	for _, key := range s.PropertyOrder {
		if except == nil || except.Properties[key] == nil {
			r.child(title+"."+key, s.Properties[key])
		}
	}
	if s.Items != nil {
		r.child(title+"[]", s.Items)
	}
	if names := s.AdditionalProperties; names != nil && !reflect.DeepEqual(names, never()) {
		r.child(title+".NAME", names)
	}
	for _, alternative := range formsOf(s) {
		r.child(title+" as a mapping", alternative)
	}
}

// child writes a section if the schema is a mapping with known keys, and looks
// inside it otherwise.
func (r *reference) child(title string, s *jsonschema.Schema) {
	title = strings.TrimPrefix(title, "metasync.yaml.")
	switch {
	case s.Ref != "":
		if name := defName(s); !r.queued[name] {
			r.queued[name] = true
			r.queue = append(r.queue, name)
		}
	case s.Properties != nil:
		r.section(title, s, nil)
	default:
		r.inner(title, s, nil)
	}
}

// formsOf returns the forms that a value may have, if there are several.
func formsOf(s *jsonschema.Schema) []*jsonschema.Schema {
	if s.Else != nil {
		return []*jsonschema.Schema{s.Else, s.Then}
	}
	return s.AnyOf
}

// value says in words what a schema accepts.
func (r *reference) value(s *jsonschema.Schema) string {
	switch {
	case s.Ref != "":
		return strings.ReplaceAll(defName(s), "-", " ")
	case s.Enum != nil:
		var names []string
		for _, v := range s.Enum {
			names = append(names, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(names, ", ")
	case s.Const != nil:
		return fmt.Sprintf("`%v`", *s.Const)
	case s.Properties != nil:
		return "mapping"
	case formsOf(s) != nil:
		var forms []string
		for _, alternative := range formsOf(s) {
			if defName(alternative) != "reference" { // texts may hold one everywhere
				forms = append(forms, r.value(alternative))
			}
		}
		return strings.Join(forms, " or ")
	case s.Items != nil:
		return "list of " + r.value(s.Items)
	case s.AdditionalProperties != nil:
		return "NAME: " + r.value(s.AdditionalProperties)
	case s.Type == "integer":
		return "whole number"
	case s.Type == "string" && s.Pattern != "":
		return "text of the form `" + s.Pattern + "`"
	}
	names := map[string]string{"string": "text", "boolean": "true or false", "number": "number"}
	var types []string
	for _, t := range append(s.Types, s.Type) {
		if names[t] != "" {
			types = append(types, names[t])
		}
	}
	return strings.Join(types, ", ")
}

func defName(s *jsonschema.Schema) string { return strings.TrimPrefix(s.Ref, "#/$defs/") }
