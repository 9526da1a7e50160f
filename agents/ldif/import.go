package ldif

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const (
	defaultPageSize = 1000
	checkInterval   = 1024 // records between two looks at the context
)

// OpenImport implements agent.Importer: it opens the file, and reads the log of changes
// if there is one.
//
// A file that is not there is an error. Only if an export may create it, and neither
// this agent nor the last import has ever seen it, it is an import without entries, and
// not a complete one: nothing can be taken for deleted.
func (a *ldifAgent) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	schema, err := a.Schema(ctx)
	if err != nil {
		return nil, err
	}
	if err := req.Check(schema); err != nil {
		return nil, err
	}
	f, err := a.open(a.file)
	if len(req.Watermark) == 0 && a.mayBeAbsent(err) {
		return absentImport{}, nil
	}
	if err != nil {
		return nil, err
	}
	m := &fileImport{agent: a, file: f, pageSize: req.PageSize, complete: true}
	if m.pageSize <= 0 {
		m.pageSize = defaultPageSize
	}
	if err := m.open(ctx, req); err != nil {
		return nil, errors.Join(err, f.Close(), m.log.close())
	}
	return m, nil
}

// open decides what is read: everything, only what the log changes, or nothing.
func (m *fileImport) open(ctx context.Context, req agent.ImportRequest) (err error) {
	a := m.agent
	if m.info, err = m.file.Stat(); err != nil {
		return a.openFault(a.file, err)
	}
	w, same := watermark{}, false
	if req.Delta {
		var ok bool
		if w, ok = parseWatermark(req.Watermark); ok {
			if same, err = a.isSame(ctx, m.file, m.info.Size(), w); err != nil {
				return err
			}
		}
	}
	if !same {
		w = watermark{}
	}
	m.unchanged = same
	if a.changes != "" {
		if m.log, err = a.readOverlay(ctx, w); err != nil {
			return err
		}
		switch {
		case same && m.log.known:
			m.complete, m.unchanged = false, m.log.size == w.logSize
		default:
			m.log.fresh, m.unchanged = 0, false
		}
	}
	m.before = req.Watermark
	m.scan = newScanner(a.file, m.file)
	return nil
}

// A fileImport is a pass over the file, and then over what the log adds.
type fileImport struct {
	agent     *ldifAgent
	file      *os.File
	info      fs.FileInfo // when it was opened
	log       *overlay    // nil if there is none
	scan      *scanner
	pageSize  int
	rec       record
	complete  bool
	unchanged bool
	read      bool   // the file is read
	added     int    // the next event of the log that may have added an entry
	strayed   int    // the next one that may be about no entry
	before    []byte // the last watermark
	watermark []byte // what this import leaves
	ended     error  // what every further Next returns

	held   []heldEntry // what the page before had no room for
	counts []int       // room for counting values, by attribute
	which  []int       // the attribute of each line
}

// A heldEntry is an entry of an import that has yet to be delivered.
type heldEntry struct {
	e  *entry
	op identity.Operation
}

func (m *fileImport) Complete() bool  { return m.complete }
func (m *fileImport) Unchanged() bool { return m.unchanged }

func (m *fileImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.unchanged {
		m.watermark = m.before
		return io.EOF
	}
	for n := 1; len(page.Entries) < m.pageSize; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			page.Reset()
			return ctx.Err()
		}
		if len(m.held) > 0 {
			held := m.held[0]
			m.held = m.held[1:]
			m.deliver(page, held.e, held.op)
			continue
		}
		if m.ended != nil {
			break
		}
		e, err := m.next()
		if err != nil {
			m.ended = err
			continue
		}
		m.hold(e)
	}
	if m.ended == nil || errors.Is(m.ended, io.EOF) && len(page.Entries) > 0 {
		return nil
	}
	page.Reset()
	return m.ended
}

// hold puts what is to be said of an entry into held.
func (m *fileImport) hold(e *entry) {
	switch {
	case m.complete && !e.gone:
		m.held = append(m.held, heldEntry{e, identity.Add})
	case m.complete || !e.touched:
	default:
		was, wasAnchor := m.known(e.before)
		is, isAnchor := -1, ""
		if !e.gone {
			is, isAnchor = m.known(e)
		}
		if was >= 0 && (is < 0 && (e.gone || e.err == nil) || is >= 0 && isAnchor != wasAnchor) {
			m.held = append(m.held, heldEntry{e.before, identity.Delete})
		}
		if !e.gone {
			m.held = append(m.held, heldEntry{e, identity.Add})
		}
	}
}

// known returns the type and the anchor of an entry that an import has delivered or
// would deliver, -1 for any other.
func (m *fileImport) known(e *entry) (typ int, anchor string) {
	if e == nil || e.dn == nil {
		return -1, ""
	}
	typ, _ = m.agent.typeOf(e.lines)
	if typ < 0 {
		return -1, ""
	}
	anchor, err := m.agent.anchorOf(m.agent.types[typ], e.dn, e.lines)
	if err != nil {
		return -1, ""
	}
	return typ, anchor
}

// next returns the next entry, io.EOF after the last one.
func (m *fileImport) next() (*entry, error) {
	if !m.read {
		e, err := m.nextOfFile()
		if e != nil || err != nil {
			return e, err
		}
		m.read = true
		if err := m.endOfFile(); err != nil {
			return nil, err
		}
	}
	if m.log == nil {
		return nil, m.end()
	}
	for m.added < len(m.log.events) {
		i := m.added
		m.added++
		event := &m.log.events[i]
		if event.verb != addEntry || event.used {
			continue
		}
		c, err := m.log.load(i)
		if err != nil {
			return nil, err
		}
		event.used = true
		e := &entry{dn: c.dn, name: c.lines[0].value, line: event.line, log: true, lines: c.lines}
		if err := m.log.follow(e, i); err != nil {
			return nil, err
		}
		return e, nil
	}
	if i := m.log.stray(max(m.strayed, m.log.fresh)); i >= 0 {
		m.strayed = i + 1
		return m.stray(i)
	}
	return nil, m.end()
}

// nextOfFile returns the next entry of the file as the log leaves it, nil after the last
// one.
func (m *fileImport) nextOfFile() (*entry, error) {
	more, err := m.scan.next(&m.rec)
	if err == nil && more {
		err = m.scan.onlyAttributes(m.rec.lines)
	}
	if err != nil || !more {
		return nil, m.agent.named(m.agent.file, err)
	}
	e := &entry{name: m.rec.lines[0].value, line: m.rec.line, lines: m.rec.lines}
	if dn, err := identity.ParseDN(e.name); err == nil {
		e.dn = dn
	}
	if m.log == nil || e.dn == nil {
		return e, nil
	}
	m.log.noteName(e.dn)
	return e, m.log.follow(e, -1)
}

// stray returns an entry with the error of a change that no entry was there for.
func (m *fileImport) stray(i int) (*entry, error) {
	c, err := m.log.load(i)
	if err != nil {
		return nil, err
	}
	e := &entry{dn: c.dn, name: c.dn.String(), line: m.log.events[i].line, log: true, touched: true}
	e.err = fault.New("need-full-object", "a change to an entry that is neither in the file nor added by a change before")
	return e, nil
}

// endOfFile checks that what was read is one state of the file of entries.
func (m *fileImport) endOfFile() error {
	a := m.agent
	err := a.disk(a.file).Unmoved(m.file, m.info)
	if err == nil && m.scan.size != m.info.Size() {
		err = errors.New("the file was changed meanwhile")
	}
	if err != nil {
		return a.fileFault(a.file, "stopped-import-read", err)
	}
	return a.checkEmpty(m.scan)
}

// checkEmpty refuses a file without entries that does not even say that it is LDIF: so
// looks one of which only the name was written.
func (a *ldifAgent) checkEmpty(s *scanner) error {
	if s.records > 0 || s.version {
		return nil
	}
	err := s.fail(1, 1, "the file is empty")
	err.Hint = `a file that holds no entries has at least the line "version: 1"`
	return a.named(a.file, err)
}

// end checks the log, and returns io.EOF if all is well.
func (m *fileImport) end() error {
	w := watermark{size: m.scan.size, digest: m.scan.digest, settings: m.agent.settingsDigest()}
	if m.log != nil {
		if err := m.log.end(); err != nil {
			return err
		}
		w.logSize, w.logDigest = m.log.size, m.log.digest
	}
	m.watermark = w.bytes()
	return io.EOF
}

func (m *fileImport) Close(context.Context, agent.Outcome) ([]byte, error) {
	if err := errors.Join(m.file.Close(), m.log.close()); err != nil && !errors.Is(err, fs.ErrClosed) {
		return nil, m.agent.fileFault(m.agent.file, "stopped-import-read", err)
	}
	return m.watermark, nil
}

// deliver appends an entry to a page, unless it is of no type that there is.
func (m *fileImport) deliver(page *agent.Page, from *entry, op identity.Operation) {
	a := m.agent
	typ, classed := a.typeOf(from.lines)
	if typ < 0 && classed {
		return
	}
	lost := from.lines == nil // a change without its entry
	e := page.Add()
	e.Op, e.Line, e.DN = op, from.line, from.name
	err := from.err
	switch {
	case from.dn == nil:
		err = fault.New(identity.ErrDN.Error(), "%.200q is not the name of an entry", from.name)
		e.DN = ""
	case lost:
	case !classed:
		err = fault.New("missing-object-type", "the entry has no objectClass")
		err.Hint = "the file must hold the object classes of its entries"
	default:
		e.ObjectType = a.types[typ].schema.Name
		var failed *fault.Error
		if e.Anchor, failed = a.anchorOf(a.types[typ], from.dn, from.lines); failed != nil {
			err = failed
		}
		if !a.anchored {
			e.DN = e.Anchor
		}
	}
	if err == nil && op == identity.Add {
		err = m.attributes(page, e, a.types[typ], from.lines)
	}
	if err == nil {
		return
	}
	e.Err, e.Attributes = err, nil
	err.Agent, err.Object = a.name, e.DN
	if err.Position.Line == 0 {
		err.Position.Line = from.line
	}
	if err.Position.File == "" {
		err.Position.File = a.file
		if from.log {
			err.Position.File = a.changes
		}
	}
}

// attributes sets the attributes of an entry.
func (m *fileImport) attributes(page *agent.Page, e *agent.Entry, t *objectType, lines []attrLine) *fault.Error {
	if cap(m.counts) < len(t.attributes) {
		m.counts = make([]int, len(t.attributes))
	}
	m.counts, m.which = m.counts[:len(t.attributes)], m.which[:0]
	clear(m.counts)
	distinct, total := 0, 0
	for i := range lines {
		at := t.find(lines[i].desc)
		m.which = append(m.which, at)
		if at < 0 {
			continue
		}
		if m.counts[at] == 0 {
			distinct++
		}
		m.counts[at]++
		total++
	}
	attributes, values := page.Attributes(distinct)[:distinct], page.Values(total)[:total]
	n, start := 0, 0
	for at, count := range m.counts {
		if count == 0 {
			continue
		}
		attributes[n].Name, attributes[n].Values = t.attributes[at].Name, values[start:start:start+count]
		m.counts[at] = n
		n++
		start += count
	}
	for i := range lines {
		at := m.which[i]
		if at < 0 {
			continue
		}
		v, err := m.agent.value(&t.attributes[at], &lines[i])
		if err != nil {
			return err
		}
		list := &attributes[m.counts[at]].Values
		*list = append(*list, v)
	}
	for i := range attributes {
		attributes[i].Values = identity.Normalize(attributes[i].Values)
	}
	e.Attributes = attributes
	return nil
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
