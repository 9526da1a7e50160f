package identity

// A Schema names the object types of one connected system.
type Schema struct {
	Types []ObjectType
}

// An ObjectType is one kind of object of a connected system.
type ObjectType struct {
	Name       string
	Anchor     []string // attributes that together identify an object, in order
	Attributes []AttributeType
}

// An AttributeType says what an attribute may hold.
type AttributeType struct {
	Name       string
	Type       Type
	Multi      bool
	ImportOnly bool // never exported
	ExportOnly bool // never imported, like a password

	// Required: the system creates no object without a value of it. One that can wait
	// for a second pass of an export cannot be required.
	Required bool `json:",omitempty"`

	// Confirm says when an exported value counts as arrived. It is the
	// administrator's word, not the system's.
	Confirm Comparer `json:",omitempty"`
}

// Type returns the object type with the given name, nil if there is none.
func (s Schema) Type(name string) *ObjectType {
	for i := range s.Types {
		if s.Types[i].Name == name {
			return &s.Types[i]
		}
	}
	return nil
}

// Attribute returns the attribute with the given name, nil if there is none.
func (t *ObjectType) Attribute(name string) *AttributeType {
	for i := range t.Attributes {
		if t.Attributes[i].Name == name {
			return &t.Attributes[i]
		}
	}
	return nil
}

// Names returns the names of all attributes, in the order of the schema.
func (t *ObjectType) Names() []string {
	names := make([]string, len(t.Attributes))
	for i, a := range t.Attributes {
		names[i] = a.Name
	}
	return names
}
