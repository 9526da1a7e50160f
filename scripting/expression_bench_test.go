package scripting

import (
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// BenchmarkExpressionAgainstScript evaluates the same flow as an expression, as a
// bare function of goja and as a function of a script that an expression calls,
// in turns of one run, and prints how many times as long the other two take.
func BenchmarkExpressionAgainstScript(b *testing.B) {
	object := identity.Attributes{}.Set("givenName", identity.String("Ada")).Set("sn", identity.String("Lovelace"))
	for _, bench := range []struct{ name, expression, arguments, script string }{
		{"name", `givenName + " " + sn`, "(givenName, sn)", `givenName + " " + sn`},
		{"account", `LowerCase(Left(givenName, 1) + sn)`, "(givenName, sn)", `(givenName.slice(0, 1) + sn).toLowerCase()`},
		{"choice", `IIF(Eq(sn, "Byron"), "b", Left(sn, 3))`, "(givenName, sn)", `sn === "Byron" ? "b" : sn.slice(0, 3)`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			program, err := expr.Compile(bench.expression, expr.Options{})
			if err != nil {
				b.Fatal(err)
			}
			vm := goja.New()
			compiled, err := vm.RunString("(" + bench.arguments + " => " + bench.script + ")")
			if err != nil {
				b.Fatal(err)
			}
			bare, ok := goja.AssertFunction(compiled)
			if !ok {
				b.Fatal("no function")
			}
			hosted, err := expr.Compile("f"+bench.arguments, expr.Options{
				Functions: script(b, `flowFunction("f", `+bench.arguments+" => "+bench.script+")").Functions(),
			})
			if err != nil {
				b.Fatal(err)
			}
			ctx := &expr.Context{Object: object, Context: b.Context()}
			var times [3]time.Duration
			const turn = 100
			measure := func(i int, f func() error) {
				start := time.Now()
				for range turn {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				times[i] += time.Since(start)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				measure(0, func() error { _, err := program.Eval(ctx); return err })
				measure(1, func() error {
					given, sn := object.Get("givenName"), object.Get("sn")
					_, err := bare(goja.Undefined(), vm.ToValue(given[0].Str()), vm.ToValue(sn[0].Str()))
					return err
				})
				measure(2, func() error { _, err := hosted.Eval(ctx); return err })
			}
			calls := float64(n * turn)
			b.ReportMetric(float64(times[0].Nanoseconds())/calls, "ns/expression")
			b.ReportMetric(float64(times[1])/float64(times[0]), "goja/expression")
			b.ReportMetric(float64(times[2])/float64(times[0]), "script/expression")
			b.ReportMetric(0, "ns/op")
		})
	}
}
