package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// An Object is a copy of an object, which outlives the transaction that it was read
// in. References are the names of their targets.
type Object struct {
	ID         identity.ID                `json:"id"` // 0 if the object was never staged
	Agent      string                     `json:"agent,omitempty"`
	Type       string                     `json:"type"`
	DN         string                     `json:"dn,omitempty"`
	Anchor     string                     `json:"anchor,omitempty"`
	Attributes map[string]json.RawMessage `json:"attributes,omitempty"` // in the form of [expr.FromJSON]
	Multi      []string                   `json:"multi,omitempty"`      // the attributes that may have several values
}

// Copy copies an object. leave names the attributes that nobody may see, nil is none;
// name is what the target of a reference is called.
func Copy(e rules.Entry, leave func(attribute string) bool, name func(identity.ID) (identity.Value, error)) (Object, error) {
	o := Object{ID: e.ID(), Type: e.ObjectType(), Attributes: map[string]json.RawMessage{}}
	if c, ok := e.(rules.ConnectorEntry); ok {
		o.Agent, o.DN, o.Anchor = c.Agent(), c.DN(), c.Anchor()
	}
	for _, attribute := range e.Attributes() {
		if leave != nil && leave(attribute.Name) {
			continue
		}
		values := slices.Clone(e.Get(attribute.Name))
		for i, v := range values {
			if id := v.Ref(); id != 0 {
				var err error
				if values[i], err = name(id); err != nil {
					return o, err
				}
			}
		}
		text, err := json.Marshal(expr.OfValues(values).JSON())
		if err != nil {
			return o, fmt.Errorf("attribute %q: %w", attribute.Name, err)
		}
		key := string([]byte(attribute.Name)) // it may be a piece of a record
		o.Attributes[key] = text
		if e.Multi(attribute.Name) {
			o.Multi = append(o.Multi, key)
		}
	}
	// The rest may be pieces of a record, too.
	o.Type, o.DN, o.Anchor = string([]byte(o.Type)), string([]byte(o.DN)), string([]byte(o.Anchor))
	return o, nil
}

// Connector returns the object as scripts see objects of a connected system.
func (o *Object) Connector() (rules.ConnectorEntry, error) {
	e := &connectorCopy{copied{o, nil}}
	return e, e.read()
}

// A MetaverseObject is a copy of a metaverse object.
type MetaverseObject struct {
	Object
	Contributors map[string]Contributor
	Connectors   []Object // in the order of their ids
}

// A Contributor is who gave an attribute its value.
type Contributor struct {
	Agent string
	Time  time.Time
}

// Entry returns the object as scripts see metaverse objects.
func (o *MetaverseObject) Entry() (rules.MetaverseEntry, error) {
	e := &metaverseCopy{copied: copied{&o.Object, nil}, contributors: o.Contributors}
	for i := range o.Connectors {
		c, err := o.Connectors[i].Connector()
		if err != nil {
			return nil, err
		}
		e.connectors = append(e.connectors, c)
	}
	return e, e.read()
}

// copied is what both kinds of copies have.
type copied struct {
	object     *Object
	attributes identity.Attributes
}

func (e *copied) read() error {
	for name, text := range e.object.Attributes {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var document any
		err := decoder.Decode(&document)
		var value expr.Value
		if err == nil {
			value, err = expr.FromJSON(document)
		}
		if err != nil {
			return fmt.Errorf("attribute %q of %s: %w", name, e.object.ID, err)
		}
		e.attributes = e.attributes.Set(name, identity.Normalize(value.Values())...)
	}
	return nil
}

// ID implements [rules.Entry].
func (e *copied) ID() identity.ID { return e.object.ID }

// ObjectType implements [rules.Entry].
func (e *copied) ObjectType() string { return e.object.Type }

// Attributes implements [rules.Entry].
func (e *copied) Attributes() identity.Attributes { return e.attributes }

// Multi implements [rules.Entry].
func (e *copied) Multi(attribute string) bool { return slices.Contains(e.object.Multi, attribute) }

// Get implements [expr.Getter].
func (e *copied) Get(name string) []identity.Value { return e.attributes.Get(name) }

type connectorCopy struct{ copied }

// Agent implements [rules.ConnectorEntry].
func (e *connectorCopy) Agent() string { return e.object.Agent }

// DN implements [rules.ConnectorEntry].
func (e *connectorCopy) DN() string { return e.object.DN }

// Anchor implements [rules.ConnectorEntry].
func (e *connectorCopy) Anchor() string { return e.object.Anchor }

type metaverseCopy struct {
	copied
	contributors map[string]Contributor
	connectors   []rules.ConnectorEntry
}

// Connectors implements [rules.MetaverseEntry].
func (e *metaverseCopy) Connectors(agent string) ([]rules.ConnectorEntry, error) {
	var list []rules.ConnectorEntry
	for _, c := range e.connectors {
		if agent == "" || c.Agent() == agent {
			list = append(list, c)
		}
	}
	return list, nil
}

// Contributor implements [rules.MetaverseEntry].
func (e *metaverseCopy) Contributor(attribute string) (agent string, at time.Time) {
	by := e.contributors[attribute]
	return by.Agent, by.Time
}
