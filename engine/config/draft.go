package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// Draft loads a configuration and writes, for one of its agents, what a configuration may
// begin with: the agent as it is written, completed by what was discovered of its system;
// metaverse types; and rules that only read from the system. Types, rules and metaverse
// types that there are already are not repeated. Alone, and in place of what is written
// about the agent, it is a configuration that [Load] accepts, unless nothing is known of
// the objects. Values of ${} are as they are written.
func Draft(path string, opts Options, agentName string, found *discover.Discovery) ([]byte, error) {
	cfg, l, err := load(path, opts)
	if err != nil {
		return nil, err
	}
	d := &draft{cfg: cfg, agent: agentName, written: l.tree.get("agents").get(agentName), found: found}
	for i := range found.Types {
		switch t := &found.Types[i]; {
		case t.Configured:
		case !namePattern.MatchString(t.Name):
			d.remarks = append(d.remarks, "left out, because an object type cannot be called so: "+strconv.Quote(t.Name))
		case t.Holders && d.hasOthers():
			d.remarks = append(d.remarks, "left out, because its objects hold others: "+t.Name)
		default:
			d.fresh = append(d.fresh, t)
		}
	}
	for i := range found.Types {
		t := &found.Types[i]
		if (t.Configured || slices.Contains(d.fresh, t)) && !d.ruled(t.Name) {
			d.rule(t)
		}
	}
	return []byte(d.text()), nil
}

// A draft gathers the parts of the text.
type draft struct {
	cfg     *Config
	agent   string
	written *node
	found   *discover.Discovery
	fresh   []*discover.Type // those that the configuration does not describe
	types   []draftType
	rules   []rules.Rule
	remarks []string
}

// A draftType is a metaverse type that there is not yet.
type draftType struct {
	name       string
	attributes []identity.AttributeType
}

// hasOthers reports whether there are types that are more than holders of others.
func (d *draft) hasOthers() bool {
	return slices.ContainsFunc(d.found.Types, func(t discover.Type) bool { return !t.Holders })
}

// ruled reports whether a rule is about an object type.
func (d *draft) ruled(objectType string) bool {
	return slices.ContainsFunc(d.cfg.Model.Rules, func(r rules.Rule) bool { return r.Agent == d.agent && r.Object == objectType })
}

// rule drafts the rule of an object type, and its metaverse type.
func (d *draft) rule(t *discover.Type) {
	r := rules.Rule{Name: d.ruleName(t.Name), Agent: d.agent, Object: t.Name, Inbound: &rules.Inbound{Project: true}}
	r.Metaverse = metaverseName(t.Name)
	if d.drafted(r.Metaverse) {
		r.Metaverse = t.Name
	}
	if d.drafted(r.Metaverse) {
		d.remarks = append(d.remarks, "object type "+t.Name+" has no rule: another one has the metaverse type "+r.Metaverse)
		return
	}
	flowing := flowingAttributes(t)
	if i := slices.IndexFunc(d.cfg.Model.Types, func(m rules.MetaverseType) bool { return m.Name == r.Metaverse }); i >= 0 {
		flowing = d.join(&r, t, flowing, &d.cfg.Model.Types[i])
		if len(r.Join) == 0 {
			d.remarks = append(d.remarks, "object type "+t.Name+" has no rule: no attribute that identifies its objects is one of metaverse type "+r.Metaverse)
			return
		}
	} else {
		d.types = append(d.types, draftType{r.Metaverse, flowing})
	}
	for _, a := range flowing {
		r.Inbound.Flows = append(r.Inbound.Flows, rules.Flow{Target: a.Name, Source: rules.Source{Attribute: a.Name}})
	}
	d.rules = append(d.rules, r)
}

// join has the objects of a type join those of a metaverse type that there is, and
// returns the attributes that can flow into it.
func (d *draft) join(r *rules.Rule, t *discover.Type, flowing []identity.AttributeType, m *rules.MetaverseType) []identity.AttributeType {
	r.Inbound.Project = false
	fits := func(a identity.AttributeType) bool {
		return slices.ContainsFunc(m.Attributes, func(x rules.MetaverseAttribute) bool {
			return x.Name == a.Name && x.Type == a.Type && x.Multi == a.Multi
		})
	}
	flowing = slices.DeleteFunc(slices.Clone(flowing), func(a identity.AttributeType) bool { return !fits(a) })
	for _, name := range append(slices.Clone(t.Anchor), t.Candidates...) {
		if len(r.Join) == 0 && slices.ContainsFunc(flowing, func(a identity.AttributeType) bool { return a.Name == name && !a.Multi }) {
			r.Join = append(r.Join, rules.JoinCriterion{Pairs: []rules.JoinPair{{Connector: name, Metaverse: name}}})
		}
	}
	return flowing
}

func (d *draft) drafted(metaverse string) bool {
	return slices.ContainsFunc(d.types, func(t draftType) bool { return t.name == metaverse })
}

func (d *draft) ruleName(objectType string) string {
	name := d.agent + " " + objectType
	for slices.ContainsFunc(d.cfg.Model.Rules, func(r rules.Rule) bool { return r.Name == name || r.ID == name }) {
		name += " draft"
	}
	return name
}

// metaverseName guesses what objects of a type are called in the metaverse.
func metaverseName(objectType string) string {
	switch lower := strings.ToLower(objectType); {
	case strings.Contains(lower, "person"), strings.Contains(lower, "user"), strings.Contains(lower, "employee"):
		return "person"
	case strings.Contains(lower, "group"):
		return "group"
	}
	return objectType
}

// secretName matches attributes that nobody should have flow unless he means it.
var secretName = regexp.MustCompile(`(?i)passw|pwd|secret`)

// flowingAttributes returns the attributes of a type that are worth a flow: those that can
// be read and, where objects were looked at, that one of them has.
func flowingAttributes(t *discover.Type) []identity.AttributeType {
	var list []identity.AttributeType
	for _, a := range t.Attributes {
		_, used := t.Use[a.Name]
		switch {
		case a.ExportOnly, a.ImportOnly && slices.Contains(t.Anchor, a.Name), strings.EqualFold(a.Name, "objectClass"):
		case t.Read > 0 && !used, secretName.MatchString(a.Name):
		case !namePattern.MatchString(a.Name), strings.HasPrefix(a.Name, "="):
		case slices.Contains([]string{rules.ObjectTypeAttribute, rules.ObjectIDAttribute, rules.DNAttribute, rules.AnchorAttribute}, a.Name):
		default:
			list = append(list, a)
		}
	}
	return list
}

func (d *draft) text() string {
	w := &ruleWriter{}
	w.line(0, "# A draft for the agent %s, as its system was found. Look at anchors, types and flows", nameText(d.agent))
	w.line(0, "# before it is used: what is guessed may be wrong. It writes to no system.")
	for _, remark := range d.remarks {
		w.line(0, "# %s", strings.Map(printable, remark))
	}
	if len(d.types) > 0 {
		w.line(0, "metaverse:")
	}
	for _, t := range d.types {
		w.line(1, "%s:", nameText(t.name))
		w.attributes(2, t.attributes)
	}
	w.line(0, "agents:")
	w.line(1, "%s:", nameText(d.agent))
	d.keys(w)
	d.objects(w)
	if len(d.rules) > 0 {
		w.line(0, "rules:")
		w.WriteString(string(WriteRules(d.rules)))
	}
	return w.String()
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

func (w *ruleWriter) attributes(depth int, list []identity.AttributeType) {
	if len(list) == 0 {
		w.line(depth, "attributes: {}")
		return
	}
	w.line(depth, "attributes:")
	for _, a := range list {
		w.line(depth+1, "%s: %s", nameText(a.Name), typeText(a))
	}
}

func typeText(a identity.AttributeType) string {
	if a.Multi {
		return a.Type.String() + "[]"
	}
	return a.Type.String()
}

// keys writes what is written about the agent, without its object types, and the keys that
// it lacks.
func (d *draft) keys(w *ruleWriter) {
	for _, p := range d.written.pairs {
		if p.key != "objects" {
			w.line(2, "%s: %s", nameText(p.key), writtenText(p.value))
		}
	}
	for _, s := range d.found.Settings {
		if d.written.get(s.Name) == nil {
			w.line(2, "%s: %s", nameText(s.Name), inlineText(s.Value))
		}
	}
}

// writtenText writes a node on a line of its own key, texts as they were written.
func writtenText(n *node) string {
	if n.kind == textNode && strings.Trim(n.written[:min(1, len(n.written))], `"$(=`) != "" && !strings.HasSuffix(n.written, " ") {
		return scalar(n.written, blockPlain)
	}
	return lineOf(n)
}

func (d *draft) objects(w *ruleWriter) {
	given := d.written.get("objects")
	if given == nil {
		given = &node{}
	}
	if len(given.pairs)+len(d.fresh) > 0 {
		w.line(2, "objects:")
	}
	for _, p := range given.pairs {
		text := lineOf(p.value)
		if p.value.kind == nullNode {
			text = "{}"
		}
		w.line(3, "%s: %s", nameText(p.key), text)
	}
	for _, t := range d.fresh {
		d.object(w, t)
	}
}

func (d *draft) object(w *ruleWriter, t *discover.Type) {
	own := &ruleWriter{}
	// An anchor that cannot be written is the system's own, and known to the agent.
	if anchor := t.Anchor; len(anchor) > 0 && !slices.ContainsFunc(anchor, func(name string) bool {
		a := t.Attribute(name)
		return a != nil && a.ImportOnly
	}) {
		own.line(4, "anchor: %s", listText(anchor))
	}
	for _, k := range t.Keys {
		switch {
		case k.List:
			own.line(4, "%s: %s", nameText(k.Name), listText(k.Values))
		case len(k.Values) > 0:
			own.line(4, "%s: %s", nameText(k.Name), inlineText(k.Values[0]))
		}
	}
	var described []identity.AttributeType
	for _, a := range t.Attributes {
		if slices.Contains(t.Describe, a.Name) && namePattern.MatchString(a.Name) {
			described = append(described, a)
		}
	}
	if len(described) > 0 {
		own.attributes(4, described)
	}
	if own.Len() == 0 {
		w.line(3, "%s: {}", nameText(t.Name))
		return
	}
	w.line(3, "%s:", nameText(t.Name))
	w.WriteString(own.String())
}

func listText(list []string) string {
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = inlineText(text)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
