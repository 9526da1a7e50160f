package fimxml

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
)

// isFlow reports whether an element is a flow.
func isFlow(e *element) bool {
	return e.Space == "" && (e.Local == "import-flow" || e.Local == "export-flow")
}

// unexpected returns an error for the first child that is none of the names.
func (e *element) unexpected(name string, known ...string) error {
	for _, c := range e.children {
		found := false
		for _, k := range known {
			found = found || c.Space == "" && c.Local == k
		}
		if !found {
			return c.fail(name, "unexpected <%s> in <%s>", c.Local, e.Local)
		}
	}
	return nil
}

// flow reads an import-flow or an export-flow.
func (d *decoder) flow(e *element) (f rules.Flow, err error) {
	f.Position = e.at
	if err := e.unexpected(errFlow, "src", "dest", "scoping", "fn"); err != nil {
		return f, err
	}
	dest := e.child("dest")
	if dest == nil || dest.text() == "" {
		return f, e.fail(errFlow, "the flow has no destination")
	}
	f.Target = dest.text()
	if f.Source, err = d.source(e); err != nil {
		return f, err
	}
	f.Source.Position = e.at
	for _, c := range e.children {
		if c.Local != "scoping" {
			continue
		}
		conditions, err := d.scoping(c)
		if err != nil {
			return f, err
		}
		if len(conditions) > 0 {
			f.Scope = append(f.Scope, conditions)
		}
	}
	if text, given := e.attribute("allows-null"); given {
		if f.AllowNull, err = boolean(text); err != nil {
			return f, e.fail(errFlow, "allows-null: %s", err)
		}
		if f.AllowNull && e.Local == "import-flow" {
			f.AllowNull = false
			d.note(e, "allows-null", "a value that is gone is gone from the metaverse in any case")
		}
	}
	if merge, given := e.attributeIn(namespace, "merge"); given {
		f.Merge = rules.MergeType(merge)
		if !slices.Contains([]rules.MergeType{rules.Update, rules.ReplaceValues, rules.Merge, rules.MergeCaseInsensitive}, f.Merge) {
			return f, e.fail(errFlow, "unknown merge type %q", merge)
		}
	}
	return f, nil
}

func (d *decoder) source(e *element) (s rules.Source, err error) {
	src, fn := e.child("src"), e.child("fn")
	if fn != nil {
		s.Expression, err = d.function(fn)
		return s, err
	}
	if src == nil {
		return s, e.fail(errFlow, "the flow into %q has no source", e.child("dest").text())
	}
	if script, given := src.attributeIn(namespace, "script"); given {
		return rules.Source{Script: script}, nil
	}
	if text, given := src.attributeIn(namespace, "dn-part"); given {
		if s.DNPart, err = strconv.Atoi(text); err != nil || s.DNPart < 1 {
			return s, src.fail(errFlow, "%q is not the number of a component of a name", text)
		}
		return s, nil
	}
	if err := src.unexpected(errFlow, "attr"); err != nil {
		return s, err
	}
	switch len(src.children) {
	case 0:
		return rules.Source{Constant: true, Value: src.text()}, nil
	case 1:
		if s.Attribute = src.children[0].text(); s.Attribute == "" {
			return s, src.fail(errFlow, "an attribute without a name")
		}
		return s, nil
	}
	return s, src.fail(errFlow, "several attributes need a function that makes one value of them")
}

// function reads the expression of a fn element.
func (d *decoder) function(fn *element) (string, error) {
	if id, _ := fn.attribute("id"); strings.EqualFold(id, custom) && len(fn.children) == 1 && len(fn.children[0].children) == 0 {
		text := fn.children[0].text()
		if text == "" {
			return "", fn.fail(errFunction, "%s has no expression", custom)
		}
		return strings.TrimPrefix(text, "="), nil
	}
	t, err := d.call(fn)
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// call reads a fn element and those in it.
func (d *decoder) call(fn *element) (*tree, error) {
	id, _ := fn.attribute("id")
	id = strings.TrimSpace(id)
	if id == "" {
		return nil, fn.fail(errFunction, "a function without an id")
	}
	if id != concatenation && nameLength(id) != len(id) {
		return nil, fn.fail(errFunction, "%q is not the name of a function", id)
	}
	if flag, given := fn.attribute("isCustomExpression"); given {
		if _, err := boolean(flag); err != nil {
			return nil, fn.fail(errFunction, "isCustomExpression: %s", err)
		}
	}
	if err := fn.unexpected(errFunction, "arg"); err != nil {
		return nil, err
	}
	t := &tree{function: id}
	for _, arg := range fn.children {
		a, err := d.argument(arg)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, a)
	}
	switch {
	case strings.EqualFold(id, custom):
		if len(t.args) != 1 {
			return nil, fn.fail(errFunction, "%s has %d arguments, it needs one", custom, len(t.args))
		}
		return t.args[0], nil
	case id == concatenation && len(t.args) == 0:
		return nil, fn.fail(errFunction, "nothing to join with +")
	case id == concatenation && len(t.args) == 1:
		return t.args[0], nil
	}
	return t, nil
}

// argument reads an arg element: a function, or a text that is a value or a whole
// expression. A text that is none can only be an attribute with an odd name.
func (d *decoder) argument(arg *element) (*tree, error) {
	if err := arg.unexpected(errFunction, "fn"); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(arg.chars)
	switch {
	case len(arg.children) > 1, len(arg.children) == 1 && text != "":
		return nil, arg.fail(errFunction, "an argument is one value or one function")
	case len(arg.children) == 1:
		return d.call(arg.children[0])
	case text == "":
		return nil, arg.fail(errFunction, `an argument is empty; the empty text is ""`)
	}
	if t, ok := parseExpression(text); ok {
		return t, nil
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`"()[]$+,&=<>`, r) }
	if strings.IndexFunc(text, odd) >= 0 {
		return nil, arg.fail(errFunction, "%q is no value: texts stand in double quotes", text)
	}
	return &tree{text: "[" + text + "]"}, nil
}

// scoping reads one list of conditions.
func (d *decoder) scoping(e *element) ([]rules.Condition, error) {
	if err := e.unexpected(errScope, "scope"); err != nil {
		return nil, err
	}
	if len(e.children) == 0 && e.text() != "" {
		return nil, e.fail(errScope, "%q is no condition", e.text())
	}
	var out []rules.Condition
	for _, scope := range e.children {
		if err := scope.unexpected(errScope, "csAttribute", "csOperator", "csValue"); err != nil {
			return nil, err
		}
		attribute, operator, value := scope.child("csAttribute"), scope.child("csOperator"), scope.child("csValue")
		if attribute == nil || attribute.text() == "" || operator == nil {
			return nil, scope.fail(errScope, "a condition needs csAttribute and csOperator")
		}
		c := rules.Condition{Attribute: attribute.text(), Operator: rules.OperatorName(operator.text()), Position: scope.at}
		if c.Operator == "" {
			err := operator.fail(errOperator, "unknown operator %q", operator.text())
			if near := fault.Suggest(strings.ToUpper(operator.text()), rules.Operators()); near != "" {
				err.Hint = "did you mean " + strconv.Quote(near) + "?"
			}
			return nil, err
		}
		switch takes := rules.OperatorTakesValue(c.Operator); {
		case takes && value == nil:
			return nil, scope.fail(errScope, "operator %s needs csValue", operator.text())
		case takes:
			c.Value = value.text()
		case value != nil && value.text() != "":
			return nil, value.fail(errScope, "operator %s takes no value", operator.text())
		}
		out = append(out, c)
	}
	return out, nil
}

// conditions reads one set of relationship criteria.
func (d *decoder) conditions(e *element) (rules.JoinCriterion, error) {
	if err := e.unexpected(errCriteria, "condition"); err != nil {
		return rules.JoinCriterion{}, err
	}
	out := rules.JoinCriterion{Position: e.at}
	out.Resolver, _ = e.attributeIn(namespace, "resolver")
	if text, given := e.attributeIn(namespace, "any-type"); given {
		var err error
		if out.AnyType, err = boolean(text); err != nil {
			return rules.JoinCriterion{}, e.fail(errCriteria, "any-type: %s", err)
		}
	}
	for _, c := range e.children {
		if err := c.unexpected(errCriteria, "ilmAttribute", "csAttribute"); err != nil {
			return rules.JoinCriterion{}, err
		}
		mv, cs := c.child("ilmAttribute"), c.child("csAttribute")
		if mv == nil || cs == nil || mv.text() == "" || cs.text() == "" {
			return rules.JoinCriterion{}, c.fail(errCriteria, "a condition needs ilmAttribute and csAttribute")
		}
		pair := rules.JoinPair{Connector: cs.text(), Metaverse: mv.text(), Position: c.at}
		for _, flag := range []struct {
			name string
			to   *bool
		}{{"script", &pair.Script}, {"case-sensitive", &pair.CaseSensitive}} {
			if text, given := c.attributeIn(namespace, flag.name); given {
				var err error
				if *flag.to, err = boolean(text); err != nil {
					return rules.JoinCriterion{}, c.fail(errCriteria, "%s: %s", flag.name, err)
				}
			}
		}
		for _, other := range out.Pairs {
			if other.Connector == pair.Connector {
				return rules.JoinCriterion{}, c.fail(errCriteria, "%q is compared twice", pair.Connector)
			}
		}
		out.Pairs = append(out.Pairs, pair)
	}
	return out, nil
}

func boolean(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1":
		return true, nil
	case "false", "0", "":
		return false, nil
	}
	return false, fault.New("", "%q is neither true nor false", text)
}
