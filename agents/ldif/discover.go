package ldif

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/identity"
)

var _ discover.Discoverer = (*Settings)(nil)

// Discover implements [discover.Discoverer]: it reads the file once, with the log of
// changes if there is one.
func (s *Settings) Discover(ctx context.Context, env agent.Env) (*discover.Discovery, error) {
	a, err := s.prepare(env)
	if err != nil {
		return nil, err
	}
	out := &discover.Discovery{System: "a file of directory entries (LDIF)", Agent: a}
	if a.drop != "" {
		out.System, out.Agent = "a file of changes for a directory (LDIF)", &dropAgent{a}
		out.Facts = []discover.Fact{{Name: "exportChanges", Value: a.drop}}
		out.Warnings = []string{"what is only sent cannot be read: nothing is known of the objects"}
		return out, nil
	}
	l := &look{agent: a, out: out, types: map[string]*lookedType{}}
	for i := range env.Objects {
		t, err := a.newType(&env.Objects[i])
		if err != nil {
			err.Position = env.Objects[i].Position
			return nil, err
		}
		l.described = append(l.described, t)
	}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	l.fill()
	return out, nil
}

// A look is a pass over the file for what is in it.
type look struct {
	agent     *ldifAgent
	described []*objectType
	out       *discover.Discovery
	entries   int
	nameless  int
	places    discover.Places
	types     map[string]*lookedType // by name: that of the configuration, or the class
	order     []string
}

// A lookedType is what was seen of the entries of one type.
type lookedType struct {
	described *objectType
	entries   int
	holders   bool
	classes   map[string]int // the others, as they are written
	listed    []string       // their names, as they came
	values    map[string]*discover.Values
	binary    map[string]bool   // attributes with values that are no text
	spelling  map[string]string // of attributes, by their lower case
}

func (l *look) read(ctx context.Context) error {
	imp, err := l.agent.OpenImport(ctx, agent.ImportRequest{})
	if err != nil {
		return err
	}
	m, ok := imp.(*fileImport)
	if !ok {
		l.out.Warnings = append(l.out.Warnings, "the file does not exist yet")
		return nil
	}
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			err = ctx.Err()
			break
		}
		var e *entry
		if e, err = m.next(); err != nil {
			break
		}
		if !e.gone {
			l.entry(e)
		}
	}
	_, closeErr := m.Close(ctx, agent.Aborted)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, closeErr)
}

func (l *look) entry(e *entry) {
	l.entries++
	if e.dn == nil {
		l.nameless++
		return
	}
	name, described := "", (*objectType)(nil)
	l.agent.types = l.described
	if i, _ := l.agent.typeOf(e.lines); i >= 0 {
		described = l.described[i]
		name = described.schema.Name
	} else {
		name = structural(e.lines)
	}
	l.agent.types = nil
	t := l.types[name]
	if t == nil {
		t = &lookedType{
			described: described, classes: map[string]int{}, values: map[string]*discover.Values{},
			binary: map[string]bool{}, spelling: map[string]string{}, holders: isContainer(e.lines),
		}
		l.types[name] = t
		l.order = append(l.order, name)
	}
	t.entries++
	if name != "" {
		l.places.Add(name, e.dn, top(e.dn))
	}
	t.see(l.agent, name, e)
}

// top returns the part of a name that a file of one directory begins with: its components
// of dc, or the last one.
func top(dn identity.DN) identity.DN {
	for i := range dn {
		rest := dn[i:]
		if !slices.ContainsFunc(rest, func(rdn identity.RDN) bool { return len(rdn) != 1 || !strings.EqualFold(rdn[0].Type, "dc") }) {
			return rest
		}
	}
	return dn[len(dn)-1:]
}

func (t *lookedType) see(a *ldifAgent, name string, e *entry) {
	values := map[string][]string{}
	var order []string
	for i := range e.lines[1:] {
		line := &e.lines[1+i]
		desc, _ := strings.CutSuffix(line.desc, ";binary")
		key := strings.ToLower(desc)
		if key == strings.ToLower(objectClass) {
			if !strings.EqualFold(line.value, name) {
				if t.classes[line.value]++; t.classes[line.value] == 1 {
					t.listed = append(t.listed, line.value)
				}
			}
			continue
		}
		if slices.Contains(operational, key) {
			continue
		}
		if t.spelling[key] == "" {
			t.spelling[key] = desc
		}
		text := line.value
		if line.form == '<' || !a.latin && !utf8.ValidString(text) {
			t.binary[key] = true
		}
		if _, known := values[key]; !known {
			order = append(order, key)
		}
		values[key] = append(values[key], text)
	}
	for _, key := range order {
		if t.values[key] == nil {
			t.values[key] = &discover.Values{}
		}
		t.values[key].Add(values[key]...)
	}
}

// superior tells from which class a standard one is derived (RFC 4519, 4524, 2798).
var superior = map[string]string{
	"inetorgperson": "organizationalperson", "organizationalperson": "person", "residentialperson": "person", "person": "top",
	"organizationalrole": "top", "user": "organizationalperson", "computer": "user",
}

// auxiliaries are standard classes that come with another one (RFC 4512, 4519, 4523, 2307).
var auxiliaries = []string{
	"top", "dcobject", "uidobject", "posixaccount", "shadowaccount", "simplesecurityobject", "labeleduriobject",
	"extensibleobject", "pkiuser", "pkica", "strongauthenticationuser", "ldappublickey",
}

// operational are attributes that servers keep about entries for themselves.
var operational = []string{
	"structuralobjectclass", "creatorsname", "modifiersname", "entrycsn", "contextcsn", "entrydn", "subschemasubentry", "hassubordinates",
}

// structural returns the structural class of an entry: the one that the server noted, else
// the last one that is neither auxiliary nor what another one is derived from.
func structural(lines []attrLine) string {
	var classes []string
	for i := range lines {
		switch {
		case strings.EqualFold(lines[i].desc, "structuralObjectClass"):
			return lines[i].value
		case strings.EqualFold(lines[i].desc, objectClass):
			classes = append(classes, lines[i].value)
		}
	}
	above := map[string]bool{}
	for _, class := range classes {
		for up := superior[strings.ToLower(class)]; up != ""; up = superior[up] {
			above[up] = true
		}
	}
	found := ""
	for _, class := range classes {
		if key := strings.ToLower(class); found == "" || !above[key] && !slices.Contains(auxiliaries, key) {
			found = class
		}
	}
	return found
}

// fill tells what was seen.
func (l *look) fill() {
	a := l.agent
	l.out.Facts = []discover.Fact{{Name: "file", Value: a.file}, {Name: "entries", Value: strconv.Itoa(l.entries)}}
	why := "a file has no log of changes; one that did not change is not read again"
	if a.changes != "" {
		l.out.Facts = append(l.out.Facts, discover.Fact{Name: "changes", Value: a.changes})
		why = "by the log of changes"
	}
	value := map[bool]string{true: "changes", false: "no"}[a.changes != ""]
	l.out.Capabilities = []discover.Capability{{Name: "delta import", Value: value, Why: why}}
	if l.nameless > 0 {
		l.out.Warnings = append(l.out.Warnings, discover.Counted(l.nameless, "entry has", "entries have")+" a name that is none")
	}
	for _, t := range l.described {
		if l.types[t.schema.Name] == nil {
			l.types[t.schema.Name] = &lookedType{described: t}
			l.order = append(l.order, t.schema.Name)
		}
	}
	slices.Sort(l.order)
	for _, name := range l.order {
		if name == "" {
			l.out.Warnings = append(l.out.Warnings, discover.Counted(l.types[name].entries, "entry has", "entries have")+" no object class")
			continue
		}
		l.out.Types = append(l.out.Types, l.types[name].found(name))
	}
	l.out.Containers = l.places.List()
}

func (t *lookedType) found(name string) discover.Type {
	out := discover.Type{Objects: t.entries, Read: t.entries, Configured: t.described != nil, Holders: t.holders}
	out.Name = name
	if t.described != nil {
		out.ObjectType = t.described.schema
	} else {
		var with []string
		for _, class := range t.listed {
			if t.classes[class] == t.entries {
				with = append(with, class)
			}
		}
		if len(with) > 0 {
			out.Keys = []discover.Key{{Name: "auxiliary", Values: with, List: true}}
		}
	}
	values := map[string]*discover.Values{}
	keys := make([]string, 0, len(t.values))
	for key := range t.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		known := out.Attribute(t.spelling[key])
		if known == nil && t.described == nil {
			attribute, described := t.guess(key)
			out.Attributes = append(out.Attributes, attribute)
			if described {
				out.Describe = append(out.Describe, attribute.Name)
			}
			known = &attribute
		}
		if known != nil {
			values[known.Name] = t.values[key]
		}
	}
	out.Looked(values)
	return out
}

// guess returns what an attribute may hold, and whether the configuration has to say so:
// the standards do not, or have several values where none has more than one.
func (t *lookedType) guess(key string) (attribute identity.AttributeType, described bool) {
	v := t.values[key]
	for _, known := range standard {
		if strings.EqualFold(known.Name, key) {
			if known.Multi && known.Type == identity.TypeString && v.Use().Values == 1 {
				known.Multi = false
				return known, true
			}
			return known, false
		}
	}
	attribute = identity.AttributeType{Name: t.spelling[key], Type: v.Type(t.entries), Multi: v.Use().Values > 1}
	switch {
	case t.binary[key]:
		attribute.Type = identity.TypeBinary
	case v.Names():
		attribute.Type = identity.TypeReference
	}
	return attribute, true
}
