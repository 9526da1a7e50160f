package engine

import (
	"context"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
)

// An AgentSchema is what is known of the objects of a connected system.
type AgentSchema struct {
	Agent    string
	Schema   identity.Schema
	Profiles []string // the names of its run profiles

	// Silent says why the system could not be asked, nil if it was: the schema is then
	// that of its last complete import or, if there has been none, what the
	// configuration says of its objects. That may be less than what they have, and
	// Assumed is true.
	Silent  error
	Assumed bool
}

// Schemas asks the agents of a definition for their schemas and changes nothing. The
// rules of the definition are not looked at.
func (e *Engine) Schemas(ctx context.Context, d Definition) ([]AgentSchema, error) {
	var list []AgentSchema
	for _, a := range d.Agents {
		a.Agent = e.guard.Wrap(a.Name, a.Agent)
		schema, err := e.schema(ctx, a)
		if err != nil {
			return nil, err
		}
		list = append(list, schema)
	}
	return list, nil
}

// schema asks an agent for its schema. One that does not answer is assumed to be as
// it was.
func (e *Engine) schema(ctx context.Context, a Agent) (AgentSchema, error) {
	s := AgentSchema{Agent: a.Name}
	for _, p := range a.profiles() {
		s.Profiles = append(s.Profiles, p.Name)
	}
	var err error
	if s.Schema, err = a.Agent.Schema(ctx); err == nil {
		return s, nil
	}
	silent := *fault.As(err, "stopped-ma")
	silent.Agent = a.Name
	s.Silent = &silent
	s.Schema, s.Assumed, err = e.assumedSchema(a)
	return s, err
}

// assumedSchema is the schema of a system that does not answer. vague is true
// if the engine has never known it.
func (e *Engine) assumedSchema(a Agent) (schema identity.Schema, vague bool, err error) {
	var stored *identity.Schema
	err = e.space.View(func(tx *space.Tx) error {
		state, err := tx.AgentState(a.Name)
		stored = state.Schema
		return err
	})
	if err != nil {
		return schema, false, err
	}
	if stored != nil {
		return *stored, false, nil
	}
	for _, o := range a.Objects {
		t := identity.ObjectType{Name: o.Name, Anchor: o.Anchor}
		for _, attribute := range o.Attributes {
			t.Attributes = append(t.Attributes, identity.AttributeType{Name: attribute.Name, Type: attribute.Type, Multi: attribute.Multi})
		}
		for _, name := range o.Anchor {
			if t.Attribute(name) == nil {
				t.Attributes = append(t.Attributes, identity.AttributeType{Name: name, Type: identity.TypeString})
			}
		}
		schema.Types = append(schema.Types, t)
	}
	return schema, true, nil
}
