package scripting

import (
	"errors"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// The properties of entries that are no attributes.
const (
	entryID         = "$id"
	entryType       = "$type"
	entryObject     = "$object"
	entryAgent      = "$agent"
	entryDN         = "$dn"
	entryAnchor     = "$anchor"
	entryConnectors = "$connectors"
	entryBy         = "$contributor"
	entryTime       = "$contributed"
)

// An entryView shows an object of the engine to a script. What was read once is
// kept: two reads of an array give the same array.
type entryView struct {
	entry rules.Entry
	read  map[string]goja.Value
}

// entry returns the object that shows an entry in a call.
func entry(a *host.Active, e rules.Entry) *goja.Object {
	return a.View(&entryView{entry: e})
}

// Describe implements [host.View].
func (v *entryView) Describe() string { return "the entry" }

// Keys implements [host.View]: the attributes, sorted.
func (v *entryView) Keys() []string {
	attributes := v.entry.Attributes()
	names := make([]string, len(attributes))
	for i, attribute := range attributes {
		names[i] = attribute.Name
	}
	return names
}

// Get implements [host.View].
func (v *entryView) Get(a *host.Active, key string) (goja.Value, error) {
	if known, ok := v.read[key]; ok {
		return known, nil
	}
	value, err := v.property(a, key)
	if obj, ok := value.(*goja.Object); ok && err == nil {
		if v.read == nil {
			v.read = map[string]goja.Value{}
		}
		v.read[key] = obj
	}
	return value, err
}

func (v *entryView) property(a *host.Active, key string) (goja.Value, error) {
	if key == "" || key[0] != '$' {
		switch values := v.entry.Get(key); {
		case len(values) == 0:
			return nil, nil
		case len(values) == 1 && !v.entry.Multi(key):
			return singleToScript(a, values[0])
		default:
			return arrayToScript(a, values)
		}
	}
	if key == entryID {
		return a.Runtime().ToValue(v.entry.ID().String()), nil
	}
	switch e := v.entry.(type) {
	case rules.MetaverseEntry:
		return metaverseProperty(a, e, key)
	case rules.ConnectorEntry:
		return connectorProperty(a, e, key), nil
	}
	return nil, nil
}

func connectorProperty(a *host.Active, e rules.ConnectorEntry, key string) goja.Value {
	switch key {
	case entryAgent:
		return a.Runtime().ToValue(e.Agent())
	case entryObject:
		return a.Runtime().ToValue(e.ObjectType())
	case entryDN:
		return a.Runtime().ToValue(e.DN())
	case entryAnchor:
		return a.Runtime().ToValue(e.Anchor())
	}
	return nil
}

func metaverseProperty(a *host.Active, e rules.MetaverseEntry, key string) (goja.Value, error) {
	switch key {
	case entryType:
		return a.Runtime().ToValue(e.ObjectType()), nil
	case entryConnectors:
		return a.Function(func(args []goja.Value) (goja.Value, error) {
			agent, err := nameArgument(args, entryConnectors, "an agent")
			if err != nil {
				return nil, err
			}
			connectors, err := e.Connectors(agent)
			if err != nil {
				return nil, err
			}
			items := make([]any, len(connectors))
			for i, c := range connectors {
				items[i] = entry(a, c)
			}
			return a.Array(items), nil
		}), nil
	case entryBy, entryTime:
		return a.Function(func(args []goja.Value) (goja.Value, error) {
			attribute, err := nameArgument(args, key, "an attribute")
			if err != nil {
				return nil, err
			}
			agent, at := e.Contributor(attribute)
			switch {
			case agent == "":
				return nil, nil
			case key == entryBy:
				return a.Runtime().ToValue(agent), nil
			}
			return a.Date(at)
		}), nil
	}
	return nil, nil
}

func nameArgument(args []goja.Value, function, what string) (string, error) {
	if len(args) != 1 || !goja.IsString(args[0]) {
		return "", errors.New(function + " takes the name of " + what)
	}
	return args[0].String(), nil
}

// attributesFromScript reads the attributes that a script gives a new object.
func attributesFromScript(a *host.Active, v goja.Value) (identity.Attributes, error) {
	var attributes identity.Attributes
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Object" {
		return nil, errors.New("the attributes must be an object")
	}
	err := a.Guard(func() error {
		keys := obj.Keys()
		if len(keys) > maxNew {
			return unexpected("%d attributes", len(keys))
		}
		for _, key := range keys {
			value, err := fromScript(a, obj.Get(key))
			if err != nil {
				return err
			}
			attributes = attributes.Set(key, identity.Normalize(value.Values())...)
		}
		return nil
	})
	return attributes, err
}
