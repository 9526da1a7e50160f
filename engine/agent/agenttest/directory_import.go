package agenttest

import (
	"context"
	"io"
	"slices"
	"strconv"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const defaultPageSize = 100

// OpenImport implements agent.Importer. The import shows the directory as it is
// now, whatever happens to it later.
func (d *Directory) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	var imp *directoryImport
	err := d.call(ctx, CallOpenImport, func() error {
		if err := req.Check(d.schema); err != nil {
			return err
		}
		if err := d.checkRequest(req.Partition, true); err != nil {
			return err
		}
		imp = &directoryImport{dir: d, pageSize: req.PageSize, number: d.state.number, complete: true}
		if imp.pageSize <= 0 {
			imp.pageSize = defaultPageSize
		}
		if !req.Delta {
			imp.entries = d.state.all()
			return nil
		}
		return imp.openDelta(req.Watermark)
	})
	if err != nil {
		return nil, err
	}
	if d.searches() {
		imp.search(req.Containers)
	}
	if req.Partition != "" {
		imp.entries = slices.DeleteFunc(imp.entries, func(e agent.Entry) bool {
			return !imp.shows(req.Partition, &e)
		})
	}
	return imp, nil
}

// A directoryImport hands out entries that it took down when it was opened.
type directoryImport struct {
	dir       *Directory
	pageSize  int
	number    uint64 // of the last change that it shows
	complete  bool
	unchanged bool
	entries   []agent.Entry
	closed    bool
}

// shows reports whether an entry is one of a partition. What moves from one to
// another shows in both.
func (m *directoryImport) shows(partition string, e *agent.Entry) bool {
	m.dir.mu.Lock()
	defer m.dir.mu.Unlock()
	return m.dir.shows(partition, e.DN) || e.NewDN != "" && m.dir.shows(partition, e.NewDN)
}

func (m *directoryImport) openDelta(watermark []byte) error {
	s := m.dir.state
	from, err := strconv.ParseUint(string(watermark), 10, 64)
	known := err == nil && from <= s.number
	if !m.dir.caps.DeltaImport {
		m.unchanged = known && from == s.number
		if !m.unchanged {
			m.entries = s.all()
		}
		return nil
	}
	if m.dir.caps.DeltaBeforeFull && watermark == nil {
		known = true // its log is all there has ever been
	}
	if !known || from < s.trimmed {
		return fault.New("no-start-full-import-required", "there is no change log from %q on", watermark)
	}
	m.complete = false
	for _, c := range s.log {
		if c.number > from {
			m.entries = append(m.entries, c.entry)
		}
	}
	return nil
}

// all returns an entry for every object.
func (s *state) all() []agent.Entry {
	list := s.ordered()
	entries := make([]agent.Entry, len(list))
	for i, o := range list {
		entries[i] = agent.Entry{Op: identity.Add, ObjectType: o.Type, DN: o.DN, Anchor: o.Anchor, Attributes: o.Attributes}
	}
	return entries
}

func (m *directoryImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	return m.dir.call(ctx, CallNext, func() error {
		if m.closed {
			return fault.New("stopped-import-read", "the import is closed")
		}
		if len(m.entries) == 0 {
			return io.EOF
		}
		n := min(m.pageSize, len(m.entries))
		for i := range m.entries[:n] {
			m.fill(page, &m.entries[i])
		}
		m.entries = m.entries[n:]
		return nil
	})
}

// fill copies an entry into the room of the page, so that it becomes invalid
// when that of any other agent would.
func (m *directoryImport) fill(page *agent.Page, from *agent.Entry) {
	e := page.Add()
	*e = *from
	e.Attributes, e.Changes = nil, nil
	if err := m.dir.faults.imports[from.Anchor]; err != nil {
		e.Err = err
		return
	}
	t := m.dir.schema.Type(from.ObjectType)
	if len(from.Attributes) > 0 {
		room := page.Attributes(len(from.Attributes))
		for _, a := range from.Attributes {
			if !t.Attribute(a.Name).ExportOnly {
				room = append(room, identity.Attribute{Name: a.Name, Values: append(page.Values(len(a.Values)), a.Values...)})
			}
		}
		e.Attributes = room
	}
	for _, c := range from.Changes {
		if !t.Attribute(c.Name).ExportOnly {
			c.Values, c.Removed = slices.Clone(c.Values), slices.Clone(c.Removed)
			e.Changes = append(e.Changes, c)
		}
	}
}

func (m *directoryImport) Complete() bool  { return m.complete }
func (m *directoryImport) Unchanged() bool { return m.unchanged }

func (m *directoryImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	var watermark []byte
	err := m.dir.call(ctx, CallCloseImport, func() error {
		m.closed = true
		if outcome == agent.Completed {
			watermark = strconv.AppendUint(nil, m.number, 10)
		}
		return nil
	})
	return watermark, err
}
