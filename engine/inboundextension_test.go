package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

// extended is a world of two systems whose inbound decisions extensions make.
const extended = `
metaverse:
  person: {attributes: {key: string, alias: string, name: string, display: {type: string, precedence: manual}}}
  contact: {attributes: {key: string, name: string}}
agents:
  HR:
    type: memory
    objects: {user: {anchor: [id], strings: [name, alias]}}
  AD:
    type: memory
    objects: {user: {anchor: [id], strings: [name, kind]}}
rules:
  - name: hr
    agent: HR
    object: user
    metaverse: person
    join: [{id: key}]
    inbound: {project: true, flows: {key: id, alias: alias, name: name, display: {script: display}}}
  - name: by alias
    agent: AD
    object: user
    metaverse: person
    join: [{computed: {metaverse: alias, script: true}}]
    inbound: {flows: {name: {script: name}, display: {script: display}}}
  - name: contacts
    agent: AD
    object: user
    metaverse: contact
    inbound: {flows: {key: id, name: name}}
`

func one(s string) []identity.Value { return []identity.Value{identity.String(s)} }

// plainExtensions returns extensions that decide plainly; a test replaces what it is
// about.
func plainExtensions() rules.Functions {
	ad := rules.AgentExtension{
		Filter: func(_ context.Context, cs rules.ConnectorEntry) (bool, error) { return text(cs, "kind") == "test", nil },
		JoinValues: func(_ context.Context, script string, cs rules.ConnectorEntry) ([]identity.Value, error) {
			if script != "computed" || cs.Agent() != "AD" || text(cs, "id") != cs.DN() {
				return nil, errors.New("not what was asked for")
			}
			return one("alias-" + cs.Anchor()), nil
		},
		Project: func(_ context.Context, cs rules.ConnectorEntry) (string, error) {
			if text(cs, "kind") == "contact" {
				return "contact", nil
			}
			return "", nil
		},
	}
	named := func(_ context.Context, e rules.Entry) (expr.Value, error) {
		switch name := text(e, "name"); name {
		case "":
			return expr.Null(), nil
		case "decline":
			return expr.OfLiteral(expr.IgnoreThisFlow), nil
		default:
			return expr.OfValues(one(strings.ToUpper(name))), nil
		}
	}
	return rules.Functions{
		Version: "1",
		Agents:  map[string]rules.AgentExtension{"AD": ad},
		Flows: map[rules.FlowName]rules.Flower{
			{Agent: "AD", Object: "user", Name: "name"}:    named,
			{Agent: "AD", Object: "user", Name: "display"}: display,
			{Agent: "HR", Object: "user", Name: "display"}: display,
		},
	}
}

// display is a flow with manual precedence: it looks at what is there and at the
// other connectors.
func display(_ context.Context, e rules.Entry) (expr.Value, error) {
	flow := e.(rules.FlowEntry)
	mv := flow.Target()
	contributor, _ := mv.Contributor("display")
	if contributor == "AD" && flow.Agent() == "HR" {
		return expr.OfLiteral(expr.IgnoreThisFlow), nil // AD knows better once it has spoken
	}
	hr, err := mv.Connectors("HR")
	if err != nil || len(hr) == 0 {
		return expr.Null(), err
	}
	return expr.OfValues(one(flow.Agent() + " of " + text(hr[0], "name"))), nil
}

func newExtended(t *testing.T, functions rules.Functions) *script {
	t.Helper()
	w := newExtendedWorld(t, extended, functions)
	return &script{world: w}
}

// play carries out commands and compares the metaverse afterwards.
func (s *script) want(mv string, commands ...string) string {
	s.t.Helper()
	var shown strings.Builder
	for _, c := range commands {
		out, err := s.command(words(c))
		if err != nil {
			s.t.Fatalf("%s: %v", c, err)
		}
		shown.WriteString(out)
		s.check()
	}
	if got := s.showMetaverse(); got != strings.TrimPrefix(mv, "\n") {
		s.t.Errorf("after\n%s\nthe metaverse is\n%swant%s", shown.String(), got, mv)
	}
	return shown.String()
}

// TestExtensionsDecide: filter, join values, projection and flows by extension.
func TestExtensionsDecide(t *testing.T) {
	s := newExtended(t, plainExtensions())
	s.want(`
person #1: alias=alias-a(HR) display='AD of ann'(AD) key=1(HR) name=ann(HR) <HR 1> <AD a>
contact #2: key=c(AD) name=carl(AD) <AD c>
`,
		"put HR 1 name=ann alias=alias-a",
		"run HR full-import delta-sync",
		"put AD a name=anna",              // joined by the computed alias
		"put AD b name=bob",               // joins nothing, and is not to be projected
		"put AD c name=carl kind=contact", // projected
		"put AD d name=dave kind=test",    // filtered
		"run AD full-import delta-sync",
	)
	s.want(`
person #1: alias=alias-a(HR) display='AD of '(AD) key=1(HR) name=ANNA(AD) <HR 1> <AD a>
contact #2: key=c(AD) name=carl(AD) <AD c>
`, "set HR 1 name=", "set AD a kind=x", "run HR full-import delta-sync", "run AD full-import delta-sync")
	// Declining leaves what is there; nothing takes it back.
	s.want(`
person #1: alias=alias-a(HR) display='AD of '(AD) key=1(HR) name=ANNA(AD) <HR 1> <AD a>
contact #2: key=c(AD) name=carl(AD) <AD c>
`, "set AD a name=decline", "run AD full-import delta-sync")
	s.want(`
person #1: alias=alias-a(HR) display='AD of '(AD) key=1(HR) <HR 1> <AD a>
contact #2: key=c(AD) name=carl(AD) <AD c>
`, "set AD a name=", "run AD full-import delta-sync")
	// The contributor goes: the other script is asked.
	s.want(`
person #1: alias=alias-a(HR) display='HR of '(HR) key=1(HR) <HR 1>
contact #2: key=c(AD) name=carl(AD) <AD c>
`, "set AD a kind=test", "run AD full-import delta-sync")
}

// TestResolveJoin: the extension chooses among the objects that match, also if it
// is only one.
func TestResolveJoin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer rules.Resolution
		err    string
		mv     string
	}{
		{"second", rules.Resolution{Join: true, Index: 1}, "", `
person #1: alias=alias-a(HR) display='HR of x'(HR) key=1(HR) name=x(HR) <HR 1>
person #2: alias=alias-a(HR) display='AD of y'(AD) key=2(HR) name=y(HR) <HR 2> <AD a>
`},
		{"declines", rules.Resolution{}, "", `
person #1: alias=alias-a(HR) display='HR of x'(HR) key=1(HR) name=x(HR) <HR 1>
person #2: alias=alias-a(HR) display='HR of y'(HR) key=2(HR) name=y(HR) <HR 2>
`},
		{"another type", rules.Resolution{Join: true, Type: "contact"}, "", `
contact #1: key=a(AD) name=n(AD) <HR 1> <AD a>
person #2: alias=alias-a(HR) display='HR of y'(HR) key=2(HR) name=y(HR) <HR 2>
`},
		{"out of bounds", rules.Resolution{Join: true, Index: 2}, "extension-join-resolution-index-out-of-bounds", ""},
		{"unknown type", rules.Resolution{Join: true, Type: "robot"}, "extension-join-resolution-invalid-object-type", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := plainExtensions()
			ad := f.Agents["AD"]
			ad.ResolveJoin = func(_ context.Context, rule string, cs rules.ConnectorEntry, candidates []rules.MetaverseEntry) (rules.Resolution, error) {
				if rule != "by alias" || len(candidates) != 2 || text(candidates[1], "name") != "y" || candidates[0].ObjectType() != "person" {
					return rules.Resolution{}, errors.New("not what was asked for")
				}
				return tt.answer, nil
			}
			f.Agents["AD"] = ad
			s := newExtended(t, f)
			mv := tt.mv
			if mv == "" {
				mv = `
person #1: alias=alias-a(HR) display='HR of x'(HR) key=1(HR) name=x(HR) <HR 1>
person #2: alias=alias-a(HR) display='HR of y'(HR) key=2(HR) name=y(HR) <HR 2>
`
			}
			shown := s.want(mv, "put HR 1 name=x alias=alias-a", "put HR 2 name=y alias=alias-a", "run HR full-import delta-sync",
				"put AD a name=n", "run AD full-import delta-sync")
			if tt.err != "" && !strings.Contains(shown, "error "+tt.err+` "a" "by alias"`) {
				t.Errorf("no %s in\n%s", tt.err, shown)
			}
		})
	}
}

// TestResolverOfCriterion: each criterion asks under its own name, with the objects
// of all types that it looks at; one without a name under that of the rule.
func TestResolverOfCriterion(t *testing.T) {
	configuration := strings.Replace(extended, `    join: [{computed: {metaverse: alias, script: true}}]
`, `    join:
      - {match: {computed: {metaverse: alias, script: true}}, resolver: aliases}
      - {match: {name: name}, anyType: true, resolver: names}
      - {match: {name: alias}}
`, 1)
	var asked []string
	f := plainExtensions()
	ad := f.Agents["AD"]
	ad.ResolveJoin = func(_ context.Context, name string, cs rules.ConnectorEntry, candidates []rules.MetaverseEntry) (rules.Resolution, error) {
		for _, mv := range candidates {
			name += " " + mv.ObjectType()
		}
		asked = append(asked, cs.Anchor()+" "+name)
		return rules.Resolution{Join: text(cs, "kind") == name, Index: len(candidates) - 1}, nil
	}
	ad.Project = func(_ context.Context, cs rules.ConnectorEntry) (string, error) {
		if text(cs, "kind") == "contact" {
			return "contact", nil
		}
		return "", nil
	}
	f.Agents["AD"] = ad
	s := &script{world: newExtendedWorld(t, configuration, f)}
	s.want(`
contact #1: key=c(AD) name=ann(AD) <AD c>
person #2: alias=alias-b(HR) display='AD of ann'(AD) key=1(HR) name=ann(HR) <HR 1> <AD b>
person #3: alias=ann(HR) display='AD of '(AD) key=3(HR) name=ANN(AD) <HR 3> <AD d>
`,
		"put AD c name=ann kind=contact",
		"run AD full-import delta-sync", // there is nobody to ask about
		"put HR 1 name=ann alias=alias-b",
		"put HR 3 alias=ann",
		"run HR full-import delta-sync",
		"put AD b name=ann 'kind=names contact person'",
		"put AD d name=ann 'kind=by alias person'",
		"run AD full-import delta-sync",
	)
	if got, want := strings.Join(asked, ", "), "b aliases person, b names contact person, d names contact person, d by alias person"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	ad.ResolveJoin = nil
	f.Agents["AD"] = ad
	w := closedWorld(t, configuration, f)
	if err := w.tryOpen(w.state); err == nil || !strings.Contains(err.Error(), `extension-entry-point-not-implemented: rule "by alias": agent "AD" has no script that resolves joins`) {
		t.Errorf("configured: %v", err)
	}
}

// TestExtensionErrors: what goes wrong in an extension is an error of the object;
// others are synchronized, and what was decided before stays.
func TestExtensionErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		breaks func(*rules.Functions, *rules.AgentExtension)
		want   string
	}{
		{"filter fails", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.Filter = func(context.Context, rules.ConnectorEntry) (bool, error) { return true, boom }
		}, `error extension-dll-exception "a": boom`},
		{"filter panics", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.Filter = func(context.Context, rules.ConnectorEntry) (bool, error) { panic("no") }
		}, `error extension-dll-exception "a": the extension panicked: no`},
		{"join fails under its own name", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.JoinValues = func(context.Context, string, rules.ConnectorEntry) ([]identity.Value, error) {
				return nil, fault.New("extension-dll-timeout", "too long")
			}
		}, `error extension-dll-timeout "a" "by alias": too long`},
		{"no join script", func(_ *rules.Functions, ad *rules.AgentExtension) { ad.JoinValues = nil }, ""},
		{"unknown type to project", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.Project = func(context.Context, rules.ConnectorEntry) (string, error) { return "robot", nil }
		}, `error extension-projection-invalid-object-type "a": there is no metaverse type "robot"`},
		{"no type to project", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.Project = func(context.Context, rules.ConnectorEntry) (string, error) { return "", rules.ErrTypeNotSet }
		}, `error extension-projection-object-type-not-set "a": the extension projects the object, and names no metaverse type`},
		{"projection panics", func(_ *rules.Functions, ad *rules.AgentExtension) {
			ad.Project = func(context.Context, rules.ConnectorEntry) (string, error) {
				var none []string
				return none[len(none)], nil
			}
		}, `error extension-dll-exception "a": the extension panicked: runtime error: index out of range`},
		{"flow panics", func(f *rules.Functions, ad *rules.AgentExtension) {
			ad.Project = func(context.Context, rules.ConnectorEntry) (string, error) { return "person", nil }
			f.Flows[rules.FlowName{Agent: "AD", Object: "user", Name: "name"}] = func(context.Context, rules.Entry) (expr.Value, error) { panic(boom) }
		}, `error extension-dll-exception "a" "by alias" "name": the extension panicked: boom`},
		{"flow gives two values", func(f *rules.Functions, ad *rules.AgentExtension) {
			ad.Project = func(context.Context, rules.ConnectorEntry) (string, error) { return "person", nil }
			f.Flows[rules.FlowName{Agent: "AD", Object: "user", Name: "name"}] = func(context.Context, rules.Entry) (expr.Value, error) {
				return expr.OfValues([]identity.Value{identity.String("b"), identity.String("a"), identity.String("a")}), nil
			}
		}, `error flow-multi-values-to-single-value "a" "by alias" "name": 2 values for a single-valued attribute`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := plainExtensions()
			ad := f.Agents["AD"]
			tt.breaks(&f, &ad)
			f.Agents["AD"] = ad
			if tt.want == "" {
				w := closedWorld(t, extended, f)
				err := w.tryOpen(w.state)
				if err == nil || !strings.Contains(err.Error(), `extension-entry-point-not-implemented: rule "by alias": agent "AD" has no script for the values of joins`) {
					t.Errorf("configured: %v", err)
				}
				return
			}
			s := newExtended(t, f)
			shown := s.want("", "put AD a name=x", "run AD full-import delta-sync")
			if !strings.Contains(shown, tt.want) {
				t.Errorf("no %s in\n%s", tt.want, shown)
			}
			if got := s.showSpace("AD"); !strings.Contains(got, "a disconnector user") {
				t.Errorf("the object is\n%s", got)
			}
		})
	}
}

// TestJoinByID: a join script may name a metaverse object by its id, once.
func TestJoinByID(t *testing.T) {
	const byID = "metaverse:\n  person: {attributes: {key: string}}\n" + `
agents:
  HR: {type: memory, objects: {user: {anchor: [id]}}}
  AD: {type: memory, objects: {user: {anchor: [id], attributes: {person: "string[]"}}}}
rules:
  - {name: hr, agent: HR, object: user, metaverse: person, inbound: {project: true, flows: {key: id}}}
  - {name: ad, agent: AD, object: user, metaverse: person, join: [{person: object-id}], inbound: {}}
`
	s := &script{world: newExtendedWorld(t, byID, rules.Functions{})}
	shown := s.want(`
person #1: key=1(HR) <HR 1> <AD a>
`, "put HR 1", "run HR full-import delta-sync",
		"put AD a person=0000-000000000001", "put AD b person=0000-000000000001;0000-000000000002", "put AD c person=nobody",
		"put AD d person=0001-000000000001", "put AD e person=0000-000000000009", "put AD f", "run AD full-import delta-sync")
	for _, want := range []string{
		`error join-object-id-must-be-single-valued "b" "ad"`, `error cannot-parse-object-id "c" "ad"`, `error cannot-parse-object-id "d" "ad"`,
		"disconnector-remains 2", "flow-failure 3",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s in\n%s", want, shown)
		}
	}
}
