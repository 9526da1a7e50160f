package expr

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// requestFunctions read the parameters of a request of the FIM Service: a list
// of XML texts, one for each change of an attribute, as its attribute
// RequestParameter holds them.
var requestFunctions = []Function{
	{
		Name: "ParametersContain", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeBoolean,
		Doc:    "Whether the parameters of a request name an attribute. False for null.",
		Params: []Param{param("requestParameters", List).whenNull(passNull), param("attribute", Text).whenNull(nullError)},
		build: ofParametersAnd(func(parameters []requestParameter, attribute string) (Value, error) {
			for _, p := range parameters {
				if p.Attribute == attribute {
					return Bool(true), nil
				}
			}
			return Bool(false), nil
		}),
	},
	{
		Name: "ParametersList", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString, List: true,
		Doc:    "The names of the attributes in the parameters of a request, in their order.",
		Params: requestParams[:1], build: ofParameters(parametersList),
	},
	{
		Name: "ParametersTable", Dialects: fimOnly, Source: mimwalText, Result: identity.TypeString,
		Doc:    "The parameters of a request as rows of an HTML table: attribute, kind of change and value, in cells of the classes AttributeStyle, AttributeModificationStyle and NewValueStyle.",
		Params: requestParams[:1], build: ofParameters(parametersTable),
	},
	parameterValues("ParameterValue", "What the parameters of a request set an attribute to.", "", "Modify"),
	parameterValues("ParameterValueAdded", "The values that the parameters of a request add to a multi-valued attribute.", "", "Insert"),
	parameterValues("ParameterValueRemoved", "The values that the parameters of a request take from a multi-valued attribute.", "Remove"),
}

var requestParams = []Param{param("requestParameters", List), param("attribute", Text).whenNull(nullError)}

// A requestParameter is a change that a request asks for.
type requestParameter struct {
	Kind      string     `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
	Attribute string     `xml:"PropertyName"`
	Value     *typedText `xml:"Value"`
	Operation string     `xml:"Operation"`
	Mode      string     `xml:"Mode"` // Modify, Insert, Remove; "" for the attribute of a new resource
	XMLName   xml.Name   `xml:"RequestParameter"`
}

// typedText is the value of a parameter.
type typedText struct {
	Type string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
	Text string `xml:",chardata"`
	Nil  bool   `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
}

// value returns the typed value, the zero Value for nil.
func (t *typedText) value() (identity.Value, error) {
	if t == nil || t.Nil {
		return identity.Value{}, nil
	}
	_, name, ok := strings.Cut(t.Type, ":")
	if !ok {
		name = t.Type
	}
	text := strings.TrimSpace(t.Text)
	switch name {
	case "boolean":
		return identity.ParseValue(identity.TypeBoolean, text)
	case "int", "long", "short", "byte", "integer":
		return identity.ParseValue(identity.TypeInteger, text)
	case "dateTime":
		return identity.ParseValue(identity.TypeDateTime, text)
	case "base64Binary":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		return identity.Binary(b), err
	}
	return identity.String(t.Text), nil
}

// readParameters reads the parameters of a request.
func readParameters(ctx *Context, list Value) ([]requestParameter, error) {
	values := list.Values()
	parameters := make([]requestParameter, 0, len(values))
	for i, v := range values {
		// Reading XML costs several times its size.
		if err := ctx.spend(4 * len(v.Str())); err != nil {
			return nil, err
		}
		var p requestParameter
		if err := xml.Unmarshal([]byte(v.Str()), &p); err != nil || v.Type() != identity.TypeString {
			return nil, fmt.Errorf("value %s is not the parameter of a request", strconv.Itoa(i+1))
		}
		parameters = append(parameters, p)
	}
	return parameters, nil
}

func ofParameters(f func(parameters []requestParameter) (Value, error)) builder {
	return ofValues(func(ctx *Context, list Value) (Value, error) {
		parameters, err := readParameters(ctx, list)
		if err != nil {
			return Value{}, err
		}
		return f(parameters)
	})
}

func ofParametersAnd(f func(parameters []requestParameter, attribute string) (Value, error)) builder {
	return ofValuesAnd(func(ctx *Context, list Value, attribute identity.Value) (Value, error) {
		parameters, err := readParameters(ctx, list)
		if err != nil {
			return Value{}, err
		}
		return f(parameters, attribute.Str())
	})
}

func parametersList(parameters []requestParameter) (Value, error) {
	var names []identity.Value
	for _, p := range parameters {
		if p.Attribute != "" {
			names = append(names, identity.String(p.Attribute))
		}
	}
	return OfList(names), nil
}

func parametersTable(parameters []requestParameter) (Value, error) {
	var b strings.Builder
	for _, p := range parameters {
		value, kind := "", p.Mode
		if p.Value != nil {
			value = p.Value.Text
		}
		if kind == "" {
			kind = p.Operation
		}
		for _, cell := range [...]struct{ opening, text, closing string }{
			{`<tr><td class="AttributeStyle">`, p.Attribute, "</td>"},
			{`<td class="AttributeModificationStyle">`, kind, "</td>"},
			{`<td class="NewValueStyle">`, value, "</td></tr>"},
		} {
			b.WriteString(cell.opening)
			b.WriteString(html.EscapeString(cell.text))
			b.WriteString(cell.closing)
		}
		if b.Len() > maxText {
			return Value{}, errTooLong
		}
	}
	return Str(b.String()), nil
}

// parameterValues is a function that gives the values of the parameters with one
// of some modes.
func parameterValues(name, doc string, modes ...string) Function {
	return Function{
		Name: name, Dialects: fimOnly, Source: mimwalText, Params: requestParams,
		Doc: doc + " They have the types that the request says; several are a list.",
		build: func(c *compiler, s *site) (operand, error) {
			result, err := ofParametersAnd(func(parameters []requestParameter, attribute string) (Value, error) {
				var values []identity.Value
				for _, p := range parameters {
					if p.Attribute != attribute || !slices.Contains(modes, p.Mode) {
						continue
					}
					v, err := p.Value.value()
					if err != nil {
						return Value{}, err
					}
					if v.Type() != 0 {
						values = append(values, v)
					}
				}
				return OfValues(values), nil
			})(c, s)
			result.plural = perhaps
			return result, err
		},
	}
}
