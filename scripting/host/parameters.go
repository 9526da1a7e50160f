package host

import (
	"errors"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// Parameters reads the declared parameters of a function from its text. The
// function takes any number of further arguments if it is variadic. It returns
// false where the text does not tell, as for built-in and bound functions.
func Parameters(fn *goja.Object) (names []string, variadic, ok bool) {
	text := fn.String()
	tree, err := parser.ParseFile(nil, "", "("+text+")", 0, parser.WithDisableSourceMaps)
	if err != nil || len(tree.Body) != 1 {
		return nil, false, false
	}
	statement, ok := tree.Body[0].(*ast.ExpressionStatement)
	if !ok {
		return nil, false, false
	}
	var list *ast.ParameterList
	switch literal := statement.Expression.(type) {
	case *ast.FunctionLiteral:
		list = literal.ParameterList
		variadic = strings.Contains(text, "arguments")
	case *ast.ArrowFunctionLiteral:
		list = literal.ParameterList
	default:
		return nil, false, false
	}
	for _, parameter := range list.List {
		name, isName := parameter.Target.(*ast.Identifier)
		if !isName {
			names = append(names, "…")
			continue
		}
		names = append(names, name.Name.String())
	}
	return names, variadic || list.Rest != nil, true
}

// NameAndFunction reads the arguments of a registration that takes a name and a
// function.
func NameAndFunction(args []goja.Value) (name string, fn *goja.Object, err error) {
	if len(args) != 2 {
		return "", nil, errors.New("takes a name and a function")
	}
	if !goja.IsString(args[0]) || strings.TrimSpace(args[0].String()) == "" {
		return "", nil, invalid("%s is not a name", display(args[0]))
	}
	if _, ok := goja.AssertFunction(args[1]); !ok {
		return "", nil, invalid("the second argument of %s is not a function", display(args[0]))
	}
	return args[0].String(), args[1].(*goja.Object), nil
}
