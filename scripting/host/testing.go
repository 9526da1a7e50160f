package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

const (
	testTimeout  = 2 * time.Second  // of one test
	testsTimeout = 10 * time.Second // of all tests of a generation
)

// testNow is what tests take for the present, until they say otherwise: always the
// same, so that a test that passes today passes tomorrow.
var testNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// NameTestFailed is the name of the error about a test that failed.
const NameTestFailed = "script-test-failed"

// TestKind registers tests of the scripts. A table that has it also has the
// [TestObject] that tests are given.
var TestKind = Kind{
	Name:      "test",
	Signature: "(name: string, body: (t: Test) => void | Promise<void>): void",
	Doc: "Registers a test of the scripts, which fails if it throws, or if one of its comparisons fails.\n" +
		"Tests run whenever the scripts are loaded, and one that fails keeps them from taking effect.\n" +
		"A test has two seconds, all of them have ten.",
	Declare: func(args []goja.Value) (Declaration, error) {
		name, body, err := NameAndFunction(args)
		return Declaration{Name: name, Hooks: map[string]goja.Value{"": body}}, err
	},
}

// testObjectName is the type of what a test is given.
const testObjectName = "Test"

// TestObject returns the type of what a test is given: it compares, expects errors
// and sets the time. What else a test of these scripts can do, the members add.
func TestObject(doc string, members ...Member) *Object {
	return &Object{Name: testObjectName, Doc: doc, Members: slices.Concat([]Member{
		{
			Name: "equal", Signature: "(got: any, want: any): void", Call: testEqual,
			Doc: "Fails unless both are the same: values, arrays, plain objects, Dates and Uint8Arrays by what is in them.",
		},
		{
			Name: "throws", Signature: "(fn: () => void, like?: string | RegExp | (new (...args: any[]) => Error)): void", Call: testThrows,
			Doc: "Fails unless the function throws an error; its text must contain a text, match a pattern, or be of a class.",
		},
		{
			Name: "at", Signature: "(time: string | Date): void", Call: testAt,
			Doc: "Sets the time for the rest of the test, `t.at(\"2026-01-05T02:00:00Z\")`. It begins as 2026-01-01T00:00:00Z.",
		},
	}, members)}
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
	for _, r := range g.Registrations(TestKind.Name) {
		list = append(list, Test{r.Name, r.Position})
	}
	return list
}

// TestOptions say which tests to run, and with what.
type TestOptions struct {
	Match func(Test) bool // nil is all of them
	Data  func() any      // makes the [Active.Data] of each test
}

// Test runs tests one after another, in a worker of their own. Each has two seconds,
// and all have ten: those that come later fail. They may not reach out, see
// [Active.ReachOut].
func (g *Generation) Test(ctx context.Context, o TestOptions) []TestResult {
	ctx, cancel := context.WithTimeout(ctx, testsTimeout)
	defer cancel()
	apart := g.Apart()
	defer apart.Close()
	var results []TestResult
	for _, r := range g.Registrations(TestKind.Name) {
		if t := (Test{r.Name, r.Position}); o.Match == nil || o.Match(t) {
			results = append(results, g.test(ctx, apart, r, o.Data))
		}
	}
	return results
}

// A testRun is a test that goes on: what failed first. It fails the test also if the
// script catches it.
type testRun struct {
	failed      *fault.Error
	differences []Difference
}

func (g *Generation) test(ctx context.Context, apart *Apart, r *Registration, data func() any) TestResult {
	result := TestResult{Test: Test{r.Name, r.Position}}
	run := &testRun{}
	random := rand.New(rand.NewPCG(1, 2))
	call := Call{
		Of: r, Timeout: testTimeout, Now: testNow, Random: random.Float64,
		Log: []slog.Attr{slog.String("test", r.Name)}, test: run,
	}
	if data != nil {
		call.Data = data()
	}
	began := time.Now()
	err := ctx.Err()
	if err == nil {
		err = apart.Do(ctx, call, func(a *Active) error {
			_, err := a.Invoke("", a.Object(g.testObject()))
			return err
		})
	}
	result.Took = time.Since(began)
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		result.Err = fault.New(NameTestFailed, "the tests took more than %s altogether", testsTimeout)
	case ctx.Err() != nil:
		result.Err = fault.Wrap(NameTestFailed, ctx.Err())
	case run.failed != nil:
		result.Err, result.Differences = run.failed, run.differences
	case err != nil:
		named := fault.As(err, NameTestFailed)
		result.Err = fault.New(NameTestFailed, "%s", named.Detail())
		if named.Name != NameTestFailed && named.Err == nil && named.Name != nameException {
			result.Err.Text = named.Name + ": " + result.Err.Text
		}
		result.Err.Hint, result.Err.Position, result.Err.Err = named.Hint, named.Position, nil
	}
	if result.Err != nil && result.Err.Position.IsZero() {
		result.Err.Position = r.Position
	}
	return result
}

// testObject returns the row of the table that tests are given.
func (g *Generation) testObject() *Object {
	for i := range g.api.Objects {
		if g.api.Objects[i].Name == testObjectName {
			return &g.api.Objects[i]
		}
	}
	panic("the API has the kind " + TestKind.Name + " and not the object " + testObjectName) // a mistake in the table
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
func (r *testRun) fail(a *Active, differences []Difference, format string, args ...any) error {
	e := fault.New(NameTestFailed, format, args...)
	e.Position = a.CallSite()
	if r.failed == nil {
		r.failed, r.differences = e, differences
	}
	return e
}

func testEqual(a *Active, args []goja.Value) (goja.Value, error) {
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
	return nil, a.call.test.fail(a, found, "%s", text)
}

func testThrows(a *Active, args []goja.Value) (goja.Value, error) {
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
		return nil, a.call.test.fail(a, nil, "the function did not throw; it returned %s", display(result))
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
	return nil, a.call.test.fail(a, nil, "the function threw %q, want %s", thrownText(thrown), wanted)
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
func isLike(a *Active, thrown *fault.Error, pattern goja.Value) (like bool, wanted string, err error) {
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

func testAt(a *Active, args []goja.Value) (goja.Value, error) {
	if len(args) != 1 {
		return nil, errors.New("at takes a time")
	}
	at, err := TimeOf(a, args[0])
	if err != nil {
		return nil, err
	}
	a.SetNow(at)
	return nil, nil
}

// TimeOf reads a Date, or a text of RFC 3339.
func TimeOf(a *Active, v goja.Value) (time.Time, error) {
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() == "Date" {
		if at, ok := obj.Export().(time.Time); ok {
			return at, nil
		}
	} else if goja.IsString(v) {
		if at, err := time.Parse(time.RFC3339Nano, v.String()); err == nil {
			return at, nil
		}
	}
	e := invalid("%s is not a time", a.Describe(v))
	e.Hint = `write it like "2026-01-05T02:00:00Z", or give a Date`
	return time.Time{}, e
}
