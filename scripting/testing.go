package scripting

import (
	"context"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// The tests of the scripts: package host runs them and compares; testcalls.go has
// what they call.
type (
	Test       = host.Test
	TestResult = host.TestResult
	Difference = host.Difference
)

// testKind is the host's, as our scripts use it.
var testKind = host.Kind{
	Name:      host.TestKind.Name,
	Signature: host.TestKind.Signature,
	Doc: "Registers a test of the scripts: `test(\"initials\", t => t.equal(t.call(\"initials\", \"Ada\", \"Berg\"), \"AB\"))`.\n" +
		"Tests run whenever the scripts are loaded, and one that fails keeps them from taking effect; `metasync test`\n" +
		"runs them too. A test has two seconds, all of them have ten.",
	Declare: host.TestKind.Declare,
}

// Tests returns the tests, in the order of the files and of the registrations in
// them.
func (g *Generation) Tests() []Test { return g.host.Tests() }

// TestOptions say which tests to run, and how.
type TestOptions struct {
	Dialect expr.Dialect    // of expressions that name none; "" is FIM
	Match   func(Test) bool // nil is all of them
}

// Test runs tests one after another. Each has two seconds, and all have ten: those that come later fail. They reach
// nothing but the functions of the generation.
func (g *Generation) Test(ctx context.Context, o TestOptions) []TestResult {
	return g.host.Test(ctx, host.TestOptions{Match: o.Match, Data: func() any {
		return &testRun{generation: g, dialect: o.Dialect}
	}})
}

// TestError returns what is wrong if tests failed: one error for each, with its
// name and place; nil if all passed.
func TestError(results []TestResult) error { return host.TestError(results) }

// A testRun is a test that goes on.
type testRun struct {
	generation *Generation
	dialect    expr.Dialect
	ids        uint64 // given to made-up objects
	made       madeUp // what it makes up of the world outside
}

func testOf(a *host.Active) *testRun { return a.Data().(*testRun) }

// testContext returns the context of a function under test: the time is that of the
// test, and what it reaches is what the test makes up.
func testContext(a *host.Active) context.Context {
	return withEnvironment(rules.WithNow(a.Context(), a.Now()), testOf(a).environment(a))
}

// called gives the error of a function under test its place, which the error that
// the test throws would otherwise take.
func called(err error) error {
	named := fault.As(err, "")
	if named == nil || named.Position.IsZero() {
		return err
	}
	return &fault.Error{Name: named.Name, Hint: named.Hint, Err: err}
}
