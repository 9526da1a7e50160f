package directory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// fill appends the entry for what the server delivered. Errors of values are errors
// on that entry.
func (d *Directory) fill(s *Server, k *Kind, page *agent.Page, from *ldapconn.Entry) {
	e := page.Add()
	e.Op, e.ObjectType, e.DN, e.Anchor = identity.Add, k.schema.Name, from.DN, s.Anchor.Of(from)
	if s.Anchor.Text != nil {
		from = s.Anchor.readable(from)
	}
	total := 0
	for i := range from.Attributes {
		total += len(from.Attributes[i].Values)
	}
	attributes, room := page.Attributes(len(from.Attributes)), page.Values(total)
	for i := range from.Attributes {
		a := &from.Attributes[i]
		name, option, _ := strings.Cut(a.Name, ";")
		c := k.column(name)
		if c == nil || c.ExportOnly {
			continue
		}
		switch option = strings.ToLower(option); {
		case option == "", option == "binary", option == "range=0-*":
		case strings.HasPrefix(option, "range="):
			e.Err = fault.New("read-error", "the server delivers only a part of the values, %s", a.Name)
			e.Err.Agent, e.Err.Object, e.Err.Attribute = d.name, e.DN, c.Name
			return
		default:
			continue
		}
		start := len(room)
		for _, raw := range a.Values {
			v, err := c.parse(raw)
			if err != nil {
				e.Err = d.valueFault(e, c, err)
				return
			}
			if v.Type() != 0 {
				room = append(room, v)
			}
		}
		if len(room) > start {
			attributes = append(attributes, identity.Attribute{Name: c.Name, Values: room[start:len(room):len(room)]})
		}
	}
	e.Attributes = identity.SortAttributes(attributes)
}

func (d *Directory) valueFault(e *agent.Entry, c *Column, err error) *fault.Error {
	name := "invalid-attribute-value"
	if parse := (*identity.ParseError)(nil); errors.As(err, &parse) {
		name = parse.Name
	}
	out := fault.Wrap(name, err)
	out.Agent, out.Object, out.Attribute = d.name, e.DN, c.Name
	return out
}

// parse reads a value of an attribute.
func (c *Column) parse(raw []byte) (identity.Value, error) {
	if c.codec != nil && c.codec.Parse != nil {
		return c.codec.Parse(raw)
	}
	return parseValue(c.Type, raw)
}

// format returns a value of an attribute as the server reads it.
func (c *Column) format(v identity.Value) (string, error) {
	if c.codec != nil && c.codec.Format != nil {
		return c.codec.Format(v)
	}
	return formatValue(v)
}

// parseValue reads a value as the server writes it. The empty name, with which groups
// that must have a member are kept empty, is no value.
func parseValue(t identity.Type, raw []byte) (identity.Value, error) {
	switch t {
	case identity.TypeString:
		return identity.String(string(raw)), nil
	case identity.TypeBinary:
		return identity.Binary(raw), nil
	case identity.TypeReference:
		if len(raw) == 0 {
			return identity.Value{}, nil
		}
		return identity.Reference(string(raw)), nil
	case identity.TypeBoolean:
		raw = bytes.ToLower(raw)
	}
	return identity.ParseValue(t, string(raw))
}

// generalizedTime is the format of RFC 4517 §3.3.13.
const generalizedTime = "20060102150405.999999Z"

// formatValue returns a value as the server reads it.
func formatValue(v identity.Value) (string, error) {
	switch v.Type() {
	case identity.TypeString, identity.TypeBinary:
		return v.Str(), nil
	case identity.TypeReference:
		if v.Ref() != 0 {
			return "", fault.New("dn-attributes-failure", "the object that is referred to has no name")
		}
		return v.Str(), nil
	case identity.TypeInteger:
		return v.Text(), nil
	case identity.TypeBoolean:
		return strings.ToUpper(v.Text()), nil
	case identity.TypeDateTime:
		return v.Time().Format(generalizedTime), nil
	}
	return "", fmt.Errorf("a value of type %s", v.Type())
}
