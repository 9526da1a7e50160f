package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const (
	defaultPageSize = 1000
	checkInterval   = 1024 // rows between two looks at the context
)

// OpenImport implements agent.Importer: it opens the file and reads the header.
//
// A file that is not there is an error. Only if columns are configured, and
// neither this agent nor the last import has ever seen the file, it is an import
// without entries, and not a complete one: nothing can be taken for deleted.
func (a *csvAgent) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := a.open()
	if len(req.Watermark) == 0 && a.mayBeAbsent(err) {
		return a.absentImport(req)
	}
	if err != nil {
		return nil, err
	}
	imp, err := a.openImport(ctx, f, req)
	if err != nil {
		f.Close()
		return nil, err
	}
	return imp, nil
}

func (a *csvAgent) openImport(ctx context.Context, f *os.File, req agent.ImportRequest) (agent.Import, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, a.openFault(err)
	}
	m := &fileImport{agent: a, file: f, info: info, pageSize: req.PageSize, watermark: req.Watermark}
	if m.pageSize <= 0 {
		m.pageSize = defaultPageSize
	}
	if req.Delta {
		if m.unchanged, err = a.isUnchanged(ctx, f, info.Size(), req.Watermark); err != nil {
			return nil, err
		}
	}
	m.scan = newScanner(a.file, f, a.delimiter)
	if m.layout, err = a.readHeader(m.scan, &m.row); err != nil {
		return nil, err
	}
	if err := a.checkRequired(m.layout, m.row.line, req.Required); err != nil {
		return nil, err
	}
	return m, nil
}

// A fileImport is a pass over the file.
type fileImport struct {
	agent     *csvAgent
	file      *os.File
	info      fs.FileInfo // when it was opened
	scan      *scanner
	layout    *layout
	pageSize  int
	row       row
	texts     []string // room for the parts of an anchor
	unchanged bool
	watermark []byte // what the last import left, then what this one leaves
	ended     error  // what every further Next returns
}

func (m *fileImport) Complete() bool  { return true }
func (m *fileImport) Unchanged() bool { return m.unchanged }

func (m *fileImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.unchanged {
		return io.EOF
	}
	for rows := 1; m.ended == nil && len(page.Entries) < m.pageSize; rows++ {
		if rows%checkInterval == 0 && ctx.Err() != nil {
			page.Reset()
			return ctx.Err()
		}
		more, err := m.scan.next(&m.row)
		switch {
		case err != nil:
			m.ended = m.agent.named(err)
		case !more:
			m.ended = m.end()
		case !m.row.blank():
			m.fill(page)
		}
	}
	if m.ended == nil || errors.Is(m.ended, io.EOF) && len(page.Entries) > 0 {
		return nil
	}
	page.Reset()
	return m.ended
}

// end checks that what was read is one state of the file, and returns io.EOF if
// it is.
func (m *fileImport) end() error {
	err := m.agent.disk().Unmoved(m.file, m.info)
	if err == nil && m.scan.size != m.info.Size() {
		err = errors.New("the file was changed meanwhile")
	}
	if err != nil {
		return m.agent.fileFault("stopped-import-read", err)
	}
	m.watermark = watermark{m.scan.size, m.scan.digest, m.agent.settingsDigest()}.bytes()
	return io.EOF
}

func (m *fileImport) Close(context.Context, agent.Outcome) ([]byte, error) {
	if err := m.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return nil, m.agent.fileFault("stopped-import-read", err)
	}
	return m.watermark, nil
}

// fill appends the entry for the current row.
func (m *fileImport) fill(page *agent.Page) {
	e := page.Add()
	e.Op, e.Line = identity.Add, m.row.line
	if len(m.row.cells) != len(m.layout.names) {
		e.Err = m.rowFault("parse-error", 0, "%d cells under %d columns", len(m.row.cells), len(m.layout.names))
		return
	}
	if at := m.row.invalidUTF8(); at >= 0 {
		e.Err = m.rowFault("parse-error", at, "the row is not UTF-8 text")
		return
	}
	t := m.typeOf(e)
	if t == nil || !m.anchor(e, t) {
		return
	}
	m.attributes(page, e, t)
}

// typeOf returns the object type of the row, or nil and an error in the entry.
func (m *fileImport) typeOf(e *agent.Entry) *typeLayout {
	l, column := m.layout, m.layout.typeColumn
	if column < 0 {
		e.ObjectType = l.types[0].schema.Name
		return &l.types[0]
	}
	name := m.row.value(column)
	i, found := l.byType[name]
	switch {
	case name == "":
		e.Err = m.cellFault("missing-object-type", column, "the cell is empty")
	case !found:
		e.Err = m.cellFault("unmappable-object-type", column, "there is no object type %q", name)
	default:
		e.ObjectType = l.types[i].schema.Name
		return &l.types[i]
	}
	return nil
}

// anchor sets the anchor and the DN of the entry, or its error.
func (m *fileImport) anchor(e *agent.Entry, t *typeLayout) bool {
	m.texts = m.texts[:0]
	for _, column := range t.anchor {
		text := m.row.value(column)
		if text == "" {
			e.Err = m.cellFault("missing-anchor-component", column, "the cell is empty")
			return false
		}
		m.texts = append(m.texts, text)
	}
	e.Anchor = identity.JoinAnchor(m.texts...)
	if e.DN = e.Anchor; m.layout.dnColumn < 0 {
		return true
	}
	if e.DN = m.row.value(m.layout.dnColumn); e.DN == "" {
		e.Err = m.cellFault("missing-dn", m.layout.dnColumn, "the cell is empty")
		return false
	}
	return true
}

// attributes sets the attributes of the entry, or its error. They are written
// field by field to where they stay: composing and appending them takes a third
// longer.
func (m *fileImport) attributes(page *agent.Page, e *agent.Entry, t *typeLayout) {
	attributes, values := page.Attributes(len(t.columns)), page.Values(len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		text := m.row.value(c.index)
		if text == "" {
			continue
		}
		n := len(attributes)
		values = values[:n+1]
		list := values[n : n+1 : n+1]
		var err error
		switch {
		case c.multi:
			list, err = c.parseList(text, page.Values(strings.Count(text, c.separator)+1))
		case c.typ == identity.TypeString:
			list[0] = identity.String(text)
		case c.typ == identity.TypeReference:
			list[0] = identity.Reference(text)
		default:
			list[0], err = identity.ParseValue(c.typ, text)
		}
		if err != nil {
			e.Err = m.valueFault(e, c, err)
			return
		}
		if len(list) > 0 {
			attributes = attributes[:n+1]
			attributes[n].Name, attributes[n].Values = c.name, list
		}
	}
	e.Attributes = attributes
}

// parseList appends the values of a multi-valued cell to values and normalizes
// them. Empty parts are no values.
func (c *column) parseList(text string, values []identity.Value) ([]identity.Value, error) {
	for more := true; more; {
		var part string
		part, text, more = strings.Cut(text, c.separator)
		if part == "" {
			continue
		}
		v, err := identity.ParseValue(c.typ, part)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return identity.Normalize(values), nil
}

func (m *fileImport) rowFault(name string, at int, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Agent, err.Position = m.agent.name, m.scan.position(&m.row, at)
	return err
}

func (m *fileImport) cellFault(name string, index int, format string, args ...any) *fault.Error {
	err := m.rowFault(name, m.row.cells[index].start, format, args...)
	err.Attribute = m.layout.names[index]
	return err
}

// valueFault says that the text of a cell is not a value of its column.
func (m *fileImport) valueFault(e *agent.Entry, c *column, err error) *fault.Error {
	name, text := "invalid-attribute-value", err.Error()
	var parse *identity.ParseError
	if errors.As(err, &parse) {
		name, text = parse.Name, fmt.Sprintf("%.80q is not a value of type %s", parse.Text, parse.Type)
	}
	named := m.cellFault(name, c.index, "%s", text)
	named.Object = e.DN
	return named
}

func (a *csvAgent) absentImport(req agent.ImportRequest) (agent.Import, error) {
	l, err := a.newLayout(header{names: a.columns, configured: true})
	if err != nil {
		return nil, err
	}
	if err := a.checkRequired(l, 0, req.Required); err != nil {
		return nil, err
	}
	return absentImport{}, nil
}

// absentImport is the import of a file that an export has yet to create.
type absentImport struct{}

func (absentImport) Complete() bool                                       { return false }
func (absentImport) Unchanged() bool                                      { return false }
func (absentImport) Close(context.Context, agent.Outcome) ([]byte, error) { return nil, nil }

func (absentImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	return io.EOF
}
