package rules

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestChoose(t *testing.T) {
	set, err := Compile(model(), Functions{})
	if err != nil {
		t.Fatal(err)
	}
	ada := identity.Attributes{}.Set("name", identity.String("Ada")).Set("id", identity.String("1"))
	for _, tt := range []struct {
		expression, want string // the result, or a part of the error
	}{
		{`Eq(name, "Ada")`, "true"},
		{` =Eq(name, "Bob")`, "false"},
		{`IIF(IsPresent(phones), "TRUE", "False")`, "false"},
		{` = boss`, "where:1:3: sync-rule-invalid-expression: the expression gives values of type reference"},
		{`name`, `"Ada", which is neither true nor false`},
		{`phones`, "false"}, // no value is not true
		{`= Eq(nam, "x")`, `where:1:6: sync-rule-invalid-expression: attribute "nam": unknown attribute "nam"`},
		{`BitAnd(1, 2)`, "where:1:1: sync-rule-invalid-expression: the expression gives values of type integer"},
		{`$password`, "unknown parameter"},
	} {
		result := ""
		choice, err := set.ChooseConnectors("HR", tt.expression)
		if err == nil {
			var matches bool
			if matches, err = choice.Match(&expr.Context{Object: ada}); err == nil {
				result = map[bool]string{true: "true", false: "false"}[matches]
			}
		}
		if err != nil {
			result = err.Error()
		}
		if !strings.Contains(result, tt.want) {
			t.Errorf("%s: %s, want %s", tt.expression, result, tt.want)
		}
	}
	if _, err := set.ChooseObjects("person", `Eq(number, "1")`); err != nil {
		t.Errorf("metaverse: %v", err)
	}
	for _, choose := range []func() (*Choice, error){
		func() (*Choice, error) { return set.ChooseObjects("persn", "true") },
		func() (*Choice, error) { return set.ChooseConnectors("HRR", "true") },
	} {
		if _, err := choose(); fault.As(err, "").Hint == "" {
			t.Errorf("no hint: %v", err)
		}
	}
}
