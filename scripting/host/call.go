package host

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// A Call says what is called, and under which conditions.
type Call struct {
	Of      *Registration
	Apart   *Apart         // the worker to make it in; nil for one of the pool
	Timeout time.Duration  // at most [MaxTimeout]; 0 is that of the generation
	Now     time.Time      // what Date sees; zero for the real time
	Random  func() float64 // what Math.random gives, from [0, 1); nil for real randomness
	Data    any            // for the members of objects: see [Active.Data]
	Log     []slog.Attr    // what log lines of the call carry

	// Outside lets the call reach beyond its arguments: to networks, files and
	// secrets. See [Active.ReachOut].
	Outside bool

	test *testRun // that this call is
	Env  any      // what [Active.Env] returns in this call; nil is that of the generation
}

// An Active is a call that is going on in a worker. It is used by the goroutine
// that makes the call, and not after the body given to [Generation.Do] returned.
type Active struct {
	w      *worker
	call   Call
	parent context.Context
	ctx    context.Context // made when first asked for
	began  time.Time
	until  time.Time // of ctx
}

// Runtime returns the runtime. Nothing of it may be kept.
func (a *Active) Runtime() *goja.Runtime { return a.w.rt }

// Data returns the Data of the call.
func (a *Active) Data() any { return a.call.Data }

// Env returns the Env of the call, or that of the options of the generation.
func (a *Active) Env() any {
	if a.call.Env != nil {
		return a.call.Env
	}
	return a.w.generation.options.Env
}

// Now returns the time that scripts see.
func (a *Active) Now() time.Time { return a.w.now() }

// Loading reports whether the call is that which runs a file when it is loaded.
func (a *Active) Loading() bool { return a.w.loading }

// ReachOut returns an error that names the function unless the call may reach
// beyond its arguments. Every function that does so asks first.
func (a *Active) ReachOut(function string) error {
	if a.call.Outside {
		return nil
	}
	if a.w.loading {
		e := fault.New(NameNotAllowed, "%s cannot be used while the scripts are loaded", function)
		e.Hint = a.w.generation.api.Outside
		return e
	}
	e := fault.New(NameNotAllowed, "%s cannot be used in %s %q, which may depend on nothing but what it is given", function, a.call.Of.Kind, a.call.Of.Name)
	e.Hint = a.w.generation.api.Outside
	return e
}

// Context returns the caller's context with the deadline of the call. Every
// host function that waits for something gives up with it.
func (a *Active) Context() context.Context {
	if a.ctx == nil {
		g := a.w.generation
		g.mu.Lock() // for abort
		defer g.mu.Unlock()
		a.ctx, a.w.cancel = context.WithDeadline(a.parent, a.until)
		if g.aborted.Load() {
			a.w.cancel()
		}
	}
	return a.ctx
}

// ParseJSON returns the value that a JSON text stands for. It may be nested 10,000
// deep.
func (a *Active) ParseJSON(text string) (goja.Value, error) {
	if nestedTooDeeply(text) {
		return nil, errNested
	}
	v, err := a.w.readJSON(goja.Undefined(), a.w.rt.ToValue(text))
	if err != nil {
		return nil, a.w.fault(err)
	}
	return v, nil
}

// FormatJSON returns a value as JSON.stringify writes it.
func (a *Active) FormatJSON(v goja.Value) (string, error) {
	text, err := a.w.writeJSON(goja.Undefined(), v)
	if err != nil {
		return "", a.w.fault(err)
	}
	if !goja.IsString(text) {
		return "", fault.New(NameUnexpectedValue, "%s cannot be written as JSON", a.Describe(v))
	}
	return text.String(), nil
}

// Array returns a frozen array.
func (a *Active) Array(items []any) goja.Value {
	array := a.w.rt.NewArray(items...)
	_, _ = a.w.freeze(goja.Undefined(), array)
	return array
}

// Date returns a Date; what is finer than a millisecond is lost.
func (a *Active) Date(t time.Time) (goja.Value, error) {
	return a.w.date(nil, a.w.rt.ToValue(t.UnixMilli()))
}

// Bytes returns a Uint8Array that holds a copy.
func (a *Active) Bytes(b []byte) (goja.Value, error) {
	buffer := a.w.rt.NewArrayBuffer(append([]byte(nil), b...))
	return a.w.bytes(nil, a.w.rt.ToValue(buffer))
}

// Invoke calls a function of the registration and returns its result. If that
// is a promise, all of what was begun has been done, so it is settled: the
// result is its value. Every error is a *fault.Error.
func (a *Active) Invoke(hook string, args ...goja.Value) (goja.Value, error) {
	fn := a.w.hooks[a.call.Of.index][hook]
	if fn == nil {
		return nil, fault.New(nameException, "%s %q has no %s", a.call.Of.Kind, a.call.Of.Name, hook)
	}
	result, err := fn(goja.Undefined(), args...)
	if err != nil {
		return nil, a.w.fault(err)
	}
	return a.Settled(result)
}

// Settled returns what a promise was settled with, as [Active.Invoke] does with a
// result; any other value as it is.
func (a *Active) Settled(result goja.Value) (goja.Value, error) {
	obj, ok := result.(*goja.Object)
	if !ok {
		return result, nil
	}
	promise, ok := exportType(obj).(*goja.Promise)
	if !ok {
		return result, nil
	}
	switch promise.State() {
	case goja.PromiseStateFulfilled:
		return promise.Result(), nil
	case goja.PromiseStateRejected:
		return nil, a.w.thrown(promise.Result())
	}
	return nil, fault.New(NameUnexpectedValue, "the promise can never be settled: nothing that it waits for is going on")
}

// Guard runs f, which may read objects of the script and so run it. What the
// script throws is returned as a *fault.Error; otherwise the error is that of f.
func (a *Active) Guard(f func() error) error {
	var inner error
	if err := a.w.guard(func() { inner = f() }); err != nil {
		return a.w.fault(err)
	}
	return inner
}

// Thrown returns the error that a script would cause by throwing a value.
func (a *Active) Thrown(v goja.Value) *fault.Error { return a.w.thrown(v) }

// Describe returns a value as a short text for people.
func (a *Active) Describe(v goja.Value) string {
	text := "something that cannot be shown"
	_ = a.w.guard(func() { text = describe(v) })
	return text
}

var (
	typePromise = reflect.TypeFor[*goja.Promise]()
	typeTime    = reflect.TypeFor[time.Time]()
	typeBytes   = reflect.TypeFor[[]byte]()
	typeView    = reflect.TypeFor[*viewObject]()
)

// run makes a call in the worker, on the caller's goroutine: body calls the
// script and reads its results. Whatever body made of it, the error says so if
// the deadline passed or ctx ended, and after a panic, which leaves the worker
// unusable; broken tells.
func (w *worker) run(ctx context.Context, c Call, body func(*Active) error) error {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = w.generation.options.Timeout
	}
	timeout = min(timeout, MaxTimeout)
	began := time.Now()
	a := &Active{w: w, call: c, parent: ctx, began: began, until: began.Add(timeout)}
	w.active = a
	if c.Of != nil && c.Of.index < len(w.calls) {
		w.calls[c.Of.index].Add(1)
	}
	w.going.Store(a)
	w.generation.heap.begin()

	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() {
			w.rt.Interrupt(ctx.Err())
			w.gone <- struct{}{}
		})
	}
	w.timer.Reset(timeout)
	err := w.protect(a, body)

	// From here on no interrupt may be under way: it would hit the next call.
	late := !w.timer.Stop()
	if late {
		<-w.fired
	}
	gone := !stop()
	if gone {
		<-w.gone
	}
	full := !w.going.CompareAndSwap(a, nil)
	if full {
		<-w.doomed
		w.going.Store(nil)
	}
	if late || gone || full {
		w.rt.ClearInterrupt()
	}
	// A host function that waited may have seen a deadline before the timers here did.
	end := ctx.Err()
	if !gone && !late && (err != nil || a.ctx != nil) {
		now := time.Now()
		if at, limited := ctx.Deadline(); limited && !now.Before(at) {
			gone, end = true, context.DeadlineExceeded
		}
		late = !now.Before(a.until)
	}
	w.active = nil
	if a.ctx != nil {
		w.release()
	}

	var position fault.Position
	if named := fault.As(err, nameException); named != nil {
		position = named.Position
	}
	switch {
	case fault.Name(err) == nameCrash:
		return err
	case full:
		return w.generation.memoryError(position)
	case gone:
		return &fault.Error{Name: nameTimeout, Position: position, Text: "cancelled", Err: end}
	case late:
		return &fault.Error{
			Name: nameTimeout, Position: position,
			Text: fmt.Sprintf("no answer within %s", timeout), Err: context.DeadlineExceeded,
		}
	case w.generation.aborted.Load():
		return &fault.Error{Name: nameTimeout, Position: position, Err: ErrClosed}
	}
	return err
}

// release ends the context of a call.
func (w *worker) release() {
	w.generation.mu.Lock()
	defer w.generation.mu.Unlock()
	w.cancel()
	w.cancel = nil
}

// protect runs body and turns a panic of a host function into an error.
func (w *worker) protect(a *Active, body func(*Active) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			w.generation.options.Log.Error("a function of the script host panicked", "panic", v, "stack", string(debug.Stack()))
			err = fault.New(nameCrash, "a function that the script used failed: %v", v)
		}
	}()
	return body(a)
}
