package scripting

import (
	"bytes"
	"context"
	"io"
	"strconv"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

const (
	maxPage       = 100_000 // objects in one answer of a script
	maxEmptyPages = 1000    // in a row
)

// A scriptImport is an import that a script carries out, page by page.
type scriptImport struct {
	agent   *scriptAgent
	calls   caller
	release func()
	state   systemCall
	opened  bool          // the script's open has returned
	read    []agent.Entry // of the last page, not delivered yet
	more    bool          // there is another page
	left    []byte        // the watermark that the script returned last
}

// OpenImport implements [agent.Importer]. It reads the first page: so a system that
// cannot be read is found out here.
func (s importing) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := req.Check(req.Schema); err != nil {
		return nil, err
	}
	capabilities := s.spec.Capabilities
	delta := req.Delta && capabilities.DeltaImport
	if delta && len(req.Watermark) == 0 && !capabilities.DeltaBeforeFull {
		err := fault.New("no-start-full-import-required", "the last import left no watermark")
		err.Agent, err.Hint = s.name, "run a full import first"
		return nil, err
	}
	m := &scriptImport{agent: s.scriptAgent, more: true, state: systemCall{
		run: hookImport, partition: req.Partition, schema: req.Schema, full: !delta, pageSize: max(req.PageSize, 1),
	}}
	if delta {
		m.state.watermark = req.Watermark
	}
	m.calls, m.release = s.apart()
	var err error
	if m.state.session, m.opened, err = s.openSession(ctx, m.calls, m.state); err == nil {
		err = m.fill(ctx)
	}
	if err != nil {
		if m.opened {
			_ = m.end(context.WithoutCancel(ctx), agent.Aborted) // why it could not be read is what matters
		}
		m.release()
		return nil, err
	}
	return m, nil
}

// openSession calls the script's open, if it has one, and keeps what that returns.
func (s *scriptAgent) openSession(ctx context.Context, w caller, c systemCall) (session []byte, opened bool, err error) {
	if !s.spec.has(hookOpen) {
		return nil, s.spec.has(hookClose), nil
	}
	err = s.call(ctx, w, &c, hookOpen, nil, func(a *host.Active, v goja.Value) (err error) {
		session, err = toJSON(a, "a session", v)
		return err
	})
	return session, err == nil && s.spec.has(hookClose), err
}

// closeSession calls the script's close.
func (s *scriptAgent) closeSession(ctx context.Context, w caller, c systemCall, outcome agent.Outcome) error {
	text := "completed"
	if outcome == agent.Aborted {
		text = "aborted"
	}
	return s.call(ctx, w, &c, hookClose, func(a *host.Active) ([]goja.Value, error) {
		return []goja.Value{a.Runtime().ToValue(text)}, nil
	}, func(*host.Active, goja.Value) error { return nil })
}

// Complete implements [agent.Import].
func (m *scriptImport) Complete() bool { return m.state.full }

// Unchanged implements [agent.Import].
func (m *scriptImport) Unchanged() bool { return false }

// Next implements [agent.Import].
func (m *scriptImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.fill(ctx); err != nil {
		return err
	}
	if len(m.read) == 0 {
		return io.EOF
	}
	n := min(len(m.read), m.state.pageSize)
	page.Entries = append(page.Entries, m.read[:n]...)
	m.read = m.read[n:]
	return nil
}

// fill reads pages until there is something to deliver, or no more.
func (m *scriptImport) fill(ctx context.Context) error {
	for empty := 0; len(m.read) == 0 && m.more; empty++ {
		if empty > maxEmptyPages {
			return m.agent.stepError(ctx, unexpected("more than %d pages without an object", maxEmptyPages))
		}
		c := m.state
		var next []byte
		err := m.agent.call(ctx, m.calls, &c, hookImport, nil, func(a *host.Active, v goja.Value) (err error) {
			next, err = m.page(a, v)
			return err
		})
		if err != nil {
			m.read = nil // it ends here: nothing may be concluded
			return err
		}
		m.state.cursor, m.more = next, next != nil
	}
	return nil
}

// page reads a page, and returns where the next one begins.
func (m *scriptImport) page(a *host.Active, v goja.Value) (next []byte, err error) {
	o := readOptions("the page", v, "objects", "next", "watermark")
	list, ok := o.fields["objects"].(*goja.Object)
	if o.err != nil || !ok || list.ClassName() != "Array" {
		e := unexpected("%s as a page", a.Describe(v))
		e.Hint = "import returns {objects: [...], next, watermark}"
		return nil, e
	}
	n := list.Get("length").ToInteger()
	if n > maxPage {
		return nil, unexpected("a page of %d objects", n)
	}
	entries := make([]agent.Entry, n)
	for i := range entries {
		entries[i] = m.agent.entry(a, m.state.schema, list.Get(strconv.Itoa(i)))
		if err := entries[i].Err; err != nil && stopsStep(err.Name) {
			return nil, err
		}
	}
	if next, err = toJSON(a, "a next page", o.fields["next"]); err != nil {
		return nil, err
	}
	if next != nil && bytes.Equal(next, m.state.cursor) {
		return nil, unexpected("a page after which the same page comes again: next is %s", next)
	}
	watermark, err := toJSON(a, "a watermark", o.fields["watermark"])
	if err != nil {
		return nil, err
	}
	if watermark != nil {
		m.left = watermark
	}
	if next == nil && m.state.full && m.left == nil && m.agent.spec.Capabilities.DeltaImport {
		e := unexpected("no watermark in the last page")
		e.Hint = "a delta import begins where a full one has ended; without deltaImport none is needed"
		return nil, e
	}
	m.read = entries
	return next, nil
}

// Close implements [agent.Import]. What the script returned last is the watermark; a
// delta import that brought none ends where it began.
func (m *scriptImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	defer m.release()
	if err := m.end(ctx, outcome); err != nil {
		return nil, err
	}
	if m.left == nil {
		return m.state.watermark, nil
	}
	return m.left, nil
}

func (m *scriptImport) end(ctx context.Context, outcome agent.Outcome) error {
	if !m.opened {
		return nil
	}
	m.opened = false
	return m.agent.closeSession(ctx, m.calls, m.state, outcome)
}
