package host

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// The names of what can go wrong in a call (sync-engine §3.11).
const (
	nameTimeout   = "extension-dll-timeout"
	nameException = "extension-dll-exception"
	nameCrash     = "extension-dll-crash"

	// NameUnexpectedValue is the name of the error about a script that returned
	// what nobody can use.
	NameUnexpectedValue = "extension-unexpected-attribute-value"

	// NameNotAllowed is the name of the error about something that a script may
	// not do there, or that was not granted.
	NameNotAllowed = "script-not-allowed"

	// NameInvalid is the name of the error about a registration that makes no
	// sense.
	NameInvalid = "script-registration-invalid"
)

// fault turns the error of a runtime into a named one, with the place in the
// script. It is called while the deadline is still running, for to show what was
// thrown may run the script again.
func (w *worker) fault(err error) *fault.Error {
	var (
		named       *fault.Error
		interrupted *goja.InterruptedError
		overflow    *goja.StackOverflowError
		thrown      *goja.Exception
	)
	switch {
	case errors.As(err, &interrupted):
		if errors.Is(interrupted.Unwrap(), errMemory) {
			return w.generation.memoryError(framePosition(interrupted.Stack()))
		}
		return &fault.Error{Name: nameTimeout, Position: framePosition(interrupted.Stack()), Err: interrupted.Unwrap()}
	case errors.As(err, &overflow):
		e := fault.New(nameException, "functions call each other more than %d deep", maxCallStack)
		e.Position = framePosition(overflow.Stack())
		return e
	case errors.As(err, &thrown):
		e := w.thrown(thrown.Value())
		if at := framePosition(thrown.Stack()); !at.IsZero() {
			e.Position = at
		}
		return e
	case errors.As(err, &named):
		return named
	}
	return fault.Wrap(nameException, err)
}

// thrown describes a value that a script threw or a promise was rejected with.
func (w *worker) thrown(v goja.Value) *fault.Error {
	e := &fault.Error{Name: nameException}
	err := w.guard(func() {
		obj, ok := v.(*goja.Object)
		if !ok || !w.rt.InstanceOf(obj, w.errorType) {
			e.Text = describe(v)
			return
		}
		e.Text = bounded(obj.String())
		if stack := obj.Get("stack"); stack != nil {
			e.Position = stackPosition(stack.String())
		}
		if e.Err = w.classOf(obj); e.Err != nil {
			e.Text = bounded(obj.Get("message").String())
		}
		// An error of the host that the script let through.
		if value := obj.Get("value"); value != nil {
			if cause, ok := value.Export().(error); ok && obj.Get("message").String() == cause.Error() {
				e.Text, e.Err = "", cause
				var named *fault.Error
				if !errors.As(cause, &named) {
					return
				}
				e.Hint = named.Hint
				if named.Name != "" {
					e.Name, e.Text, e.Hint, e.Err = named.Name, named.Text, named.Hint, named.Err
				}
			}
		}
	})
	if err != nil {
		e.Text = "something that cannot be shown was thrown"
	}
	return e
}

func framePosition(frames []goja.StackFrame) fault.Position {
	for _, frame := range frames {
		if at := frame.Position(); at.Line > 0 && frame.SrcName() != internalSource {
			return fault.Position{File: frame.SrcName(), Line: at.Line, Column: at.Column}
		}
	}
	return fault.Position{}
}

var stackLine = regexp.MustCompile(`^\s+at (?:.* \()?(.+):(\d+):(\d+)\(\d+\)\)?$`)

// stackPosition reads the first place in the text of a stack.
func stackPosition(stack string) fault.Position {
	for line := range strings.Lines(stack) {
		if m := stackLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && m[1] != internalSource {
			row, _ := strconv.Atoi(m[2])
			column, _ := strconv.Atoi(m[3])
			return fault.Position{File: m[1], Line: row, Column: column}
		}
	}
	return fault.Position{}
}

func invalid(format string, args ...any) *fault.Error { return fault.New(NameInvalid, format, args...) }
