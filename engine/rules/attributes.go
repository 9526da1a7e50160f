package rules

import (
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/identity"
)

func (t *Type) names() []string {
	return append(slices.Sorted(maps.Keys(t.Attributes)), ObjectIDAttribute, ObjectTypeAttribute)
}

// attribute returns the type of an attribute of the object.
func (o *ObjectRules) attribute(name string) (identity.AttributeType, bool) {
	if a := o.Type.Attribute(name); a != nil {
		return *a, true
	}
	return identity.AttributeType{Name: name, Type: identity.TypeString}, o.assumed || isIntrinsic(name)
}

// assumes reports whether nobody knows of what type an attribute of the object is.
func (o *ObjectRules) assumes(name string) bool {
	return o.assumed && name != "" && !isIntrinsic(name) && o.Type.Attribute(name) == nil
}

func (o *ObjectRules) names() []string {
	return append(o.Type.Names(), DNAttribute, AnchorAttribute, ObjectTypeAttribute)
}

func isIntrinsic(name string) bool {
	return name == DNAttribute || name == AnchorAttribute || name == ObjectTypeAttribute
}

func metaverseAttribute(t *Type) func(string) (identity.AttributeType, bool) {
	return func(name string) (identity.AttributeType, bool) {
		if a := t.Attributes[name]; a != nil {
			return identity.AttributeType{Name: name, Type: a.Type, Multi: a.Multi}, true
		}
		switch name {
		case ObjectIDAttribute, ObjectTypeAttribute:
			return identity.AttributeType{Name: name, Type: identity.TypeString}, true
		}
		return identity.AttributeType{}, false
	}
}
