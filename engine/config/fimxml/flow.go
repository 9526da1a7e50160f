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
func unexpected(e *element, name string, known ...string) error {
	for _, c := range e.Children {
		found := false
		for _, k := range known {
			found = found || c.Space == "" && c.Local == k
		}
		if !found {
			return c.Fail(name, "unexpected <%s> in <%s>", c.Local, e.Local)
		}
	}
	return nil
}

// flow reads an import-flow or an export-flow.
func (d *decoder) flow(e *element) (f rules.Flow, err error) {
	f.Position = e.At
	if err := unexpected(e, errFlow, "src", "dest", "scoping", "fn"); err != nil {
		return f, err
	}
	dest := e.Child("dest")
	if dest == nil || dest.Text() == "" {
		return f, e.Fail(errFlow, "the flow has no destination")
	}
	f.Target = dest.Text()
	if f.Source, err = d.source(e); err != nil {
		return f, err
	}
	f.Source.Position = e.At
	for _, c := range e.Children {
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
	if text, given := e.Attribute("allows-null"); given {
		if f.AllowNull, err = boolean(text); err != nil {
			return f, e.Fail(errFlow, "allows-null: %s", err)
		}
		if f.AllowNull && e.Local == "import-flow" {
			f.AllowNull = false
			d.note(e, "allows-null", "a value that is gone is gone from the metaverse in any case")
		}
	}
	if merge, given := e.AttributeIn(namespace, "merge"); given {
		f.Merge = rules.MergeType(merge)
		if !slices.Contains([]rules.MergeType{rules.Update, rules.ReplaceValues, rules.Merge, rules.MergeCaseInsensitive}, f.Merge) {
			return f, e.Fail(errFlow, "unknown merge type %q", merge)
		}
	}
	return f, nil
}

func (d *decoder) source(e *element) (s rules.Source, err error) {
	src, fn := e.Child("src"), e.Child("fn")
	if fn != nil {
		s.Expression, err = d.function(fn)
		return s, err
	}
	if src == nil {
		return s, e.Fail(errFlow, "the flow into %q has no source", e.Child("dest").Text())
	}
	if script, given := src.AttributeIn(namespace, "script"); given {
		return rules.Source{Script: script}, nil
	}
	if text, given := src.AttributeIn(namespace, "dn-part"); given {
		if s.DNPart, err = strconv.Atoi(text); err != nil || s.DNPart < 1 {
			return s, src.Fail(errFlow, "%q is not the number of a component of a name", text)
		}
		return s, nil
	}
	if err := unexpected(src, errFlow, "attr"); err != nil {
		return s, err
	}
	switch len(src.Children) {
	case 0:
		return rules.Source{Constant: true, Value: src.Text()}, nil
	case 1:
		if s.Attribute = src.Children[0].Text(); s.Attribute == "" {
			return s, src.Fail(errFlow, "an attribute without a name")
		}
		return s, nil
	}
	return s, src.Fail(errFlow, "several attributes need a function that makes one value of them")
}

// function reads the expression of a fn element.
func (d *decoder) function(fn *element) (string, error) {
	if id, _ := fn.Attribute("id"); strings.EqualFold(id, custom) && len(fn.Children) == 1 && len(fn.Children[0].Children) == 0 {
		text := fn.Children[0].Text()
		if text == "" {
			return "", fn.Fail(errFunction, "%s has no expression", custom)
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
	id, _ := fn.Attribute("id")
	id = strings.TrimSpace(id)
	if id == "" {
		return nil, fn.Fail(errFunction, "a function without an id")
	}
	if id != concatenation && nameLength(id) != len(id) {
		return nil, fn.Fail(errFunction, "%q is not the name of a function", id)
	}
	if flag, given := fn.Attribute("isCustomExpression"); given {
		if _, err := boolean(flag); err != nil {
			return nil, fn.Fail(errFunction, "isCustomExpression: %s", err)
		}
	}
	if err := unexpected(fn, errFunction, "arg"); err != nil {
		return nil, err
	}
	t := &tree{function: id}
	for _, arg := range fn.Children {
		a, err := d.argument(arg)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, a)
	}
	switch {
	case strings.EqualFold(id, custom):
		if len(t.args) != 1 {
			return nil, fn.Fail(errFunction, "%s has %d arguments, it needs one", custom, len(t.args))
		}
		return t.args[0], nil
	case id == concatenation && len(t.args) == 0:
		return nil, fn.Fail(errFunction, "nothing to join with +")
	case id == concatenation && len(t.args) == 1:
		return t.args[0], nil
	}
	return t, nil
}

// argument reads an arg element: a function, or a text that is a value or a whole
// expression. A text that is none can only be an attribute with an odd name.
func (d *decoder) argument(arg *element) (*tree, error) {
	if err := unexpected(arg, errFunction, "fn"); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(arg.Chars)
	switch {
	case len(arg.Children) > 1, len(arg.Children) == 1 && text != "":
		return nil, arg.Fail(errFunction, "an argument is one value or one function")
	case len(arg.Children) == 1:
		return d.call(arg.Children[0])
	case text == "":
		return nil, arg.Fail(errFunction, `an argument is empty; the empty text is ""`)
	}
	if t, ok := parseExpression(text); ok {
		return t, nil
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`"()[]$+,&=<>`, r) }
	if strings.IndexFunc(text, odd) >= 0 {
		return nil, arg.Fail(errFunction, "%q is no value: texts stand in double quotes", text)
	}
	return &tree{text: "[" + text + "]"}, nil
}

// scoping reads one list of conditions.
func (d *decoder) scoping(e *element) ([]rules.Condition, error) {
	if err := unexpected(e, errScope, "scope"); err != nil {
		return nil, err
	}
	if len(e.Children) == 0 && e.Text() != "" {
		return nil, e.Fail(errScope, "%q is no condition", e.Text())
	}
	var out []rules.Condition
	for _, scope := range e.Children {
		if err := unexpected(scope, errScope, "csAttribute", "csOperator", "csValue"); err != nil {
			return nil, err
		}
		attribute, operator, value := scope.Child("csAttribute"), scope.Child("csOperator"), scope.Child("csValue")
		if attribute == nil || attribute.Text() == "" || operator == nil {
			return nil, scope.Fail(errScope, "a condition needs csAttribute and csOperator")
		}
		c := rules.Condition{Attribute: attribute.Text(), Operator: rules.OperatorName(operator.Text()), Position: scope.At}
		if c.Operator == "" {
			err := operator.Fail(errOperator, "unknown operator %q", operator.Text())
			if near := fault.Suggest(strings.ToUpper(operator.Text()), rules.Operators()); near != "" {
				err.Hint = "did you mean " + strconv.Quote(near) + "?"
			}
			return nil, err
		}
		switch takes := rules.OperatorTakesValue(c.Operator); {
		case takes && value == nil:
			return nil, scope.Fail(errScope, "operator %s needs csValue", operator.Text())
		case takes:
			c.Value = value.Text()
		case value != nil && value.Text() != "":
			return nil, value.Fail(errScope, "operator %s takes no value", operator.Text())
		}
		out = append(out, c)
	}
	return out, nil
}

// conditions reads one set of relationship criteria.
func (d *decoder) conditions(e *element) (rules.JoinCriterion, error) {
	if err := unexpected(e, errCriteria, "condition"); err != nil {
		return rules.JoinCriterion{}, err
	}
	out := rules.JoinCriterion{Position: e.At}
	out.Resolver, _ = e.AttributeIn(namespace, "resolver")
	if text, given := e.AttributeIn(namespace, "any-type"); given {
		var err error
		if out.AnyType, err = boolean(text); err != nil {
			return rules.JoinCriterion{}, e.Fail(errCriteria, "any-type: %s", err)
		}
	}
	for _, c := range e.Children {
		if err := unexpected(c, errCriteria, "ilmAttribute", "csAttribute"); err != nil {
			return rules.JoinCriterion{}, err
		}
		mv, cs := c.Child("ilmAttribute"), c.Child("csAttribute")
		if mv == nil || cs == nil || mv.Text() == "" || cs.Text() == "" {
			return rules.JoinCriterion{}, c.Fail(errCriteria, "a condition needs ilmAttribute and csAttribute")
		}
		pair := rules.JoinPair{Connector: cs.Text(), Metaverse: mv.Text(), Position: c.At}
		for _, flag := range []struct {
			name string
			to   *bool
		}{{"script", &pair.Script}, {"case-sensitive", &pair.CaseSensitive}} {
			if text, given := c.AttributeIn(namespace, flag.name); given {
				var err error
				if *flag.to, err = boolean(text); err != nil {
					return rules.JoinCriterion{}, c.Fail(errCriteria, "%s: %s", flag.name, err)
				}
			}
		}
		for _, other := range out.Pairs {
			if other.Connector == pair.Connector {
				return rules.JoinCriterion{}, c.Fail(errCriteria, "%q is compared twice", pair.Connector)
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
