package scripting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

const (
	testTimeout  = 2 * time.Second  // of one test
	testsTimeout = 10 * time.Second // of all tests of a generation
)

// testNow is what tests take for the present, until they say otherwise: always the
// same, so that a test that passes today passes tomorrow.
var testNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// nameTestFailed is the name of the error about a test that failed.
const nameTestFailed = "script-test-failed"

var testKind = host.Kind{
	Name:      "test",
	Signature: "(name: string, body: (t: Test) => void | Promise<void>): void",
	Doc: "Registers a test of the scripts: `test(\"initials\", t => t.equal(t.call(\"initials\", \"Ada\", \"Berg\"), \"AB\"))`.\n" +
		"Tests run whenever the scripts are loaded, and one that fails keeps them from taking effect; `metasync test`\n" +
		"runs them too. A test has two seconds, all of them have ten.",
	Declare: declareTest,
}

func declareTest(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 {
		return none, errors.New("takes a name and a function")
	}
	if !goja.IsString(args[0]) || strings.TrimSpace(args[0].String()) == "" {
		return none, invalid("%s is not a name", quoted(args[0]))
	}
	if _, ok := goja.AssertFunction(args[1]); !ok {
		return none, invalid("the second argument of %s is not a function", quoted(args[0]))
	}
	return host.Declaration{Name: args[0].String(), Hooks: map[string]goja.Value{"": args[1]}}, nil
}

// A Test is a test of the scripts.
type Test struct {
	Name     string
	Position fault.Position
}

// A TestResult is what came of a test.
type TestResult struct {
	Test
	Took time.Duration

	// Err says why it failed, with the place; nil if it passed.
	Err         *fault.Error
	Differences []Difference // if a comparison failed
}

// Tests returns the tests, in the order of the files and of the registrations in
// them.
func (g *Generation) Tests() []Test {
	var list []Test
	for _, r := range g.host.Registrations(testKind.Name) {
		list = append(list, Test{r.Name, r.Position})
	}
	return list
}

// TestOptions say which tests to run, and how.
type TestOptions struct {
	Dialect expr.Dialect    // of expressions that name none; "" is FIM
	Match   func(Test) bool // nil is all of them
}

// Test runs tests one after another. Each has two seconds, and all have ten: those that come later fail. They reach
// nothing but the functions of the generation.
func (g *Generation) Test(ctx context.Context, o TestOptions) []TestResult {
	ctx, cancel := context.WithTimeout(ctx, testsTimeout)
	defer cancel()
	apart := g.host.Apart()
	defer apart.Close()
	var results []TestResult
	for _, r := range g.host.Registrations(testKind.Name) {
		if t := (Test{r.Name, r.Position}); o.Match == nil || o.Match(t) {
			results = append(results, g.test(ctx, apart, r, o.Dialect))
		}
	}
	return results
}

// A testRun is a test that goes on.
type testRun struct {
	generation *Generation
	dialect    expr.Dialect
	now        time.Time
	ids        uint64 // given to made-up objects

	// What failed first; it fails the test also if the script catches it.
	failed      *fault.Error
	differences []Difference
}

func testOf(a *host.Active) *testRun { return a.Data().(*testRun) }

func (g *Generation) test(ctx context.Context, apart *host.Apart, r *host.Registration, dialect expr.Dialect) TestResult {
	result := TestResult{Test: Test{r.Name, r.Position}}
	run := &testRun{generation: g, dialect: dialect, now: testNow}
	random := rand.New(rand.NewPCG(1, 2))
	logged := []slog.Attr{slog.String("test", r.Name)}
	began := time.Now()
	err := ctx.Err()
	if err == nil {
		err = apart.Do(ctx, host.Call{Of: r, Timeout: testTimeout, Now: testNow, Random: random.Float64, Data: run, Log: logged},
			func(a *host.Active) error {
				_, err := a.Invoke("", a.Object(testObject))
				return err
			})
	}
	result.Took = time.Since(began)
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		result.Err = fault.New(nameTestFailed, "the tests took more than %s altogether", testsTimeout)
	case ctx.Err() != nil:
		result.Err = fault.Wrap(nameTestFailed, ctx.Err())
	case run.failed != nil:
		result.Err, result.Differences = run.failed, run.differences
	case err != nil:
		named := fault.As(err, nameTestFailed)
		result.Err = fault.New(nameTestFailed, "%s", named.Detail())
		if named.Name != nameTestFailed && named.Err == nil && named.Name != "extension-dll-exception" {
			result.Err.Text = named.Name + ": " + result.Err.Text
		}
		result.Err.Hint, result.Err.Position, result.Err.Err = named.Hint, named.Position, nil
	}
	if result.Err != nil && result.Err.Position.IsZero() {
		result.Err.Position = r.Position
	}
	return result
}

// TestError returns what is wrong if tests failed: one error for each, with its
// name and place; nil if all passed.
func TestError(results []TestResult) error {
	var list fault.List
	for _, r := range results {
		if r.Err != nil {
			named := *r.Err
			named.Text = fmt.Sprintf("test %q: %s", r.Name, named.Detail())
			named.Err = nil
			list = append(list, &named)
		}
	}
	return list.Err()
}

// fail makes a test fail, whatever the script does afterwards.
func (r *testRun) fail(a *host.Active, differences []Difference, format string, args ...any) error {
	e := fault.New(nameTestFailed, format, args...)
	e.Position = a.CallSite()
	if r.failed == nil {
		r.failed, r.differences = e, differences
	}
	return e
}

// context returns the context of a function under test.
func (r *testRun) context(a *host.Active) context.Context { return rules.WithNow(a.Context(), r.now) }

// called gives the error of a function under test its place, which the error that
// the test throws would otherwise take.
func called(err error) error {
	named := fault.As(err, "")
	if named == nil || named.Position.IsZero() {
		return err
	}
	return &fault.Error{Name: named.Name, Hint: named.Hint, Err: err}
}

func testEqual(a *host.Active, args []goja.Value) (goja.Value, error) {
	if len(args) != 2 {
		return nil, errors.New("equal takes what you got and what you want")
	}
	found := compare(args[0], args[1])
	if len(found) == 0 {
		return nil, nil
	}
	text := found[0].String()
	if len(found) > 1 {
		text += fmt.Sprintf(", and %d more", len(found)-1)
	}
	return nil, testOf(a).fail(a, found, "%s", text)
}

func testThrows(a *host.Active, args []goja.Value) (goja.Value, error) {
	fn, ok := goja.Callable(nil), false
	if len(args) == 1 || len(args) == 2 {
		fn, ok = goja.AssertFunction(args[0])
	}
	if !ok {
		return nil, errors.New("throws takes a function, and perhaps what the error must be like")
	}
	result, err := fn(goja.Undefined())
	if err == nil {
		if a.IsPromise(result) {
			return nil, errors.New("throws takes a function that throws at once, not a promise")
		}
		return nil, testOf(a).fail(a, nil, "the function did not throw; it returned %s", display(result))
	}
	var interrupted *goja.InterruptedError
	if errors.As(err, &interrupted) {
		return nil, err // the test is over
	}
	thrown := a.Fault(err)
	if len(args) == 1 {
		return nil, nil
	}
	like, wanted, err := isLike(a, thrown, args[1])
	if err != nil || like {
		return nil, err
	}
	return nil, testOf(a).fail(a, nil, "the function threw %q, want %s", thrownText(thrown), wanted)
}

// thrownText is an error of a function as patterns see it: that of a function under
// test without what stands around it.
func thrownText(e *fault.Error) string {
	var inner *fault.Error
	if errors.As(e.Err, &inner) {
		e = inner
	}
	return e.Name + ": " + e.Detail()
}

// isLike compares what was thrown with a pattern: a text in it, a regular
// expression, or one of the classes of errors.
func isLike(a *host.Active, thrown *fault.Error, pattern goja.Value) (like bool, wanted string, err error) {
	text := thrownText(thrown)
	if goja.IsString(pattern) {
		return strings.Contains(text, pattern.String()), display(pattern), nil
	}
	obj, ok := pattern.(*goja.Object)
	if !ok {
		return false, "", invalid("%s is no text, regular expression or class of errors", display(pattern))
	}
	if class := a.ThrownBy(obj); class != nil {
		return errors.Is(thrown, class), obj.Get("name").String(), nil
	}
	test, callable := goja.AssertFunction(obj.Get("test"))
	if obj.ClassName() != "RegExp" || !callable {
		return false, "", invalid("%s is no text, regular expression or class of errors", display(pattern))
	}
	_, detail, _ := strings.Cut(text, ": ")
	for _, candidate := range []string{text, detail} {
		result, err := test(obj, a.Runtime().ToValue(candidate))
		if err != nil {
			return false, "", err
		}
		if like = result.ToBoolean(); like {
			break
		}
	}
	return like, obj.String(), nil
}

func testAt(a *host.Active, args []goja.Value) (goja.Value, error) {
	if len(args) != 1 {
		return nil, errors.New("at takes a time")
	}
	at, err := timeOf(a, args[0])
	if err != nil {
		return nil, err
	}
	testOf(a).now = at
	a.SetNow(at)
	return nil, nil
}
