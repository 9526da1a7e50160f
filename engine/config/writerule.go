package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/metasync/metasync/engine/rules"
)

// WriteRules returns rules as the items of the list under `rules:`. What [Load]
// makes of them are the same rules, apart from places; operators have our names
// instead of the reference's codes. Of a rule that is not whole, the keys that it
// has are written.
func WriteRules(list []rules.Rule) []byte {
	w := &ruleWriter{}
	for i := range list {
		if i > 0 {
			w.WriteByte('\n')
		}
		w.rule(&list[i])
	}
	return []byte(w.String())
}

// A ruleWriter writes mappings in block style, with short ones on a line.
type ruleWriter struct{ strings.Builder }

func (w *ruleWriter) line(depth int, format string, args ...any) {
	w.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// key writes a key with a text, unless that is empty.
func (w *ruleWriter) key(depth int, key, text string) {
	if text != "" {
		w.line(depth, "%s: %s", key, blockText(text))
	}
}

// flag writes a boolean key, unless it is false.
func (w *ruleWriter) flag(depth int, key string, set bool) {
	if set {
		w.line(depth, "%s: true", key)
	}
}

func (w *ruleWriter) rule(r *rules.Rule) {
	start := w.Len()
	w.key(1, "name", r.Name)
	w.key(1, "id", r.ID)
	w.key(1, "description", r.Description)
	w.key(1, "tag", r.Tag)
	w.flag(1, "disabled", r.Disabled)
	w.key(1, "agent", r.Agent)
	w.key(1, "object", r.Object)
	w.key(1, "metaverse", r.Metaverse)
	w.key(1, "precedenceBefore", r.PrecedenceBefore)
	if r.Precedence != 0 && r.PrecedenceBefore == "" {
		w.line(1, "precedence: %d", r.Precedence)
	}
	w.key(1, "dependsOn", r.DependsOn)
	w.key(1, "dialect", r.Dialect)
	if len(r.Join) > 0 {
		w.line(1, "join:")
		for _, criterion := range r.Join {
			w.line(2, "- {%s}", joinText(criterion))
		}
	}
	if r.Inbound != nil {
		w.inbound(r.Inbound)
	}
	if r.Outbound != nil {
		w.outbound(r.Outbound)
	}
	written := w.String()
	w.Reset()
	w.WriteString(written[:start])
	if written = written[start:]; written == "" {
		w.WriteString("- {}\n")
		return
	}
	w.WriteString("- " + strings.TrimPrefix(written, "  "))
}

func joinText(criterion rules.JoinCriterion) string {
	pairs := make([]string, len(criterion.Pairs))
	for i, p := range criterion.Pairs {
		target := inlineText(p.Metaverse)
		if p.Script || p.CaseSensitive {
			target = "{metaverse: " + target
			if p.Script {
				target += ", script: true"
			}
			if p.CaseSensitive {
				target += ", caseSensitive: true"
			}
			target += "}"
		}
		pairs[i] = nameText(p.Connector) + ": " + target
	}
	text := strings.Join(pairs, ", ")
	if !criterion.AnyType && criterion.Resolver == "" {
		return text
	}
	text = "match: {" + text + "}"
	if criterion.AnyType {
		text += ", anyType: true"
	}
	if criterion.Resolver != "" {
		text += ", resolver: " + inlineText(criterion.Resolver)
	}
	return text
}

func (w *ruleWriter) inbound(in *rules.Inbound) {
	if len(in.Scope)+len(in.Flows) == 0 && in.Link() == rules.JoinLink && !in.Disconnect {
		w.line(1, "inbound: {}")
		return
	}
	w.line(1, "inbound:")
	w.scope(2, in.Scope)
	w.flag(2, "project", in.Project)
	w.flag(2, "disconnect", in.Disconnect)
	if in.Sticky {
		w.line(2, "link: %s", rules.StickyLink)
	}
	w.flows(in.Flows)
}

func (w *ruleWriter) outbound(o *rules.Outbound) {
	if len(o.Scope)+len(o.Flows)+len(o.Parameters) == 0 && o.Link() == rules.JoinLink && !o.ByPolicy && !o.Deprovision {
		w.line(1, "outbound: {}")
		return
	}
	w.line(1, "outbound:")
	if o.ByPolicy {
		w.line(2, "apply: policy")
	}
	w.scope(2, o.Scope)
	w.flag(2, "provision", o.Provision)
	if o.Sticky {
		w.line(2, "link: %s", rules.StickyLink)
	}
	w.flag(2, "deprovision", o.Deprovision)
	if len(o.Parameters) > 0 {
		names := make([]string, len(o.Parameters))
		for i, name := range o.Parameters {
			names[i] = inlineText(name)
		}
		w.line(2, "parameters: [%s]", strings.Join(names, ", "))
	}
	w.flows(o.Flows)
}

func (w *ruleWriter) scope(depth int, scope rules.Scope) {
	switch len(scope) {
	case 0:
	case 1:
		w.line(depth, "scope:")
		for _, c := range scope[0] {
			w.line(depth+1, "- %s", conditionText(c))
		}
	default:
		w.line(depth, "scope:")
		w.line(depth+1, "any:")
		for _, conditions := range scope {
			texts := make([]string, len(conditions))
			for i, c := range conditions {
				texts[i] = conditionText(c)
			}
			w.line(depth+2, "- [%s]", strings.Join(texts, ", "))
		}
	}
}

func conditionText(c rules.Condition) string {
	text := "{attribute: " + inlineText(c.Attribute) + ", operator: " + inlineText(cmp.Or(rules.OperatorName(c.Operator), c.Operator))
	if rules.OperatorTakesValue(c.Operator) {
		text += ", value: " + inlineText(c.Value)
	}
	return text + "}"
}

func (w *ruleWriter) flows(flows []rules.Flow) {
	if len(flows) > 0 {
		w.line(2, "flows:")
	}
	for _, f := range flows {
		key, source := sourceText(f.Source)
		merge := f.Merge != "" && f.Merge != rules.Update
		if key == "from" && len(f.Scope) == 0 && !merge && !f.Initial && !f.AllowNull && !f.ExistenceTest {
			w.line(3, "%s: %s", nameText(f.Target), source)
			continue
		}
		w.line(3, "%s:", nameText(f.Target))
		w.line(4, "%s: %s", key, source)
		w.scope(4, f.Scope)
		if merge {
			w.line(4, "merge: %s", f.Merge)
		}
		w.flag(4, "initial", f.Initial)
		w.flag(4, "allowNull", f.AllowNull)
		w.flag(4, "existenceTest", f.ExistenceTest)
	}
}

// sourceText returns the key of a source and its value.
func sourceText(s rules.Source) (key, text string) {
	switch {
	case s.Script != "":
		return "script", blockText(s.Script)
	case s.DNPart > 0:
		return "dnPart", fmt.Sprint(s.DNPart)
	case s.Expression != "":
		return "from", blockText("=" + s.Expression)
	case s.Attribute != "":
		return "from", blockText(s.Attribute)
	}
	return "value", blockText(s.Value)
}

var (
	inlinePlain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	blockPlain  = regexp.MustCompile(`^=?[A-Za-z_"$(][A-Za-z0-9_ .+(),"/$=-]*$`)
	reserved    = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|inf)$`)
)

// inlineText writes a text inside brackets.
func inlineText(text string) string { return scalar(escape(text), inlinePlain) }

// nameText writes a name as a key, in which nothing is replaced.
func nameText(name string) string { return scalar(name, inlinePlain) }

// escape keeps ${ what it is.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// blockText writes a text on a line of its own key.
func blockText(text string) string {
	if strings.HasSuffix(text, " ") || strings.Trim(text[:min(1, len(text))], `"$(`) == "" {
		return inlineText(text) // only an expression may begin like that
	}
	return scalar(escape(text), blockPlain)
}

// scalar writes a text so that it is read again as that text: plain if it may be,
// else in quotes.
func scalar(text string, plain *regexp.Regexp) string {
	if plain.MatchString(text) && !reserved.MatchString(text) {
		return text
	}
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // of a string: cannot fail
	return strings.TrimSpace(quoted.String())
}
