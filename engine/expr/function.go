package expr

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// A Dialect is a language of expressions.
type Dialect string

// The dialects.
const (
	FIM   Dialect = "fim"   // Forefront and Microsoft Identity Manager (sync-engine §6.1)
	Entra Dialect = "entra" // Microsoft Entra Connect Sync (sync-engine §6.2)
)

// Dialects returns all dialects.
func Dialects() []Dialect { return []Dialect{FIM, Entra} }

// A Function is a row of the function table, built-in or from a script.
type Function struct {
	Name      string
	Signature string // for people; Library fills it in
	Doc       string // one or two sentences
	Source    string // where its behaviour comes from: a section of the reference, or a script
	Dialects  []Dialect

	// MinArgs and MaxArgs bound the number of arguments; MaxArgs -1 means any.
	MinArgs, MaxArgs int

	// Params describes the arguments as far as they are known; those beyond it
	// are taken as they come.
	Params []Param
	Result identity.Type // 0 if unknown
	List   bool          // the result is a list

	// Call computes the function of a script. It may keep neither the context
	// nor the arguments. A panic in it becomes an error. Built-in functions have
	// no Call.
	Call func(ctx *Context, args []Value) (Value, error)

	// Version changes when what Call computes may change, "" if nobody says.
	Version string

	build builder // of a built-in function
	binds bool    // the first argument names a variable for the last one
	lazy  bool    // not every argument is evaluated, so no list is mapped
}

// A Param describes an argument.
type Param struct {
	Name string
	Kind Kind

	// Optional says that the argument and those after it may be left out, Repeats
	// that it, the last one, may be given any number of times, or not at all.
	Optional, Repeats bool

	nulls nullRule
	enum  []string // the words of an Enum
}

// A Kind is what an argument must be. What arrives is converted where the
// conversion is beyond doubt, and is an error otherwise.
type Kind uint8

// The kinds. All but Any refuse several values and flow literals.
const (
	Any       Kind = iota // anything, as it is
	Single                // one value of any type
	Text                  // not binary, and no resolved reference
	Number                // an integer, or the text of one
	Bytes                 // binary
	DateTime              // a datetime, or the text of one
	Condition             // a boolean, or the text true or false
	Ref                   // a reference
	List                  // several values, as they are; one value is a list of one
	Variable              // the name of a variable: $name
	Enum                  // one of a few words
)

var kindNames = [...]string{
	"any", "value", "string", "integer", "binary", "datetime", "boolean", "reference", "list", "variable", "word",
}

// String returns the kind as signatures write it.
func (k Kind) String() string { return kindNames[k] }

// A nullRule says what a null argument does (sync-engine §6.3).
type nullRule uint8

const (
	passNull  nullRule = iota // the function gets it; always so for functions of scripts
	nullOut                   // the result is null
	emptyOut                  // the result is the empty text
	nullError                 // an error
)

// Parameters of built-in functions, with the null rule that most of them have.
func param(name string, kind Kind) Param { return Param{Name: name, Kind: kind, nulls: nullOut} }

func (p Param) whenNull(rule nullRule) Param {
	p.nulls = rule
	return p
}

func (p Param) optional() Param {
	p.Optional = true
	return p
}

func (p Param) repeated() Param {
	p.Repeats = true
	return p
}

// oneOf is a parameter that takes one of a few words.
func oneOf(name string, words ...string) Param {
	return Param{Name: name, Kind: Enum, enum: words}
}

// Library returns the built-in functions of a dialect, sorted by name; nil for
// an unknown dialect.
func Library(d Dialect) []Function {
	g := grammars[d]
	if g == nil {
		return nil
	}
	return slices.Clone(g.functions.rows)
}

// grammars holds the dialects.
var grammars = map[Dialect]*grammar{
	FIM: {
		operators: []string{"+"},
		dollar:    parameterToken,
		foldNames: true,
		bareNames: true,
		words: map[string]Value{
			"true": Bool(true), "false": Bool(false), "null": Null(), "crlf": Str("\r\n"),
			"authoritativenull": OfLiteral(AuthoritativeNull), "ignorethisflow": OfLiteral(IgnoreThisFlow),
		},
		functions: newFunctionTable(FIM),
	},
	Entra: {
		operators: []string{"&&", "||", "<>", "<=", ">=", "<", ">", "=", "+", "-", "*", "&"},
		dollar:    variableToken,
		percent:   true,
		words: map[string]Value{
			"true": Bool(true), "false": Bool(false), "null": Null(), "crlf": Str("\r\n"),
			"authoritativenull": OfLiteral(AuthoritativeNull), "ignorethisflow": OfLiteral(IgnoreThisFlow),
		},
		maps:      true,
		strict:    true,
		nullText:  true,
		functions: newFunctionTable(Entra),
	},
}

// themes are the rows of all functions, by theme.
var themes = [][]Function{
	textFunctions, conditionFunctions, numberFunctions, convertFunctions, dateTimeFunctions, dnFunctions,
	flowFunctions, listFunctions,
	entraTextFunctions, entraConvertFunctions, entraDateTimeFunctions, entraDNFunctions, evaluationFunctions,
	arithmeticFunctions, multivaluedFunctions, normalizeFunctions, typeFunctions, timespanFunctions, regexFunctions,
	passwordFunctions, requestFunctions, certificateFunctions,
}

// A functionTable is the built-in functions of one dialect.
type functionTable struct {
	rows   []Function // sorted by name
	byName map[string]*Function
	folded map[string]*Function
}

func newFunctionTable(d Dialect) functionTable {
	t := functionTable{byName: make(map[string]*Function), folded: make(map[string]*Function)}
	for _, theme := range themes {
		for _, f := range theme {
			if slices.Contains(f.Dialects, d) {
				f.MinArgs, f.MaxArgs = arguments(f.Params)
				f.Signature = signature(f)
				t.rows = append(t.rows, f)
			}
		}
	}
	slices.SortFunc(t.rows, byName)
	for i := range t.rows {
		f := &t.rows[i]
		t.byName[f.Name] = f
		t.folded[identity.Fold(f.Name)] = f
	}
	return t
}

func byName(a, b Function) int { return strings.Compare(a.Name, b.Name) }

// arguments returns how many arguments the parameters take.
func arguments(params []Param) (least, most int) {
	least, most = len(params), len(params)
	for i, p := range params {
		if p.Optional || p.Repeats {
			least = min(least, i)
		}
		if p.Repeats {
			most = -1
		}
	}
	return least, most
}

// signature writes a function as people read it: Mid(text: string, position:
// integer[, count: integer]): string.
func signature(f Function) string {
	var b strings.Builder
	b.WriteString(f.Name)
	b.WriteByte('(')
	for i, p := range f.Params {
		open, separator, end := "", ", ", ""
		if i == 0 {
			separator = ""
		}
		if p.Optional || p.Repeats {
			open, end = "[", "]"
		}
		if p.Repeats {
			end = ", ...]"
		}
		kind := p.Kind.String()
		if p.Kind == Enum {
			kind = strings.Join(p.enum, "|")
		}
		b.WriteString(open + separator + p.Name + ": " + kind + end)
	}
	b.WriteString("): ")
	if f.Result == 0 {
		b.WriteString(Any.String())
	} else {
		b.WriteString(f.Result.String())
	}
	if f.List {
		b.WriteString("[]")
	}
	return b.String()
}

// find returns a function by the name that an expression uses, the built-in
// ones first; nil if there is none.
func (g *grammar) find(name string, scripts map[string]Function) *Function {
	if f := g.functions.byName[name]; f != nil {
		return f
	}
	if g.foldNames {
		if f := g.functions.folded[identity.Fold(name)]; f != nil {
			return f
		}
	}
	if f, ok := scripts[name]; ok {
		return &f
	}
	if !g.foldNames {
		return nil
	}
	match := ""
	for candidate := range scripts {
		if strings.EqualFold(candidate, name) && (match == "" || candidate < match) {
			match = candidate
		}
	}
	if f, ok := scripts[match]; ok {
		return &f
	}
	return nil
}
