package rules

import "github.com/metasync/metasync/engine/identity"

// ConnectorIntrinsic returns what an attribute of a connector-space object, or of an entry
// of an import, says that is none of its system: its name, anchor or type; nil for any
// other, and for one that it does not have.
func ConnectorIntrinsic(name, dn, anchor, objectType string) []identity.Value {
	switch name {
	case DNAttribute:
		return text(dn)
	case AnchorAttribute:
		return text(anchor)
	case ObjectTypeAttribute:
		return text(objectType)
	}
	return nil
}

// ObjectIntrinsic does the same for a metaverse object: its id or its type.
func ObjectIntrinsic(name string, id identity.ID, objectType string) []identity.Value {
	switch name {
	case ObjectIDAttribute:
		return text(id.String())
	case ObjectTypeAttribute:
		return text(objectType)
	}
	return nil
}

func text(s string) []identity.Value {
	if s == "" {
		return nil
	}
	return []identity.Value{identity.String(s)}
}
