package directory

import (
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// A Subschema is what a server says of its attributes and object classes (RFC 4512
// §4.2). Names are found in lower case.
type Subschema struct {
	attributes map[string]*attributeType
	rules      bool // it says by which rules values are compared
	classes    map[string]*objectClass
	content    map[string]*objectClass // content rules by the name of their class; sup are the auxiliary classes
}

type attributeType struct {
	name     string // the first one
	syntax   string // object identifier, without a length
	sup      string
	equality string // the rule by which values are compared, "" if there is none
	single   bool
	readOnly bool
}

type objectClass struct {
	name      string
	sup       []string
	must, may []string
	auxiliary bool
	abstract  bool
}

// A definition is one value of attributeTypes or objectClasses, by its keywords.
type definition map[string][]string

// parseDefinition reads a definition of RFC 4512 §4.1: the object identifier under "".
// What is no definition comes out as one without names.
func parseDefinition(text string) definition {
	tokens := tokenize(text)
	out := definition{}
	if len(tokens) < 2 || tokens[0] != "(" {
		return out
	}
	out[""] = []string{tokens[1]}
	for i := 2; i < len(tokens) && tokens[i] != ")"; {
		keyword := strings.ToUpper(tokens[i])
		i++
		switch keyword {
		case "SINGLE-VALUE", "NO-USER-MODIFICATION", "COLLECTIVE", "OBSOLETE", "ABSTRACT", "STRUCTURAL", "AUXILIARY":
			out[keyword] = []string{}
			continue
		}
		if i >= len(tokens) {
			break
		}
		if tokens[i] != "(" {
			out[keyword] = []string{tokens[i]}
			i++
			continue
		}
		for i++; i < len(tokens) && tokens[i] != ")"; i++ {
			if tokens[i] != "$" {
				out[keyword] = append(out[keyword], tokens[i])
			}
		}
		i++
	}
	return out
}

// tokenize returns words, quoted texts without their quotes, brackets and dollars. A
// quoted bracket is taken for a text by the quote that it keeps.
func tokenize(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')' || c == '$':
			tokens = append(tokens, text[i:i+1])
			i++
		case c == '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return tokens
			}
			token := text[i+1 : i+1+end]
			if token == "(" || token == ")" || token == "$" {
				token = "'" + token
			}
			tokens = append(tokens, token)
			i += end + 2
		default:
			end := strings.IndexAny(text[i:], " \t\r\n()$'")
			if end < 0 {
				end = len(text) - i
			}
			tokens = append(tokens, text[i:i+end])
			i += end
		}
	}
	return tokens
}

func (d definition) has(keyword string) bool { return d[keyword] != nil }

func (d definition) first(keyword string) string {
	if values := d[keyword]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// parseSubschema reads the definitions of a server.
func parseSubschema(attributeTypes, objectClasses, contentRules []string) *Subschema {
	s := &Subschema{attributes: map[string]*attributeType{}, classes: map[string]*objectClass{}, content: map[string]*objectClass{}}
	for _, text := range attributeTypes {
		def := parseDefinition(text)
		syntax, _, _ := strings.Cut(def.first("SYNTAX"), "{")
		a := &attributeType{
			name: def.first("NAME"), syntax: syntax, sup: def.first("SUP"), equality: def.first("EQUALITY"),
			single: def.has("SINGLE-VALUE"), readOnly: def.has("NO-USER-MODIFICATION"),
		}
		s.rules = s.rules || a.equality != ""
		for _, name := range slices.Concat(def["NAME"], def[""]) {
			s.attributes[strings.ToLower(name)] = a
		}
	}
	for _, text := range objectClasses {
		def := parseDefinition(text)
		c := &objectClass{
			name: def.first("NAME"), sup: def["SUP"], must: def["MUST"], may: def["MAY"],
			auxiliary: def.has("AUXILIARY"), abstract: def.has("ABSTRACT"),
		}
		for _, name := range slices.Concat(def["NAME"], def[""]) {
			s.classes[strings.ToLower(name)] = c
		}
	}
	for _, text := range contentRules {
		def := parseDefinition(text)
		s.content[strings.ToLower(def.first("NAME"))] = &objectClass{name: def.first("NAME"), sup: def["AUX"], must: def["MUST"], may: def["MAY"]}
	}
	return s
}

// HasAttribute reports whether the server knows an attribute.
func (s *Subschema) HasAttribute(name string) bool { return s.attribute(name) != nil }

func (s *Subschema) attribute(name string) *attributeType { return s.attributes[strings.ToLower(name)] }

func (s *Subschema) class(name string) *objectClass { return s.classes[strings.ToLower(name)] }

// syntaxOf returns the syntax of an attribute, which may be that of its superior.
func (s *Subschema) syntaxOf(a *attributeType) string {
	for range 16 { // deeper than any hierarchy; one that is a circle ends too
		if a.syntax != "" {
			return a.syntax
		}
		if a = s.attribute(a.sup); a == nil {
			break
		}
	}
	return ""
}

// comparable reports whether the server can compare values of an attribute, by a rule of
// its own or of its superior: without one no single value can be taken away (RFC 4511
// §4.6). A server that tells of no rules at all, as Active Directory, has them all the same.
func (s *Subschema) comparable(a *attributeType) bool {
	for range 16 { // as for the syntax
		if a.equality != "" {
			return true
		}
		if a = s.attribute(a.sup); a == nil {
			break
		}
	}
	return !s.rules
}

// Superiors adds classes and everything that they are derived from to a set of
// names in lower case.
func (s *Subschema) Superiors(into map[string]bool, names []string) {
	for _, name := range names {
		c := s.class(name)
		if c == nil {
			into[strings.ToLower(name)] = true
			continue
		}
		key := strings.ToLower(c.name)
		if into[key] {
			continue
		}
		into[key] = true
		s.Superiors(into, c.sup)
	}
}

// subclasses returns the names of the classes that are derived from one at once, in
// order.
func (s *Subschema) subclasses(name string) []string {
	found := map[string]bool{}
	for _, c := range s.classes {
		if slices.ContainsFunc(c.sup, func(sup string) bool { return strings.EqualFold(sup, name) }) && !strings.EqualFold(c.name, name) {
			found[c.name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

const syntaxArc = "1.3.6.1.4.1.1466.115.121.1."

// Syntaxes of Active Directory.
const (
	SyntaxLargeInteger       = "1.2.840.113556.1.4.906"
	SyntaxSecurityDescriptor = "1.2.840.113556.1.4.907"
	SyntaxOctetString        = syntaxArc + "40"
	SyntaxGeneralizedTime    = syntaxArc + "24"
)

// typeOf returns the type that values of a syntax have (RFC 4517 §3.3, MS-ADTS
// §3.1.1.2.2.2); texts are all that is nothing else.
func typeOf(syntax string) identity.Type {
	switch strings.TrimPrefix(syntax, syntaxArc) {
	case "12", "34": // DN; name and optional UID
		return identity.TypeReference
	case "27", SyntaxLargeInteger:
		return identity.TypeInteger
	case "7":
		return identity.TypeBoolean
	case "24":
		return identity.TypeDateTime
	case "4", "5", "8", "9", "10", "23", "28", "40", "49", SyntaxSecurityDescriptor:
		return identity.TypeBinary
	}
	return identity.TypeString
}

// isCertificate reports whether values of a syntax are sent with the option binary
// (RFC 4523 §2).
func isCertificate(syntax string) bool {
	switch strings.TrimPrefix(syntax, syntaxArc) {
	case "8", "9", "10", "49":
		return true
	}
	return false
}
