package config

import (
	"slices"
	"strconv"
	"strings"
)

// A Difference is one point in which two configurations differ. Its JSON form is the
// public one.
type Difference struct {
	Section string `json:"section"`        // metaverse, agent, rule or settings
	Name    string `json:"name,omitempty"` // of the metaverse type, the agent or the rule
	Part    string `json:"part,omitempty"` // the key within, such as inbound.flows.title; "" is all of it
	Change  string `json:"change"`         // added, removed or changed
	Old     string `json:"old,omitempty"`  // as it is written, in one line
	New     string `json:"new,omitempty"`
}

// The changes of a [Difference].
const (
	DiffAdded   = "added"
	DiffRemoved = "removed"
	DiffChanged = "changed"
)

// The sections of a [Difference], in the order in which they are listed.
var diffSections = []string{"settings", "metaverse", "agent", "rule"}

// Diff loads two configurations and lists in what they differ: what one of them has
// by the name of its metaverse type, agent or rule, and then key by key. It compares
// what is written, so that a key which is left out differs from one that says the
// default, and values of ${} are never shown; but the short and the long form of a
// flow or an attribute are the same, and so are mappings in another order. The order
// of agents and of rules counts: precedence may depend on it. A configuration that is
// wrong is the error of [Load].
func Diff(before, after string, opts Options) ([]Difference, error) {
	_, old, err := load(before, opts)
	if err != nil {
		return nil, err
	}
	_, now, err := load(after, opts)
	if err != nil {
		return nil, err
	}
	was, is := outlineOf(&old.tree), outlineOf(&now.tree)
	out := []Difference{}
	for _, section := range diffSections {
		out = append(out, diffSection(section, was[section], is[section])...)
	}
	return out, nil
}

// An outline is the parts of a section, by name and key, in the order of the file.
type outline []outlined

type outlined struct {
	name  string
	parts []part
}

// A part is a key within, and what is written there.
type part struct{ path, text string }

func (o outline) get(name string) *outlined {
	for i := range o {
		if o[i].name == name {
			return &o[i]
		}
	}
	return nil
}

func (o outline) names() []string {
	names := make([]string, len(o))
	for i := range o {
		names[i] = o[i].name
	}
	return names
}

func (o *outlined) get(path string) (text string, found bool) {
	for _, p := range o.parts {
		if p.path == path {
			return p.text, true
		}
	}
	return "", false
}

// outlineOf takes the keys of a configuration apart, by section.
func outlineOf(tree *node) map[string]outline {
	sections := map[string]outline{}
	settings := outlined{}
	for _, p := range tree.pairs {
		switch p.key {
		case "include":
		case "metaverse", "agents":
			section := strings.TrimSuffix(p.key, "s")
			for _, named := range p.value.pairs {
				sections[section] = append(sections[section], outlined{named.key, partsOf(nil, "", named.value)})
			}
		case "rules":
			for _, rule := range p.value.items {
				name := ""
				if n := rule.get("name"); n != nil {
					name = n.written
				}
				parts := slices.DeleteFunc(partsOf(nil, "", rule), func(p part) bool { return p.path == "name" })
				sections["rule"] = append(sections["rule"], outlined{name, parts})
			}
		default:
			settings.parts = partsOf(settings.parts, p.key, p.value)
		}
	}
	sections["settings"] = outline{settings}
	return sections
}

// partsOf appends the parts of a value: its keys, as far as they are keys of the
// configuration. What the administrator calls a flow or an attribute is one part.
func partsOf(parts []part, path string, n *node) []part {
	if n.kind != mappingNode || len(n.pairs) == 0 {
		return append(parts, part{path, written(n)})
	}
	key := path[strings.LastIndexByte(path, '.')+1:]
	for _, p := range n.pairs {
		below := p.key
		if path != "" {
			below = path + "." + p.key
		}
		switch key {
		case "flows":
			parts = append(parts, part{below, written(short(p.value, "from"))})
		case "attributes":
			parts = append(parts, part{below, written(short(p.value, "type"))})
		default:
			parts = partsOf(parts, below, p.value)
		}
	}
	return parts
}

// short returns what the long form says in short, if it says nothing else.
func short(n *node, key string) *node {
	if n.kind == mappingNode && len(n.pairs) == 1 && n.pairs[0].key == key {
		return n.pairs[0].value
	}
	return n
}

// written is a value as it is written, in one line; the keys of mappings sorted.
func written(n *node) string {
	switch n.kind {
	case mappingNode:
		texts := make([]string, len(n.pairs))
		for i, p := range n.pairs {
			texts[i] = p.key + ": " + written(p.value)
		}
		slices.Sort(texts)
		return "{" + strings.Join(texts, ", ") + "}"
	case listNode:
		texts := make([]string, len(n.items))
		for i, item := range n.items {
			texts[i] = written(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case textNode:
		if n.written == "" || strings.ContainsAny(n.written, "\n\r\t") {
			return strconv.Quote(n.written)
		}
	}
	return n.written
}

func diffSection(section string, was, is outline) (out []Difference) {
	for _, name := range union(is.names(), was.names()) {
		d := Difference{Section: section, Name: name}
		old, now := was.get(name), is.get(name)
		switch {
		case old == nil:
			d.Change = DiffAdded
			out = append(out, d)
			continue
		case now == nil:
			d.Change = DiffRemoved
			out = append(out, d)
			continue
		}
		for _, path := range union(pathsOf(now), pathsOf(old)) {
			d.Part = path
			var had, has bool
			d.Old, had = old.get(path)
			d.New, has = now.get(path)
			switch {
			case !had:
				d.Change = DiffAdded
			case !has:
				d.Change = DiffRemoved
			case d.Old == d.New:
				continue
			default:
				d.Change = DiffChanged
			}
			out = append(out, d)
		}
	}
	if section == "agent" || section == "rule" {
		old, now := common(was.names(), is.names()), common(is.names(), was.names())
		if !slices.Equal(old, now) {
			out = append(out, Difference{
				Section: section, Part: "order", Change: DiffChanged, Old: strings.Join(old, ", "), New: strings.Join(now, ", "),
			})
		}
	}
	return out
}

func pathsOf(o *outlined) []string {
	paths := make([]string, len(o.parts))
	for i, p := range o.parts {
		paths[i] = p.path
	}
	return paths
}

// union returns the texts of a, then those that only b has.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, text := range b {
		addOnce(&out, text)
	}
	return out
}

// common returns those texts of a that b has, too.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(text string) bool { return !slices.Contains(b, text) })
}
