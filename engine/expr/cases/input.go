package cases

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An Input is what an expression is evaluated on: attributes and parameters by
// name. Names count without regard to case, as they do in rules. The zero Input
// is empty.
type Input struct {
	attributes map[string]expr.Value
	confirmed  map[string]expr.Value
	parameters map[string]expr.Value
}

// The prefixes of keys that say which image of an object an attribute is in.
const (
	confirmedPrefix = "confirmed:"
	pendingPrefix   = "pending-export:"
)

// ParseInput reads an input from a JSON object of values in the form of
// [expr.FromJSON]; an array makes a multi-valued attribute, and {"$mvref": ["dn",
// ...]} one of references. A key $name or
// %name% is a parameter. "confirmed:name" is an attribute as it was imported,
// which only ImportedValue reads, and "pending-export:name" one with the exports
// that are not confirmed yet, which is what every other expression sees.
func ParseInput(text string) (Input, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return Input{}, fault.New("invalid-input", "this is no JSON object: %s", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Input{}, fault.New("invalid-input", "there is something after the JSON object")
	}
	return newInput(object)
}

func newInput(object map[string]any) (Input, error) {
	in := Input{map[string]expr.Value{}, map[string]expr.Value{}, map[string]expr.Value{}}
	for key, document := range object {
		if list, ok := referenceList(document); ok {
			document = list
		}
		v, err := expr.FromJSON(document)
		if err != nil {
			return Input{}, fault.New("invalid-input", "%s: %s", key, err)
		}
		if v.Literal() != expr.NoLiteral {
			return Input{}, fault.New("invalid-input", "%s: a flow literal is no value", key)
		}
		values, name := in.attributes, key
		if parameter, ok := parameterName(key); ok {
			values, name = in.parameters, parameter
		} else if attribute, ok := strings.CutPrefix(key, confirmedPrefix); ok {
			values, name = in.confirmed, attribute
		} else if attribute, ok := strings.CutPrefix(key, pendingPrefix); ok {
			name = attribute
		}
		values[identity.Fold(name)] = v
	}
	return in, nil
}

// parameterName returns the name of the parameter that a key stands for.
func parameterName(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, "$"); ok {
		return name, true
	}
	if len(key) > 2 && strings.HasPrefix(key, "%") && strings.HasSuffix(key, "%") {
		return key[1 : len(key)-1], true
	}
	return "", false
}

// Attribute knows every attribute, without its type; one that the input gives as
// an array is multi-valued. It is an [expr.Options.Attribute].
func (in Input) Attribute(name string) (identity.AttributeType, bool) {
	folded := identity.Fold(name)
	multi := in.attributes[folded].IsList() || in.confirmed[folded].IsList()
	return identity.AttributeType{Name: name, Multi: multi}, true
}

// Context returns what an expression sees of the input. Ctx is for functions of
// scripts; the time is now.
func (in Input) Context(ctx context.Context) *expr.Context {
	c := &expr.Context{
		Context: ctx, Object: object{in.attributes}, Now: time.Now(),
		Parameters: func(name string) expr.Value { return in.parameters[identity.Fold(name)] },
	}
	if len(in.confirmed) > 0 {
		c.Imported = object{in.confirmed}
	}
	return c
}

type object struct{ attributes map[string]expr.Value }

// Get implements [expr.Getter].
func (o object) Get(name string) []identity.Value { return o.attributes[identity.Fold(name)].Values() }
