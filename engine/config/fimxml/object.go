package fimxml

import (
	"regexp"
	"slices"
	"strings"
)

// The kinds of objects that matter.
const (
	ruleKind  = "SynchronizationRule"
	agentKind = "ma-data"
)

// An object is a resource of FIM: its attributes, by their names in lower case.
type object struct {
	kind, id string
	at       *element
	values   map[string][]*element
	extra    map[string]*element // of our namespace, by name
	flows    []flowValue
	known    []string // the names as they are written, in the order of the document
}

// A flowValue is a value of one of the three lists of flows.
type flowValue struct {
	*element
	list string
}

// flowLists are the attributes that hold flows.
var flowLists = []string{"persistentflow", "initialflow", "existencetest"}

// text returns the first value of an attribute.
func (o *object) text(name string) string {
	if values := o.values[name]; len(values) > 0 {
		return values[0].Text()
	}
	return ""
}

// own returns a value of our namespace.
func (o *object) own(name string) string {
	if e := o.extra[name]; e != nil {
		return e.Text()
	}
	return ""
}

// place returns where an attribute stands, or else the object.
func (o *object) place(name string) *element {
	if values := o.values[name]; len(values) > 0 {
		return values[0]
	}
	return o.at
}

func (o *object) add(name string, value *element) {
	key := strings.ToLower(name)
	if slices.Contains(flowLists, key) {
		o.flows = append(o.flows, flowValue{value, key})
		return
	}
	if o.values[key] == nil {
		o.known = append(o.known, name)
	}
	o.values[key] = append(o.values[key], value)
}

// find returns the objects of a document, in both forms: an element
// SynchronizationRule with an element for each attribute, and lists of attributes
// with names and values.
func find(root *element) []*object {
	var out []*object
	var visit func(e, parent *element)
	visit = func(e, parent *element) {
		if e.Space == "" && strings.EqualFold(e.Local, ruleKind) && !slices.ContainsFunc(e.Children, isPair) {
			out = append(out, fromElements(e))
			return
		}
		if slices.ContainsFunc(e.Children, isPair) {
			out = append(out, fromPairs(e, parent))
			return
		}
		for _, c := range e.Children {
			visit(c, e)
		}
	}
	visit(root, nil)
	return out
}

func fromElements(e *element) *object {
	o := &object{kind: ruleKind, at: e, values: map[string][]*element{}, extra: map[string]*element{}}
	for _, c := range e.Children {
		if c.Space == namespace {
			o.extra[c.Local] = c
			continue
		}
		o.add(c.Local, c)
	}
	return o
}

// isPair reports whether an element is an attribute with its name and its values.
func isPair(e *element) bool { return pairName(e) != "" }

func pairName(e *element) string {
	if name := e.Child("AttributeName"); name != nil {
		return name.Text()
	}
	if strings.HasPrefix(strings.ToLower(e.Local), "attribute") {
		name, _ := e.Attribute("name")
		return strings.TrimSpace(name)
	}
	return ""
}

func fromPairs(e, parent *element) *object {
	o := &object{at: e, values: map[string][]*element{}}
	for _, pair := range e.Children {
		name := pairName(pair)
		if name == "" {
			continue
		}
		plain := true
		for _, c := range pair.Children {
			switch strings.ToLower(c.Local) {
			case "value":
				plain = false
				if c.Chars != "" || len(c.Children) > 0 {
					o.add(name, c)
				}
			case "values":
				plain = false
				for _, v := range c.Children {
					o.add(name, v)
				}
			case "attributename", "hasreference", "ismultivalue":
				plain = false
			}
		}
		if plain && (pair.Text() != "" || len(pair.Children) > 0) {
			o.add(name, pair)
		}
	}
	o.kind, o.id = o.text("objecttype"), identifier(o.text("objectid"))
	for _, around := range []*element{e, parent} {
		if around == nil {
			continue
		}
		if t := around.Child("ObjectType"); t != nil && o.kind == "" {
			o.kind = t.Text()
		}
		if t := around.Child("ObjectIdentifier"); t != nil && o.id == "" {
			o.id = identifier(t.Text())
		}
		for _, name := range []string{"resourceType", "objectType", "type"} {
			if kind, given := around.Attribute(name); given && o.kind == "" {
				o.kind = kind
			}
		}
		for _, name := range []string{"id", "objectID"} {
			if id, given := around.Attribute(name); given && o.id == "" {
				o.id = identifier(id)
			}
		}
	}
	return o
}

var guid = regexp.MustCompile(`^(?i)(urn:uuid:)?\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?$`)

func isIdentifier(text string) bool { return guid.MatchString(text) }

// identifier returns an id in one spelling, and a text that is none as it is.
func identifier(text string) string {
	if parts := guid.FindStringSubmatch(text); parts != nil {
		return strings.ToLower(parts[2])
	}
	return text
}

// know remembers the names behind ids.
func (d *decoder) know(o *object) {
	name := o.text("displayname")
	switch {
	case name == "" || o.id == "":
	case strings.EqualFold(o.kind, agentKind):
		d.agents[o.id] = name
		if system := identifier(o.text("syncconfig-id")); system != "" {
			d.agents[system] = name
		}
	case strings.EqualFold(o.kind, ruleKind):
		d.names[o.id] = name
	}
}

// understood are the attributes that are read; bookkeeping those that say nothing
// about what a rule does.
var (
	understood = []string{
		"displayname", "description", "flowtype", "precedence", "dependency", "msidmoutboundisfilterbased", "ilmobjecttype",
		"managementagentid", "connectedsystem", "connectedobjecttype", "connectedsystemscope", "msidmoutboundscopingfilters",
		"relationshipcriteria", "createilmobject", "createconnectedsystemobject", "disconnectconnectedsystemobject",
		"synchronizationruleparameters",
	}
	bookkeeping = []string{
		"objectid", "objecttype", "createdtime", "creator", "mvobjectid", "deletedtime", "expirationtime", "locale", "resourcetime",
		"detectedruleslist", "expectedruleslist", "computedmember",
	}
)

// unknown notes the attributes that nobody reads.
func (d *decoder) unknown(o *object) {
	for _, name := range o.known {
		key := strings.ToLower(name)
		if slices.Contains(understood, key) || slices.Contains(bookkeeping, key) {
			continue
		}
		at := o.place(key)
		if at.Text() == "" && len(at.Children) == 0 {
			continue
		}
		d.note(at, name, "the attribute has no counterpart")
	}
}
