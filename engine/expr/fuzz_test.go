package expr

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// FuzzEval: any source over any attributes gives a value of bounded size or a
// named error with a place, never a panic; and always the same one.
func FuzzEval(f *testing.F) {
	for _, c := range behaviour {
		f.Add(c.source, "Ada", int64(3), []byte{1, 0, 0, 0, 0, 0, 0, 5})
	}
	for _, c := range readCases(f, "testdata/mimwal.json") {
		f.Add(c.Expr, "Ada", int64(3), []byte{1, 0, 0, 0, 0, 0, 0, 5})
	}
	for _, format := range standardFormats {
		f.Add(`DateTimeFormat("12/25/2007 10:11:12", sn)`, format, int64(-1), []byte("\xff"))
	}
	f.Fuzz(func(t *testing.T, source, text string, n int64, raw []byte) {
		program, err := Compile(source, Options{})
		if err != nil {
			if named := fault.As(err, ""); program != nil || named.Name == "" || named.Position.Line == 0 {
				t.Fatalf("program %v, error %+v", program, named)
			}
			return
		}
		ctx := &Context{
			Object: identity.Attributes{}.Set("sn", identity.String(text)).Set("givenName", identity.String(text)).
				Set("age", identity.Integer(n)).Set("photo", identity.Binary(raw)).
				Set("phones", identity.String(text), identity.String(text+"2")),
			Random: func(n int64) int64 { return n - 1 },
		}
		got, err := program.Eval(ctx)
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
		if len(single.Str()) > max(maxText, 3*len(text), len(raw)) {
			t.Errorf("%d bytes", len(single.Str()))
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
		f.Add(c.source)
	}
	f.Add(strings.Repeat("(", 300))
	f.Fuzz(func(t *testing.T, source string) {
		_, err := parse(source, grammars[FIM])
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
		if _, err := parse("CustomExpression("+source+")", grammars[FIM]); err != nil && len(source) < maxSource-20 &&
			!strings.Contains(err.Error(), "nested") {
			t.Errorf("%q wrapped: %v", source, err)
		}
	})
}
