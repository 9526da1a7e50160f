package ldif

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An overlay is a log of changes, to be laid over a file of entries. It keeps where
// the changes are and what they are about, some 150 bytes each, and reads a change
// again when it is carried out.
//
// The file may be newer than the log, and hold the outcome of changes already: a log
// that tells everything leads to the same entries.
type overlay struct {
	agent  *ldifAgent
	file   *os.File
	info   fs.FileInfo
	events []event
	byName map[nameKey][]int // the events about an entry, in their order
	size   int64
	digest uint64
	known  bool // the log begins with what the watermark says
	fresh  int  // the first event behind the watermark

	byTarget map[nameKey][]int // the renames to a name
	arrived  map[int]bool      // those whose new name the file has already
}

// An event is a change of the log.
type event struct {
	verb   verb
	offset int64
	line   int
	from   nameKey
	used   bool // an entry was there for it
}

// readOverlay reads a whole log. That it begins with what the watermark knows is found
// out on the way.
func (a *ldifAgent) readOverlay(ctx context.Context, w watermark) (*overlay, error) {
	f, err := a.open(a.changes)
	if err != nil {
		return nil, err
	}
	o := &overlay{agent: a, file: f, byName: map[nameKey][]int{}, byTarget: map[nameKey][]int{}, arrived: map[int]bool{}, known: w.logSize == 0}
	if err := o.read(ctx, w); err != nil {
		return nil, errors.Join(a.named(a.changes, err), f.Close())
	}
	return o, nil
}

func (o *overlay) read(ctx context.Context, w watermark) (err error) {
	if o.info, err = o.file.Stat(); err != nil {
		return err
	}
	s, r := newScanner(o.agent.changes, o.file), new(record)
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		c, err := s.change(r)
		if err != nil {
			return err
		}
		e := event{verb: c.verb, offset: r.offset, line: r.line, from: keyOf(c.dn)}
		if c.verb == renameEntry {
			to := keyOf(c.newDN)
			o.byTarget[to] = append(o.byTarget[to], len(o.events))
		}
		o.byName[e.from] = append(o.byName[e.from], len(o.events))
		o.events = append(o.events, e)
		if s.size == w.logSize {
			o.known = s.digest == w.logDigest
			o.fresh = len(o.events)
		}
	}
	o.size, o.digest = s.size, s.digest
	if o.size == w.logSize {
		o.known = o.digest == w.logDigest // comments behind the last change
		o.fresh = len(o.events)
	}
	return nil
}

// end checks that the log is still the one that was read.
func (o *overlay) end() error {
	if err := o.agent.disk(o.agent.changes).Unmoved(o.file, o.info); err != nil {
		return o.agent.fileFault(o.agent.changes, "stopped-import-read", err)
	}
	return nil
}

// load reads a change again.
func (o *overlay) load(i int) (*changeRecord, error) {
	e := &o.events[i]
	s := newScannerSize(o.agent.changes, io.NewSectionReader(o.file, e.offset, o.info.Size()-e.offset), 4<<10)
	r := new(record)
	more, err := s.next(r)
	if err == nil && !more {
		err = errors.New("the file was changed meanwhile")
	}
	if err != nil {
		return nil, o.agent.fileFault(o.agent.changes, "stopped-import-read", err)
	}
	for j := range r.lines {
		r.lines[j].line += e.line - r.line
	}
	return s.change(r)
}

// An entry is an entry of the file or the log, as changes leave it.
type entry struct {
	dn    identity.DN
	name  string // as it was written
	line  int
	log   bool // the lines are those of the log
	lines []attrLine

	touched bool // by an event behind the watermark
	gone    bool
	before  *entry // what it was when the watermark was made, nil if it was not there
	err     *fault.Error
}

// follow carries out what the log says about an entry after the event with index after,
// -1 for an entry of the file.
func (o *overlay) follow(e *entry, after int) error {
	e.touched = after >= o.fresh
	for {
		i, own := o.nextEvent(e.dn, after)
		if i < 0 {
			return nil
		}
		if i >= o.fresh && !e.touched {
			before := *e
			e.before, e.touched = &before, true
		}
		after = i
		event := &o.events[i]
		c, err := o.load(i)
		if err != nil {
			return err
		}
		switch {
		case !own:
			depth := len(c.dn)
			e.dn = slices.Concat(e.dn[:len(e.dn)-depth], c.newDN)
			e.name = e.dn.String()
			continue
		case event.verb == deleteEntry:
			e.gone = true
		case event.verb == addEntry: // the file was written later, or the entry is added twice
			e.name, e.dn, e.lines, e.line, e.log, e.err = c.lines[0].value, c.dn, c.lines, event.line, true, nil
		case event.verb == modifyEntry:
			lines, failed := o.agent.apply(e.lines, c.lines)
			if failed != nil {
				failed.Position.File, e.err = o.agent.changes, failed
			} else {
				e.lines = lines
			}
		case event.verb == renameEntry:
			e.lines = renamed(e.lines, e.dn, c.newDN, c.oldRDN)
			e.dn, e.name = c.newDN, c.newDN.String()
		}
		event.used = true
		if e.gone {
			return nil
		}
	}
}

// nextEvent returns the first event after another that concerns an entry: one about it,
// or the rename of a container above it. -1 is none.
func (o *overlay) nextEvent(dn identity.DN, after int) (index int, own bool) {
	index = -1
	for depth := range dn {
		events := o.byName[keyOf(dn[depth:])]
		at, found := slices.BinarySearch(events, after)
		if found {
			at++
		}
		for ; at < len(events) && (index < 0 || events[at] < index); at++ {
			if depth == 0 || o.events[events[at]].verb == renameEntry {
				index, own = events[at], depth == 0
				break
			}
		}
	}
	return index, own
}

// noteName notes that the file holds an entry with this name.
func (o *overlay) noteName(dn identity.DN) {
	for _, i := range o.byTarget[keyOf(dn)] {
		o.arrived[i] = true
	}
}

// stray returns the first change that no entry was there for, and that nothing later
// explains: the entry is neither deleted or renamed later, nor did the file have it
// under its new name already. -1 is none.
func (o *overlay) stray(from int) int {
	for i := from; i < len(o.events); i++ {
		e := &o.events[i]
		if e.used || e.verb == addEntry || e.verb == deleteEntry || o.arrived[i] {
			continue
		}
		events := o.byName[e.from]
		explained := slices.ContainsFunc(events, func(j int) bool {
			return j > i && o.events[j].verb != modifyEntry
		})
		if !explained {
			return i
		}
	}
	return -1
}

func (o *overlay) close() error {
	if o == nil {
		return nil
	}
	return o.file.Close()
}
