package cases

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Case is an expression with its inputs and what is expected of it.
type Case struct {
	// ID names the case, a number or a text.
	ID json.RawMessage `json:"id"`
	// Dialect is FIM if empty.
	Dialect expr.Dialect `json:"dialect"`
	// Expr is the expression. "[extrinsic MA]" and "[hierarchical MA]" behind it
	// say for which names EscapeDNComponent escapes, "[LDAP MA]" is the default.
	// \uXXXX stands for a character that cannot be written.
	Expr string `json:"expr"`
	// Inputs are as for [ParseInput].
	Inputs map[string]any `json:"inputs"`
	// Expected is a value in the form of [expr.FromJSON], or {"$error": "text"}:
	// any error; {"$match": "regular expression"}, found in the text of the value;
	// {"$range": [low, high]}, both included; {"$subset": "text"}: no value but
	// those of the inputs.
	Expected any `json:"expected"`
	// Note says why.
	Note string `json:"note"`
}

// Read reads a JSON array of cases.
func Read(r io.Reader) ([]Case, error) {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	var list []Case
	if err := decoder.Decode(&list); err != nil {
		return nil, fault.New("invalid-input", "this is no JSON array of cases: %s", err)
	}
	return list, nil
}

// String returns the name of the case.
func (c Case) String() string {
	return strings.Trim(string(c.ID), `"`) + " " + c.Expr
}

// styles are the name styles that can follow an expression.
var styles = map[string]expr.NameStyle{
	" [extrinsic MA]": expr.PlainNames, " [hierarchical MA]": expr.HierarchicalNames, " [LDAP MA]": expr.LDAPNames,
}

var unicodeEscape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}`)

// Run evaluates the case and returns nil if the result is what is expected, else
// an error that says what it is. Opts may add functions; the rest comes from the
// case.
func (c Case) Run(ctx context.Context, opts expr.Options) error {
	in, err := newInput(c.Inputs)
	if err != nil {
		return err
	}
	source := c.Expr
	for suffix, style := range styles {
		if bare, ok := strings.CutSuffix(source, suffix); ok {
			source, opts.Names = bare, style
		}
	}
	source = unicodeEscape.ReplaceAllStringFunc(source, func(escape string) string {
		code, _ := strconv.ParseUint(escape[2:], 16, 16)
		return string(rune(code))
	})
	opts.Dialect, opts.Attribute = c.Dialect, in.Attribute
	got, err := Evaluate(ctx, source, opts, in)
	return c.compare(got, err, in)
}

// Evaluate compiles an expression and evaluates it on an input.
func Evaluate(ctx context.Context, source string, opts expr.Options, in Input) (expr.Value, error) {
	program, err := expr.Compile(source, opts)
	if err != nil {
		return expr.Null(), err
	}
	return program.Eval(in.Context(ctx))
}

// referenceList turns {"$mvref": [...]} into a list that expr.FromJSON reads.
func referenceList(document any) ([]any, bool) {
	object, ok := document.(map[string]any)
	if !ok || len(object) != 1 {
		return nil, false
	}
	names, ok := object["$mvref"].([]any)
	if !ok {
		return nil, false
	}
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = map[string]any{"$ref": name}
	}
	return list, true
}

func (c Case) compare(got expr.Value, err error, in Input) error {
	special, _ := c.Expected.(map[string]any)
	if _, wanted := special["$error"]; wanted {
		if err == nil {
			return fmt.Errorf("%s, expected an error", shown(got))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("error %w, expected %s", err, asJSON(c.Expected))
	}
	matches := false
	switch {
	case special["$match"] != nil:
		pattern, err := regexp.Compile(fmt.Sprint(special["$match"]))
		if err != nil {
			return err
		}
		single, ok := got.Single()
		matches = ok && pattern.MatchString(single.Text())
	case special["$range"] != nil:
		matches, err = inRange(got, special["$range"])
	case special["$subset"] != nil:
		matches = in.holds(got)
	default:
		var want expr.Value
		if want, err = expr.FromJSON(c.Expected); err == nil {
			matches = reflect.DeepEqual(want.JSON(), got.JSON())
		}
	}
	if err == nil && !matches {
		err = fmt.Errorf("%s, expected %s", shown(got), asJSON(c.Expected))
	}
	return err
}

func inRange(got expr.Value, bounds any) (bool, error) {
	pair, _ := bounds.([]any)
	limits := make([]int64, 0, 2)
	for _, bound := range pair {
		v, err := expr.FromJSON(bound)
		single, ok := v.Single()
		if err != nil || !ok || single.Type() != identity.TypeInteger {
			return false, fault.New("invalid-input", "$range needs two whole numbers, not %s", asJSON(bounds))
		}
		limits = append(limits, single.Int())
	}
	if len(limits) != 2 {
		return false, fault.New("invalid-input", "$range needs two whole numbers, not %s", asJSON(bounds))
	}
	single, ok := got.Single()
	return ok && single.Type() == identity.TypeInteger && limits[0] <= single.Int() && single.Int() <= limits[1], nil
}

// holds reports whether the input holds every one of the values.
func (in Input) holds(v expr.Value) bool {
	for _, single := range v.Values() {
		found := false
		for _, attribute := range in.attributes {
			found = found || slices.Contains(attribute.Values(), single)
		}
		if !found {
			return false
		}
	}
	return v.Literal() == expr.NoLiteral
}

func shown(v expr.Value) string { return asJSON(v.JSON()) }

func asJSON(document any) string {
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Sprint(document)
	}
	return string(text)
}
