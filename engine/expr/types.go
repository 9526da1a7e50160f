package expr

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// typeFunctions convert values to another type, and tell it.
var typeFunctions = []Function{
	{
		Name: "ConvertToBoolean", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "The text true or false, or a number, as a boolean: 0 is false, any other number true. Null is false.",
		Params: []Param{param("value", Single).whenNull(passNull)}, build: fixed1(toBoolean),
	},
	{
		Name: "ConvertToNumber", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeInteger,
		Doc:    "The text of a whole number, or a boolean, as a number: true is 1, false 0.",
		Params: []Param{param("value", Single)}, build: fixed1(toNumber),
	},
	{
		Name: "ConvertToString", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The value as text; 16 bytes as the GUID that they are.",
		Params: []Param{param("value", Single)}, build: fixed1(toText),
	},
	{
		Name: "ConvertToGuid", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBinary,
		Doc:    "The binary form of a GUID, as Active Directory stores it: another name of ConvertStringToGuid.",
		Params: []Param{param("guid", Text)}, build: fixed1(stringToGUID),
	},
	{
		Name: "ConvertToUniqueIdentifier", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "GUIDs, binary or as text, as the FIM Service writes identifiers: urn:uuid:382c74c3-721d-4f34-80e5-57657b6cbc27.",
		Params: []Param{param("guids", List)}, build: buildUniqueIdentifier,
	},
	{
		Name: "ValueType", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The name that .NET has for the type of the value, such as System.String or, for a list, System.Collections.Generic.List`1[System.String].",
		Params: []Param{{Name: "value", Kind: Any, nulls: nullOut}}, build: ofValues(valueType),
	},
}

func toBoolean(_ *Context, v identity.Value) (Value, error) {
	switch v.Type() {
	case 0:
		return Bool(false), nil
	case identity.TypeBoolean:
		return Of(v), nil
	case identity.TypeInteger:
		return Bool(v.Int() != 0), nil
	case identity.TypeString:
		if b, ok := parseBool(strings.TrimSpace(v.Str())); ok {
			return Bool(b), nil
		}
	}
	return Value{}, fmt.Errorf("%s is neither true nor false", show(v))
}

func toNumber(_ *Context, v identity.Value) (Value, error) {
	switch v.Type() {
	case identity.TypeBoolean:
		if v.Bool() {
			return Int(1), nil
		}
		return Int(0), nil
	case identity.TypeInteger, identity.TypeString:
		if n, ok := Number.convert(v); ok {
			return Of(n), nil
		}
	}
	return Value{}, fmt.Errorf("%s is not a whole number", show(v))
}

func toText(_ *Context, v identity.Value) (Value, error) {
	if v.Type() == identity.TypeBinary && len(v.Str()) == 16 {
		return Str(guidText(v.Str())), nil
	}
	text, ok := textOf(v)
	if !ok {
		return Value{}, fmt.Errorf("%s has no text", show(v))
	}
	return Of(text), nil
}

// guidText writes 16 bytes, of which the first three groups are little-endian.
func guidText(b string) string {
	return fmt.Sprintf("%x%x%x%x-%02x%02x-%02x%02x-%x-%x",
		b[3:4], b[2:3], b[1:2], b[0:1], b[5], b[4], b[7], b[6], b[8:10], b[10:16])
}

// buildUniqueIdentifier gives a list for a list.
func buildUniqueIdentifier(c *compiler, s *site) (operand, error) {
	result, err := ofValues(func(ctx *Context, v Value) (Value, error) {
		identifiers := make([]identity.Value, 0, len(v.Values()))
		for _, guid := range v.Values() {
			text, err := guidOf(guid)
			if err != nil {
				return Value{}, err
			}
			identifiers = append(identifiers, identity.String("urn:uuid:"+text))
		}
		if v.IsList() {
			return OfList(identifiers), nil
		}
		return OfValues(identifiers), nil
	})(c, s)
	result.plural = s.args[0].plural
	return result, err
}

// guidOf returns the text of a GUID, binary or text.
func guidOf(v identity.Value) (string, error) {
	if v.Type() == identity.TypeString {
		parsed, err := stringToGUID(nil, v)
		if err != nil {
			return "", err
		}
		v = parsed.single
	}
	if v.Type() != identity.TypeBinary || len(v.Str()) != 16 {
		return "", fmt.Errorf("%s is not a GUID", show(v))
	}
	return guidText(v.Str()), nil
}

// typeNames are the names that .NET has for the types.
var typeNames = map[identity.Type]string{
	identity.TypeString: "System.String", identity.TypeInteger: "System.Int64", identity.TypeBoolean: "System.Boolean",
	identity.TypeBinary: "System.Byte[]", identity.TypeDateTime: "System.DateTime",
	identity.TypeReference: "Microsoft.ResourceManagement.WebServices.UniqueIdentifier",
}

func valueType(_ *Context, v Value) (Value, error) {
	if v.literal != NoLiteral {
		return Value{}, fmt.Errorf("%s has no type", v.literal)
	}
	name := typeNames[v.Values()[0].Type()]
	if v.IsList() {
		name = "System.Collections.Generic.List`1[" + name + "]"
	}
	return Str(name), nil
}
