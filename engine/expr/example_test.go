package expr_test

import (
	"fmt"
	"log"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// An expression is compiled once, with the functions that it may call besides the
// built-in ones, and evaluated for each object. A name of which a part is absent is
// absent as a whole.
func ExampleCompile() {
	reverse := expr.Function{
		Name: "reverse", MinArgs: 1, MaxArgs: 1,
		Params: []expr.Param{{Name: "text", Kind: expr.Text}},
		Call: func(_ *expr.Context, args []expr.Value) (expr.Value, error) {
			text, given := args[0].Single()
			if !given {
				return expr.Null(), nil
			}
			var reversed string
			for _, r := range text.Text() {
				reversed = string(r) + reversed
			}
			return expr.Str(reversed), nil
		},
	}
	program, err := expr.Compile(`givenName + " " + reverse(UpperCase(sn))`, expr.Options{
		Functions: map[string]expr.Function{"reverse": reverse},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reads", program.Attributes())
	for _, object := range []identity.Attributes{
		identity.Attributes{}.Set("givenName", identity.String("ada")).Set("sn", identity.String("Lovelace")),
		identity.Attributes{}.Set("sn", identity.String("Madonna")),
	} {
		value, err := program.Eval(&expr.Context{Object: object})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(value.JSON())
	}
	// Output:
	// reads [givenName sn]
	// ada ECALEVOL
	// <nil>
}

// What is wrong with an expression is known before there is an object.
func ExampleCompile_mistake() {
	_, err := expr.Compile(`Lft(sn, 1)`, expr.Options{})
	fmt.Println(err)
	// Output: 1:1: sync-rule-invalid-expression: unknown function "Lft"
}
