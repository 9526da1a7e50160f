package host

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/token"

	"github.com/metasync/metasync/engine/fault"
)

// Some things goja takes and answers wrongly. A rule built on one would filter out
// everybody instead of nobody, so they are refused: where the text of a script shows
// them when it is loaded, otherwise when they are used.

// property is the key of [API.Instead] for \p{...}, which goja reads as the letter p
// and braces (measured).
const property = `\p`

// localized are the functions that are given a language, with the position of that
// argument. goja ignores it and all that follows.
var localized = map[string]int{
	"localeCompare":  1,
	"toLocaleString": 0, "toLocaleDateString": 0, "toLocaleTimeString": 0,
	"toLocaleUpperCase": 0, "toLocaleLowerCase": 0,
}

// checkPitfalls refuses what can be seen in the text of a file.
func (p *program) checkPitfalls(tree *ast.Program, instead map[string]string) fault.List {
	var wrong fault.List
	refuse := func(at file.Idx, e *fault.Error) {
		e.Position = p.position(tree.File.Position(int(at) - 1))
		wrong = append(wrong, e)
	}
	visit(tree, func(node any) {
		switch x := node.(type) {
		case *ast.RegExpLiteral:
			if hasPropertyEscape(x.Pattern) {
				refuse(x.Idx, propertyError(instead))
			}
		case *ast.NewExpression:
			if isRegExp(x.Callee) && anyPattern(x.ArgumentList) {
				refuse(x.ArgumentList[0].Idx0(), propertyError(instead))
			}
		case *ast.CallExpression:
			name, at := method(x.Callee)
			first, isLocalized := localized[name]
			switch {
			case (isRegExp(x.Callee) || name == "match" || name == "matchAll" || name == "search") && anyPattern(x.ArgumentList):
				refuse(x.ArgumentList[0].Idx0(), propertyError(instead))
			case isLocalized && len(x.ArgumentList) > first && slices.ContainsFunc(x.ArgumentList[first:], isGiven):
				e := fault.New(syntaxError, "%s would ignore the language that it is given", name)
				e.Hint = instead[name]
				refuse(at, e)
			}
		}
	})
	return wrong
}

func propertyError(instead map[string]string) *fault.Error {
	e := fault.New(syntaxError, `\p{...} in a regular expression would never match`)
	e.Hint = `list the characters, such as [A-Za-zÀ-ɏ], or compare toLowerCase() with toUpperCase() to find letters`
	if hint := instead[property]; hint != "" {
		e.Hint = hint
	}
	return e
}

// visit calls f for everything in a syntax tree that is a pointer.
func visit(tree *ast.Program, f func(node any)) {
	seen := map[uintptr]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			walk(v.Elem())
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Pointer:
			if v.IsNil() || seen[v.Pointer()] || v.Type() == reflect.TypeFor[*file.File]() {
				return
			}
			seen[v.Pointer()] = true
			if v.CanInterface() {
				f(v.Interface())
			}
			walk(v.Elem())
		}
	}
	walk(reflect.ValueOf(tree))
}

// method returns the name of the method that is called, and where it stands.
func method(callee ast.Expression) (name string, at file.Idx) {
	switch x := callee.(type) {
	case *ast.DotExpression:
		return x.Identifier.Name.String(), x.Identifier.Idx
	case *ast.Optional:
		return method(x.Expression)
	case *ast.OptionalChain:
		return method(x.Expression)
	}
	return "", 0
}

func isRegExp(callee ast.Expression) bool {
	name, ok := callee.(*ast.Identifier)
	return ok && name.Name == "RegExp"
}

// anyPattern reports whether the first argument is a text with a property escape.
func anyPattern(args []ast.Expression) bool {
	if len(args) == 0 {
		return false
	}
	switch x := args[0].(type) {
	case *ast.StringLiteral:
		return hasPropertyEscape(x.Value.String())
	case *ast.TemplateLiteral:
		return slices.ContainsFunc(x.Elements, func(e *ast.TemplateElement) bool {
			return x.Tag == nil && hasPropertyEscape(e.Parsed.String()) || isRaw(x.Tag) && hasPropertyEscape(e.Literal)
		})
	}
	return false
}

// isRaw reports whether a tag is String.raw.
func isRaw(tag ast.Expression) bool {
	name, _ := method(tag)
	return name == "raw"
}

// isGiven reports whether an argument is more than undefined, which esbuild writes as
// void 0.
func isGiven(arg ast.Expression) bool {
	void, ok := arg.(*ast.UnaryExpression)
	return !ok || void.Operator != token.VOID
}

func hasPropertyEscape(pattern string) bool {
	for i := 0; i+2 < len(pattern); i++ {
		if pattern[i] != '\\' {
			continue
		}
		if strings.ContainsRune("pP", rune(pattern[i+1])) && pattern[i+2] == '{' {
			return true
		}
		i++
	}
	return false
}

// guardedRegExpSource makes the constructor that stands in place of RegExp. Its
// objects, and instanceof, are those of the original.
const guardedRegExpSource = `((original, check) => {
	const construct = Reflect.construct;
	function RegExp(pattern, flags) {
		check(pattern);
		return new.target ? construct(original, [pattern, flags], new.target) : original(pattern, flags);
	}
	Object.defineProperty(RegExp, "prototype", { value: original.prototype, writable: false });
	return Object.setPrototypeOf(RegExp, original);
})`

// guardRegExp has RegExp refuse patterns with properties: those that no text shows,
// because they are put together.
func (w *worker) guardRegExp() {
	maker, err := w.rt.RunScript(internalSource, guardedRegExpSource)
	if err != nil {
		panic(fmt.Errorf("define the guard of RegExp: %w", err)) // a mistake in the source above
	}
	guard, _ := goja.AssertFunction(maker)
	guarded, err := guard(goja.Undefined(), w.rt.Get("RegExp"), w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		if pattern := call.Argument(0); goja.IsString(pattern) && hasPropertyEscape(pattern.String()) {
			panic(w.throwable(propertyError(w.generation.api.Instead)))
		}
		return nil
	}))
	if err == nil {
		err = w.rt.GlobalObject().DefineDataProperty("RegExp", guarded, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	if err != nil {
		panic(fmt.Errorf("guard RegExp: %w", err)) // it can be replaced: it is a property like others
	}
}
