package host

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// A module is a file in one worker.
type module struct {
	program *program // without code if the file did not compile
	object  *goja.Object
	needs   []*module // what it imported while it was loaded
	started bool
	failed  bool // it, or a file that it needs, is broken
}

// loadModule runs a file unless it ran already, and notes what is wrong with it. The
// error is what it threw.
func (w *worker) loadModule(m *module) error {
	if m.started {
		return nil
	}
	m.started = true
	before := w.running
	w.running = m
	defer func() { w.running = before }()
	m.object = w.rt.NewObject()
	exports := w.rt.NewObject()
	_ = m.object.Set("exports", exports)
	if m.program.code == nil {
		m.failed = true
		return fmt.Errorf("%s is broken", m.program.label)
	}
	body, err := w.rt.RunProgram(m.program.code)
	if err == nil {
		run, _ := goja.AssertFunction(body)
		_, err = run(goja.Undefined(), exports, w.rt.ToValue(func(call goja.FunctionCall) goja.Value {
			return w.require(m, call.Argument(0))
		}), m.object)
	}
	if err == nil {
		return nil
	}
	if !m.failed {
		m.failed = true
		e := w.fault(err)
		if e.Position.IsZero() {
			e.Position.File = m.program.label
		}
		w.problems = append(w.problems, e)
	}
	return err
}

// require is the function of that name in the file m: it gives what another file
// exports.
func (w *worker) require(m *module, request goja.Value) goja.Value {
	target := w.resolve(m.program.name, request.String())
	if target == nil {
		if w.loading && !m.failed {
			m.failed = true
			e := fault.New("script-import-not-found", "there is no file %q in the scripts folder", request.String())
			e.Position = w.callSite()
			if !strings.HasPrefix(request.String(), ".") {
				e.Hint = `files of the folder are imported as "./name"; packages cannot be imported`
			}
			w.problems = append(w.problems, e)
		}
		panic(w.throwable(fmt.Errorf("there is no file %q", request.String())))
	}
	if w.loading {
		m.needs = append(m.needs, target)
	}
	if err := w.loadModule(target); err != nil {
		m.failed = true // but it is the other file that has to be mended
		var thrown *goja.Exception
		if errors.As(err, &thrown) {
			panic(thrown)
		}
		if goErr, ok := err.(*goja.InterruptedError); ok {
			panic(goErr)
		}
		panic(w.throwable(err))
	}
	if target.failed {
		m.failed = true
		panic(w.throwable(fmt.Errorf("%s is broken", target.program.label)))
	}
	return target.object.Get("exports")
}

// resolve finds the file that is meant: as it is written, with an extension
// added, .js standing for .ts, or the index of a folder.
func (w *worker) resolve(from, request string) *module {
	if !strings.HasPrefix(request, "./") && !strings.HasPrefix(request, "../") && request != "." && request != ".." {
		return nil
	}
	name := path.Join(path.Dir(from), request)
	candidates := []string{name, name + ".ts", name + ".js", path.Join(name, "index.ts"), path.Join(name, "index.js")}
	if bare, ok := strings.CutSuffix(name, ".js"); ok {
		candidates = append(candidates, bare+".ts")
	}
	for _, candidate := range candidates {
		if m := w.modules[candidate]; m != nil {
			return m
		}
	}
	return nil
}
