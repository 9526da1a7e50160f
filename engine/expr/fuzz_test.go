package expr

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// fuzzOptions are the options for fuzzing a dialect. Entra knows the types of the
// attributes.
func fuzzOptions(entra bool) Options {
	if !entra {
		return Options{}
	}
	types := map[string]identity.AttributeType{
		"sn": {Type: identity.TypeString}, "givenName": {Type: identity.TypeString}, "age": {Type: identity.TypeInteger},
		"photo": {Type: identity.TypeBinary}, "phones": {Type: identity.TypeString, Multi: true},
		"manager": {Type: identity.TypeReference}, "born": {Type: identity.TypeDateTime},
		"numbers": {Type: identity.TypeInteger, Multi: true},
	}
	return Options{Dialect: Entra, Attribute: func(name string) (identity.AttributeType, bool) { return types[name], true }}
}

// FuzzEval: any source over any attributes gives a value of bounded size or a
// named error with a place, never a panic; and always the same one. What it took
// is within the bound of work, and the work counts all that came out.
func FuzzEval(f *testing.F) {
	for _, c := range behaviour {
		f.Add(c.source, "Ada", int64(3), []byte{1, 0, 0, 0, 0, 0, 0, 5}, false)
	}
	for _, c := range readCorpus(f, Entra) {
		f.Add(c.Expr, "Ada", int64(3), []byte{1, 0, 0, 0, 0, 0, 0, 5}, true)
	}
	for _, c := range readCases(f, "testdata/mimwal.json") {
		f.Add(c.Expr, "Ada", int64(3), []byte{1, 0, 0, 0, 0, 0, 0, 5}, false)
	}
	for _, format := range standardFormats {
		f.Add(`DateTimeFormat("12/25/2007 10:11:12", sn)`, format, int64(-1), []byte("\xff"), false)
		f.Add(`FormatDateTime([born], [sn])`, format, int64(-1), []byte("\xff"), true)
	}
	for source, text := range map[string]string{
		`DateAdd([sn], [numbers], [born])`: "ww", `CDate([phones])`: "2013-01-10 4:00 PM -8", `DNComponentRev(CRef([phones]), [age], DC)`: "cn=a+b=c,dc=x",
		`ReplaceChars([phones], [sn])`: "a:b,c:", `Split([sn], Left([phones], 1), [age])`: "a,b", `InStrRev([sn], [phones], [age], vbTextCompare)`: "ÄÖä",
		`Select($i, [phones], Select($j, [numbers], PadLeft($i, $j*$j, "x")))`: "x", `ConvertFromBase64(ConvertToBase64([phones]))`: "\U0001F600",
		`RemoveDuplicates(Select($i, [phones], Split($i, "a")))`: "banana", `Item([phones], Contains([phones], [sn], CaseInsensitive))`: "x",
	} {
		f.Add(source, text, int64(1), []byte("\x00"), true)
	}
	f.Fuzz(func(t *testing.T, source, text string, n int64, raw []byte, entra bool) {
		program, err := Compile(source, fuzzOptions(entra))
		if err != nil {
			if named := fault.As(err, ""); program != nil || named.Name == "" || named.Position.Line == 0 {
				t.Fatalf("program %v, error %+v", program, named)
			}
			return
		}
		ctx := &Context{
			Object: identity.Attributes{}.Set("sn", identity.String(text)).Set("givenName", identity.String(text)).
				Set("age", identity.Integer(n)).Set("photo", identity.Binary(raw)).
				Set("phones", identity.String(text), identity.String(text+"2")).
				Set("manager", identity.Reference(text)).Set("born", identity.DateTime(time.UnixMicro(n))).
				Set("numbers", identity.Integer(n), identity.Integer(n/2)),
			Random: func(n int64) int64 { return n - 1 },
			Now:    time.UnixMicro(n | 1), // never the zero time, which stands for the clock
		}
		got, err := program.Eval(ctx)
		if ctx.work > maxWork {
			t.Errorf("%s: %d bytes of work, the bound is %d", source, ctx.work, maxWork)
		}
		if err != nil {
			if named := fault.As(err, ""); named.Name == "" || named.Position.Line == 0 {
				t.Fatalf("error %+v", named)
			}
			return
		}
		single, ok := got.Single()
		if ok && program.Type() != 0 && single.Type() != program.Type() {
			t.Errorf("%s is of type %v, declared %v", source, single.Type(), program.Type())
		}
		if program.IsList() && !got.IsNull() && !got.IsList() {
			t.Errorf("%s is declared a list", source)
		}
		most, size := max(maxText, 3*len(text), len(raw)), 0
		for _, v := range got.Values() {
			if size += len(v.Str()); len(v.Str()) > most {
				t.Errorf("%d bytes", len(v.Str()))
			}
		}
		if room := ctx.work + most + 4*len(text); size > room {
			t.Errorf("%s: %d bytes came out, %d bytes of work", source, size, ctx.work)
		}
		if again, err := program.Eval(ctx); err != nil || !same(got, again) {
			t.Errorf("again: %v, %v", again, err)
		}
	})
}

// FuzzParse: the lexer and the parser take any bytes; what they accept keeps its
// meaning when it is wrapped.
func FuzzParse(f *testing.F) {
	for _, c := range behaviour {
		f.Add(c.source, false)
	}
	for _, c := range readCorpus(f, Entra) {
		f.Add(c.Expr, true)
	}
	f.Add(strings.Repeat("(", 300), false)
	f.Fuzz(func(t *testing.T, source string, entra bool) {
		g := grammars[FIM]
		if entra {
			g = grammars[Entra]
		}
		_, err := parse(source, g)
		if err != nil {
			mistake, ok := err.(*syntaxError)
			if !ok || mistake.offset < 0 || mistake.offset > len(source) || mistake.text == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if !utf8.ValidString(source) {
			t.Error("bytes that are not UTF-8 were accepted")
		}
		if _, err := parse("Wrapped("+source+")", g); err != nil && len(source) < maxSource-20 &&
			!strings.Contains(err.Error(), "nested") {
			t.Errorf("%q wrapped: %v", source, err)
		}
	})
}
