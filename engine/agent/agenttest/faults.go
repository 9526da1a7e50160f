package agenttest

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// A Call names a method by which the engine reaches a [Directory].
type Call string

// The calls.
const (
	CallSchema      Call = "schema"
	CallPartitions  Call = "partitions"
	CallHierarchy   Call = "hierarchy"
	CallOpenImport  Call = "open-import"
	CallNext        Call = "next"
	CallCloseImport Call = "close-import"
	CallOpenExport  Call = "open-export"
	CallPut         Call = "put"
	CallCloseExport Call = "close-export"
	CallReadObject  Call = "read-object"
)

// faults is what goes wrong in a directory, and how often it was called. The
// directory's lock guards it.
type faults struct {
	calls   map[Call]int
	planned []plannedFault
	onCall  func(Call)
	imports map[string]*fault.Error // by anchor
	exports map[string]*fault.Error // by anchor or DN
	actions map[string]agent.Action // likewise
	partial map[string]partialFault // likewise
}

type plannedFault struct {
	call  Call
	at    int // the count of calls at which it happens
	after bool
	err   error
}

// Calls returns how often the engine made a call, failed ones included.
func (d *Directory) Calls(call Call) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults.calls[call]
}

// OnCall has fn called at the start of every call of the engine, without any
// lock held: to change the directory in the middle of an import, or to cancel a
// context. nil ends it.
func (d *Directory) OnCall(fn func(Call)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.onCall = fn
}

// FailCall makes the n-th call from now on (1 is the next) fail with err before
// it does anything. Further calls work again.
func (d *Directory) FailCall(call Call, n int, err error) { d.plan(call, n, false, err) }

// LoseAnswer makes the n-th call from now on (1 is the next) do its work and
// fail with err all the same, as if the connection broke before the answer.
func (d *Directory) LoseAnswer(call Call, n int, err error) { d.plan(call, n, true, err) }

func (d *Directory) plan(call Call, n int, after bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.planned = append(d.faults.planned, plannedFault{call, d.faults.calls[call] + n, after, err})
}

// Calm forgets the calls that were planned to fail and have not come yet.
func (d *Directory) Calm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.planned = nil
}

// FailImport makes imports deliver a discovery error in place of the object
// with this anchor. A nil err ends it.
func (d *Directory) FailImport(anchor string, err *fault.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	setFault(&d.faults.imports, anchor, err)
}

// FailExport makes the directory refuse every change to the object with this
// anchor or DN. A nil err ends it.
func (d *Directory) FailExport(name string, err *fault.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	setFault(&d.faults.exports, name, err)
}

// AnswerExport makes the directory answer every change to the object with this
// anchor or DN with an action, and do nothing. NoAction ends it.
func (d *Directory) AnswerExport(name string, action agent.Action) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults.actions == nil {
		d.faults.actions = map[string]agent.Action{}
	}
	d.faults.actions[name] = action
}

// A partialFault is an attribute that the directory does not take, and why.
type partialFault struct {
	attribute string
	err       *fault.Error
}

// FailAttribute makes the directory refuse an attribute of the object with this
// anchor or DN, and carry out what else a change holds. A nil err ends it.
func (d *Directory) FailAttribute(name, attribute string, err *fault.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults.partial == nil {
		d.faults.partial = map[string]partialFault{}
	}
	if err == nil {
		delete(d.faults.partial, name)
		return
	}
	d.faults.partial[name] = partialFault{attribute, err}
}

func setFault(m *map[string]*fault.Error, name string, err *fault.Error) {
	if *m == nil {
		*m = map[string]*fault.Error{}
	}
	if err == nil {
		delete(*m, name)
		return
	}
	(*m)[name] = err
}

// call counts a call of the engine and carries out work under the lock, unless
// the context is done or a fault is due.
func (d *Directory) call(ctx context.Context, call Call, work func() error) error {
	d.mu.Lock()
	if d.faults.calls == nil {
		d.faults.calls = map[Call]int{}
	}
	d.faults.calls[call]++
	n, onCall := d.faults.calls[call], d.faults.onCall
	d.mu.Unlock()
	if onCall != nil {
		onCall(call)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	var lost error
	for i, p := range d.faults.planned {
		if p.call != call || p.at != n {
			continue
		}
		d.faults.planned = append(d.faults.planned[:i:i], d.faults.planned[i+1:]...)
		if !p.after {
			return p.err
		}
		lost = p.err
		break
	}
	if work != nil {
		if err := work(); err != nil {
			return err
		}
	}
	return lost
}
