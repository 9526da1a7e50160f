package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

var (
	errDeadline = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	errOver     = errors.New("the call is over")
)

// A worker is one runtime in which every file of a generation ran. One call at
// a time uses it.
type worker struct {
	generation *Generation
	rt         *goja.Runtime
	active     *Active                    // the call that is going on
	hooks      []map[string]goja.Callable // by index of the registration

	// What ends a call early: its deadline, a timer that is stopped between
	// calls, and its context. See run.
	timer  *time.Timer
	fired  chan struct{} // the timer has interrupted
	gone   chan struct{} // the end of the context has interrupted
	cancel func()        // of Active.Context; guarded by Generation.mu

	// For the watch on the heap: see heap.go.
	going  atomic.Pointer[Active] // the call that is going on, or condemned
	doomed chan struct{}          // the watch has interrupted
	calls  []atomic.Uint64        // by index of the registration
	epoch  uint64                 // of the generation when the worker was made

	// trampoline is a native function that runs guarded. See guard.
	trampoline goja.Callable
	guarded    func()

	builtIns []string // the names

	// Built-ins as they were before any script ran.
	date, bytes      goja.Constructor
	errorType        *goja.Object
	rangeErrorType   *goja.Object
	errorClasses     []*goja.Object // as in API.Errors
	freeze, readJSON goja.Callable
	writeJSON        goja.Callable

	// While the files are run:
	loading       bool
	modules       map[string]*module
	running       *module // that is loaded just now
	registrations []*Registration
	problems      fault.List
}

// newWorker makes a runtime with the names of the API, in which no file ran yet.
func newWorker(g *Generation) *worker {
	w := &worker{
		generation: g, rt: goja.New(), loading: true,
		fired: make(chan struct{}, 1), gone: make(chan struct{}, 1), doomed: make(chan struct{}, 1),
		epoch: g.epoch.Load(),
	}
	w.timer = time.AfterFunc(math.MaxInt64, func() {
		w.rt.Interrupt(errDeadline)
		w.fired <- struct{}{}
	})
	w.timer.Stop()
	w.rt.SetMaxCallStackSize(maxCallStack)
	w.trampoline, _ = goja.AssertFunction(w.rt.ToValue(func(goja.FunctionCall) goja.Value {
		w.guarded()
		return nil
	}))
	w.date, _ = goja.AssertConstructor(w.rt.Get("Date"))
	w.bytes, _ = goja.AssertConstructor(w.rt.Get("Uint8Array"))
	w.errorType = w.rt.Get("Error").(*goja.Object)
	w.rangeErrorType = w.rt.Get("RangeError").(*goja.Object)
	w.freeze, _ = goja.AssertFunction(w.rt.Get("Object").(*goja.Object).Get("freeze"))
	w.readJSON, _ = goja.AssertFunction(w.rt.Get("JSON").(*goja.Object).Get("parse"))
	w.writeJSON, _ = goja.AssertFunction(w.rt.Get("JSON").(*goja.Object).Get("stringify"))

	w.builtIns = w.rt.GlobalObject().GetOwnPropertyNames()
	w.guardRegExp()
	w.bound()
	w.defineErrors()
	for i := range g.api.Kinds {
		kind := &g.api.Kinds[i]
		w.global(kind.Name, w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
			w.register(kind, call.Arguments)
			return nil
		}))
	}
	for i := range g.api.Functions {
		w.global(g.api.Functions[i].Name, w.function(&g.api.Functions[i], nil))
	}
	for i := range g.api.Objects {
		for _, name := range g.api.Objects[i].Globals {
			w.global(name, w.object(&g.api.Objects[i]))
		}
	}

	// Files see the same time and the same random numbers in all workers, so
	// that the answers of a generation do not depend on who is asked.
	random := rand.New(rand.NewPCG(1, 2))
	w.rt.SetTimeSource(w.now)
	w.rt.SetRandSource(func() float64 {
		switch {
		case w.loading:
			return random.Float64()
		case w.active != nil && w.active.call.Random != nil:
			return w.active.call.Random()
		}
		return rand.Float64()
	})

	return w
}

// now returns the time that scripts see.
func (w *worker) now() time.Time {
	switch {
	case w.loading:
		return w.generation.loaded
	case w.active != nil && !w.active.call.Now.IsZero():
		return w.active.call.Now
	}
	return time.Now()
}

// load runs every file. What is wrong with them is in w.problems; the caller
// compares the registrations.
func (w *worker) load(ctx context.Context) {
	g := w.generation
	w.modules = make(map[string]*module, len(g.programs))
	for _, p := range g.programs {
		w.modules[p.name] = &module{program: p}
	}
	for _, p := range g.programs {
		if err := ctx.Err(); err != nil {
			w.problems = append(w.problems, fault.Wrap(nameTimeout, err))
			break
		}
		noted := len(w.problems)
		err := w.run(ctx, Call{Timeout: loadTimeout}, func(*Active) error {
			_ = w.loadModule(w.modules[p.name]) // it was noted
			return nil
		})
		if e := fault.As(err, nameException); e != nil && len(w.problems) == noted {
			e.Position.File = p.label
			w.problems = append(w.problems, e)
		}
	}
	w.lock()
	w.loading = false
	g.mu.Lock() // for the watch on the heap
	w.calls = make([]atomic.Uint64, len(w.registrations))
	g.mu.Unlock()
}

// global sets a global name for good.
func (w *worker) global(name string, v goja.Value) {
	err := w.rt.GlobalObject().DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE)
	if err != nil {
		panic(fmt.Errorf("the API binds %s twice", name)) // a mistake in the table
	}
}

// object makes a global object of the table, frozen. Its functions act in whatever
// call is going on.
func (w *worker) object(o *Object) *goja.Object {
	obj := w.rt.NewObject()
	for i := range o.Members {
		member := &o.Members[i]
		var v goja.Value
		switch {
		case member.Object != nil:
			v = w.object(member.Object)
		case member.Text != nil:
			v = w.rt.ToValue(member.Text(nil))
		default:
			v = w.function(member, nil)
		}
		_ = obj.Set(member.Name, v) // a new object takes every property
	}
	_, _ = w.freeze(goja.Undefined(), obj)
	return obj
}

// function makes what a member does a function, in the call a or, if that is nil,
// in whatever call is going on.
func (w *worker) function(member *Member, a *Active) goja.Value {
	return w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		active := a
		if active == nil {
			active = w.active
		}
		if active == nil || active != w.active {
			panic(w.throwable(errOver))
		}
		result, err := member.Call(active, call.Arguments)
		if err != nil {
			panic(w.throwable(err))
		}
		return result
	})
}

// throwable makes an error of the host something that a script can catch.
func (w *worker) throwable(err error) *goja.Object {
	obj := w.rt.NewGoError(err)
	name := "Error"
	if named := fault.Name(err); named != "" {
		name = named // for scripts that catch it
	}
	_ = obj.Set("name", name)
	for i, class := range w.errorClasses {
		if name != "" && w.generation.api.Errors[i].Of == name {
			if prototype, ok := class.Get("prototype").(*goja.Object); ok {
				_ = obj.SetPrototype(prototype)
			}
		}
	}
	return obj
}

// register is what the function of a kind does.
func (w *worker) register(kind *Kind, args []goja.Value) {
	if !w.loading {
		panic(w.throwable(fmt.Errorf("%s registers while the scripts are loaded, not later", kind.Name)))
	}
	position := w.callSite()
	invalid := func(format string, args ...any) {
		e := fault.New(NameInvalid, kind.Name+": "+format, args...)
		e.Position = position
		w.problems = append(w.problems, e)
	}
	d, err := kind.Declare(args)
	if err != nil {
		e := fault.As(err, NameInvalid)
		invalid("%s", e.Detail())
		w.problems[len(w.problems)-1].Hint = e.Hint
		return
	}
	for _, other := range w.registrations {
		if other.Kind == kind.Name && other.Name == d.Name && !kind.Many {
			invalid("%q is already registered at %s", d.Name, other.Position)
			return
		}
	}
	hooks := make(map[string]goja.Callable, len(d.Hooks))
	for name, v := range d.Hooks {
		fn, ok := goja.AssertFunction(v)
		if !ok {
			invalid("%q: %s is not a function", d.Name, name)
			return
		}
		hooks[name] = fn
	}
	w.registrations = append(w.registrations, &Registration{
		Kind: kind.Name, Name: d.Name, Position: position, Spec: d.Spec, index: len(w.registrations), file: w.running.program.name,
	})
	w.hooks = append(w.hooks, hooks)
}

// callSite returns where in a script the running host function was called.
func (w *worker) callSite() fault.Position {
	for _, frame := range w.rt.CaptureCallStack(8, nil) {
		if at := frame.Position(); at.Line > 0 {
			return fault.Position{File: frame.SrcName(), Line: at.Line, Column: at.Column}
		}
	}
	return fault.Position{}
}

// guard runs f the way the runtime runs its own functions: what scripts do in it,
// by getters for example, ends at the deadline, and what they throw is returned.
func (w *worker) guard(f func()) error {
	outer := w.guarded
	w.guarded = f
	_, err := w.trampoline(goja.Undefined())
	w.guarded = outer
	return err
}
