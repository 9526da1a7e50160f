package config

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
)

// build turns the keys into a Config and checks what they say about each other.
func (l *loader) build(k *keys) *Config {
	checkUnique(l, "metaverse type", k.Metaverse)
	checkUnique(l, "agent", k.Agents)
	c := &Config{
		State: string(k.State), Scripts: string(k.Scripts),
		Autosync: k.Autosync.Autosync, Notify: l.notify(k), History: k.History, Log: k.Log, Scripting: k.Scripting,
		Lookups: l.lookups(k.Lookups), Console: k.Console.console(),
		Model: rules.Model{
			Dialect: k.Dialect, Precedence: rules.PrecedenceModel(k.Precedence), Provisioning: rules.Provisioning(k.Provision),
		},
	}
	if len(k.Agents) == 0 {
		l.fail(fault.Position{File: l.name, Line: 1, Column: 1}, "the configuration has no agents")
	}
	for _, e := range k.Metaverse {
		l.checkType(k, &e.value)
		c.Model.Types = append(c.Model.Types, e.value.definition(e.name, e.at))
	}
	triggers := map[string]fault.Position{}
	for i := range k.Agents {
		e := &k.Agents[i]
		l.checkFilter(e)
		c.Model.Agents = append(c.Model.Agents, e.value.rule(e.name, e.at, k.Parameters))
		c.Agents = append(c.Agents, l.agent(e, triggers))
	}
	l.checkTriggers(k)
	for _, w := range k.Autosync.agents {
		l.exists("agent", w, k.Agents.names())
	}
	l.checkRules(k)
	c.Workflows = l.workflows(k)
	for i := range k.Rules {
		c.Model.Rules = append(c.Model.Rules, k.Rules[i].definition())
	}
	return c
}

// checkUnique notes the names that several files give.
func checkUnique[T any](l *loader, what string, m named[T]) {
	first := make(map[string]fault.Position, len(m))
	for _, e := range m {
		if at, again := first[e.name]; again {
			l.fail(e.at, "%s %q is already given at %s", what, e.name, at)
			continue
		}
		first[e.name] = e.at
	}
}

// exists notes a problem unless a word is one of the candidates.
func (l *loader) exists(what string, w word, candidates []string) bool {
	if w.text == "" || slices.Contains(candidates, w.text) {
		return w.text != ""
	}
	l.fail(w.at, "unknown %s %q%s", what, w.written, suggestion(w.written, candidates))
	return false
}

// definition returns the type as the rules have it.
func (t *metaverseType) definition(name string, at fault.Position) rules.MetaverseType {
	out := rules.MetaverseType{Name: name, Delete: t.Delete.rule(), Position: at}
	for _, e := range t.Attributes {
		a := e.value
		out.Attributes = append(out.Attributes, rules.MetaverseAttribute{
			Name: e.name, Type: a.Type.Type, Multi: a.Type.Multi, Indexed: a.Indexed, Unique: a.Unique,
			Precedence: a.Precedence.Precedence, Position: e.at,
		})
	}
	return out
}

func (l *loader) checkType(k *keys, t *metaverseType) {
	agents := k.Agents.names()
	for _, e := range t.Attributes {
		for _, w := range e.value.Precedence.agents {
			l.exists("agent", w, agents)
		}
	}
	for _, w := range slices.Concat(t.Delete.Ignore, t.Delete.Agents) {
		l.exists("agent", w, agents)
	}
}

// checkFilter notes filters of object types that the agent does not have.
func (l *loader) checkFilter(e *entry[agentForm]) {
	if len(e.value.Objects) == 0 {
		return // the agent itself knows its types
	}
	for _, f := range e.value.Filter {
		l.exists("object type", word{f.name, f.name, f.at}, e.value.Objects.names())
	}
}

// agent returns an agent with its run profiles and triggers. It notes triggers
// whose names others have.
func (l *loader) agent(e *entry[agentForm], triggers map[string]fault.Position) Agent {
	form := &e.value
	out := Agent{
		Name: e.name, Kind: form.kind, Settings: form.settings, Objects: form.list(),
		Profiles:   profiles(form.Profiles),
		Thresholds: form.Thresholds.thresholds(),
		Import:     Import(form.Import), Export: form.Export == "auto", Strict: form.Strict, Fingerprint: form.fingerprint, Position: e.at,
	}
	for i := range form.Triggers {
		spec := form.Triggers[i].spec(l, e.name)
		if first, again := triggers[spec.Name]; again {
			l.fail(spec.Position, "a trigger named %q already stands at %s", spec.Name, first).Hint = "give one of them a name"
			continue
		}
		triggers[spec.Name] = spec.Position
		out.Triggers = append(out.Triggers, spec)
	}
	return out
}

// profiles returns the default profiles, with the steps that the agent gives
// them, and then its own ones.
func profiles(own named[steps]) []run.Profile {
	out := run.DefaultProfiles()
	for _, e := range own {
		profile := run.Profile{Name: e.name, Steps: e.value, Position: e.at}
		if i := slices.IndexFunc(out, func(p run.Profile) bool { return p.Name == e.name }); i >= 0 {
			out[i] = profile
			continue
		}
		out = append(out, profile)
	}
	return out
}

func (l *loader) checkRules(k *keys) {
	byName := make(map[string]*rule, len(k.Rules))
	var names []string
	for i := range k.Rules {
		r := &k.Rules[i]
		if first, again := byName[r.Name.text]; again {
			l.fail(r.Name.at, "rule %q is already given at %s", r.Name.written, first.Name.at)
			continue
		}
		byName[r.Name.text] = r
		names = append(names, r.Name.text)
	}
	l.checkIDs(k.Rules, byName)
	for i := range k.Rules {
		r := &k.Rules[i]
		l.exists("rule", r.DependsOn, names)
		l.exists("rule", r.PrecedenceBefore, names)
		if l.exists("agent", r.Agent, k.Agents.names()) {
			if objects := k.Agents.get(r.Agent.text).Objects; len(objects) > 0 {
				l.exists("object type", r.Object, objects.names())
			}
		}
		if l.exists("metaverse type", r.Metaverse, k.Metaverse.names()) {
			l.checkJoins(r, k.Metaverse)
			l.checkAttributes(r, k.Metaverse.get(r.Metaverse.text).Attributes.names())
		}
	}
	l.checkDependencies(k.Rules, byName)
}

// checkJoins notes the metaverse attributes of joins that do not exist in the
// rule's type, or in any where all types are looked at.
func (l *loader) checkJoins(r *rule, types named[metaverseType]) {
	for _, item := range r.Join {
		known := []string{rules.ObjectIDAttribute}
		for _, t := range types {
			if item.AnyType || t.name == r.Metaverse.text {
				known = append(known, t.value.Attributes.names()...)
			}
		}
		for _, e := range item.Match {
			l.exists("metaverse attribute", e.value.Metaverse, known)
		}
	}
}

// checkIDs notes the ids by which the store could take one rule for another.
func (l *loader) checkIDs(list []rule, byName map[string]*rule) {
	byID := map[string]*rule{}
	for i := range list {
		r := &list[i]
		switch named, other := byName[r.ID.text], byID[r.ID.text]; {
		case r.ID.text == "":
		case other != nil:
			l.fail(r.ID.at, "id %q is already given at %s", r.ID.written, other.ID.at)
		case named != nil && named != r:
			l.fail(r.ID.at, "id %q is the name of the rule at %s", r.ID.written, named.Name.at)
		default:
			byID[r.ID.text] = r
		}
	}
}

// checkAttributes notes the metaverse attributes of a rule that do not exist.
// What an expression reads is checked when it is compiled.
func (l *loader) checkAttributes(r *rule, attributes []string) {
	const what = "metaverse attribute"
	if r.Inbound != nil {
		for _, e := range r.Inbound.Flows {
			l.exists(what, word{e.name, e.name, e.at}, append([]string{rules.ObjectTypeAttribute}, attributes...))
		}
	}
	if r.Outbound == nil {
		return
	}
	l.checkScope(r.Outbound.Scope, attributes)
	for _, e := range r.Outbound.Flows {
		l.checkScope(e.value.Scope, attributes)
		name := e.value.from.Attribute
		before := len(l.problems)
		l.exists(what, word{name, name, e.value.from.Position}, attributes)
		if len(l.problems) > before && strings.ContainsAny(name, ` "(+`) {
			l.problems[before].Hint = "an expression begins with ="
		}
	}
}

// checkScope notes the metaverse attributes of a scope that do not exist.
func (l *loader) checkScope(s scope, attributes []string) {
	for _, conditions := range s.alternatives {
		for _, c := range conditions {
			l.exists("metaverse attribute", c.Attribute, attributes)
		}
	}
}

// checkDependencies notes each cycle of rules that depend on each other once.
func (l *loader) checkDependencies(list []rule, byName map[string]*rule) {
	done := map[string]bool{}
	for i := range list {
		var chain []string
		for r := &list[i]; r != nil && !done[r.Name.text]; r = byName[r.DependsOn.text] {
			if start := slices.Index(chain, r.Name.text); start >= 0 {
				cycle := append(chain[start:], r.Name.text)
				l.fail(r.DependsOn.at, "rules depend on each other: %s", strings.Join(cycle, " -> "))
				break
			}
			chain = append(chain, r.Name.text)
		}
		for _, name := range chain {
			done[name] = true
		}
	}
}
