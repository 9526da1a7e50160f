package ldif

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/identity"
)

// A source is the file as OpenExport found it. The zero source is a file that does not
// exist yet.
type source struct {
	info    fs.FileInfo
	digest  uint64
	lineEnd string
}

// write carries out the gathered changes: it writes a new file, makes sure that it is on
// the disk, and puts it in the place of the old one. On any error the old one stays as
// it is and nothing else is left.
func (x *fileExport) write(ctx context.Context) error {
	replaced, err := x.disk().Replace(x.source.info, func(w io.Writer) (bool, error) { return x.fill(ctx, w) })
	if replaced {
		x.agent.seen.Store(true)
	}
	return err
}

func (x *fileExport) disk() wholefile.File { return x.agent.disk(x.agent.file) }

// fill writes the content of the new file, and reports whether it differs from that of
// the old one.
func (x *fileExport) fill(ctx context.Context, f io.Writer) (changed bool, err error) {
	w := bufio.NewWriterSize(f, bufferSize)
	lineEnd := x.source.lineEnd
	if x.source.info == nil {
		lineEnd, changed = "\n", true
		w.WriteString("version: 1\n\n")
	} else if changed, err = x.copyRecords(ctx, w); err != nil {
		return false, err
	}
	var buf []byte
	for _, o := range x.added {
		buf = x.agent.types[o.typ].appendEntry(buf[:0], o.dn, x.unpack(o), o.anchor, lineEnd)
		w.Write(buf)
		changed = true
	}
	return changed, errors.Join(w.Flush(), x.spill.Err())
}

// copyRecords writes the records of the old file, changed or not, and checks that it is
// still the one that OpenExport read.
func (x *fileExport) copyRecords(ctx context.Context, w *bufio.Writer) (changed bool, err error) {
	f, err := os.Open(x.agent.file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	s, r := newScanner(x.agent.file, f), new(record)
	var buf []byte
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return false, x.agent.named(x.agent.file, err)
		}
		if !more {
			w.Write(r.raw)
			if tail := string(r.raw); strings.TrimSpace(tail) != "" && !strings.HasSuffix(tail, "\n\n") && !strings.HasSuffix(tail, "\n\r\n") && len(x.added) > 0 {
				w.WriteString(x.source.lineEnd) // what is there is not to be taken for a part of what comes
			}
			break
		}
		_, id, anchor, typ := x.agent.identify(r)
		o := x.origins[id]
		if typ < 0 || o == nil {
			w.Write(r.raw)
			continue
		}
		if o.gone {
			w.Write(r.raw[:r.own])
			changed = true
			continue
		}
		var edited bool
		if buf, edited = x.edit(buf[:0], r, o, anchor); edited {
			w.Write(buf)
			changed = true
		} else {
			w.Write(r.raw)
		}
	}
	if s.digest != x.source.digest {
		return false, errors.New("the file was changed during the export; nothing is written")
	}
	return changed, x.disk().Unmoved(f, x.source.info)
}

// edit appends a record as its object is after the changes, and reports whether that is
// another than before. Lines that stay are copied as they are.
func (x *fileExport) edit(buf []byte, r *record, o *object, anchor string) ([]byte, bool) {
	a, t := x.agent, x.agent.types[o.typ]
	lines, name := r.lines[1:], ""
	if from, err := identity.ParseDN(r.lines[0].value); err == nil && o.dn != "" {
		if to, err := identity.ParseDN(o.dn); err == nil && to.String() != from.String() {
			name = o.dn
			lines = renamed(lines, from, to, true)
		}
	}
	edited := name != ""
	if delta := x.unpack(o); delta != nil {
		for i := range delta.Changes {
			at := t.byDesc[delta.Changes[i].Name]
			var changed bool
			if lines, changed = a.editAttribute(t, at, lines, &delta.Changes[i]); changed {
				edited = true
			}
		}
	}
	if !edited {
		return buf, false
	}
	first := &r.lines[0]
	buf = append(buf, r.raw[:first.rawStart]...)
	if name != "" {
		buf = appendLine(buf, first.desc, name, x.source.lineEnd)
	} else {
		buf = append(buf, r.raw[first.rawStart:first.rawEnd]...)
	}
	at := first.rawEnd
	for i := range lines {
		l := &lines[i]
		if l.rawEnd == 0 {
			buf = appendLine(buf, l.desc, l.value, x.source.lineEnd)
			continue
		}
		buf = appendComments(buf, r, at, l.rawStart)
		buf = append(buf, r.raw[l.rawStart:l.rawEnd]...)
		at = l.rawEnd
	}
	return append(appendComments(buf, r, at, len(r.raw)), r.raw[r.lines[len(r.lines)-1].rawEnd:]...), true
}

// appendComments appends what stands between two offsets of a record and is no line of
// it: comments.
func appendComments(buf []byte, r *record, from, to int) []byte {
	last := r.lines[len(r.lines)-1].rawEnd
	for i := range r.lines {
		l := &r.lines[i]
		if l.rawStart >= from && l.rawStart < min(to, last) {
			buf = append(buf, r.raw[from:l.rawStart]...)
			from = l.rawEnd
		}
	}
	if end := min(to, last); from < end {
		buf = append(buf, r.raw[from:end]...)
	}
	return buf
}

// editAttribute returns the lines of an entry after a change of an attribute, and
// whether they are others than before. Text that is no value of the attribute's type
// stays unless the change replaces everything.
func (a *ldifAgent) editAttribute(t *objectType, at int, lines []attrLine, change *identity.Change) ([]attrLine, bool) {
	x := &t.attributes[at]
	var before []identity.Value
	where := map[int]identity.Value{} // the value of each line
	strange, last, desc := false, -1, x.Name
	for i := range lines {
		if t.find(lines[i].desc) != at {
			continue
		}
		last, desc = i, lines[i].desc
		v, err := a.value(x, &lines[i])
		if err != nil {
			strange = true
			continue
		}
		where[i] = v
		before = append(before, v)
	}
	before = identity.Normalize(before)
	after := change.Apply(before)
	if !x.Multi && len(after) > 1 { // an Update that adds one and does not know the other
		after = change.Values[len(change.Values)-1:]
	}
	if slices.Equal(before, after) && (change.Op == identity.Update || !strange) {
		return lines, false
	}
	if last < 0 {
		last = len(lines) - 1
		if transferred[x.Name] {
			desc += ";binary"
		}
	}
	dropStrange := change.Op != identity.Update || !x.Multi && len(after) > 0
	out := make([]attrLine, 0, len(lines)+len(after))
	for i := range lines {
		v, is := where[i]
		mine := t.find(lines[i].desc) == at
		if !mine || is && identity.Contains(after, v) || !is && !dropStrange {
			out = append(out, lines[i])
		}
		if i == last {
			out = appendNew(out, desc, after, before)
		}
	}
	if last < 0 {
		out = appendNew(out, desc, after, before)
	}
	return out, true
}

// appendNew appends lines for the values that are not there.
func appendNew(out []attrLine, desc string, after, before []identity.Value) []attrLine {
	for _, v := range after {
		if !identity.Contains(before, v) {
			out = append(out, attrLine{desc: desc, value: textOf(v)})
		}
	}
	return out
}

// newLines returns the lines of a new entry: its classes, its attributes, and those that
// its name and its anchor consist of.
func (t *objectType) newLines(name string, delta *identity.Delta, anchor string) []attrLine {
	attributes := delta.Apply(nil)
	var lines []attrLine
	classes := attributes.Get(objectClass)
	if len(classes) == 0 {
		for _, class := range append([]string{t.class}, t.auxiliary...) {
			lines = append(lines, attrLine{desc: objectClass, value: class})
		}
	}
	for _, v := range classes {
		lines = append(lines, attrLine{desc: objectClass, value: v.Str()})
	}
	if parts, ok := identity.SplitAnchor(anchor, len(t.anchor)); ok && len(t.anchor) > 0 {
		for i, at := range t.anchor {
			lines = append(lines, attrLine{desc: t.attributes[at].Name, value: parts[i]})
		}
	}
	for _, attribute := range attributes {
		if attribute.Name == objectClass {
			continue
		}
		desc := attribute.Name
		if transferred[desc] {
			desc += ";binary"
		}
		for _, v := range attribute.Values {
			lines = append(lines, attrLine{desc: desc, value: textOf(v)})
		}
	}
	if dn, err := identity.ParseDN(name); err == nil && len(dn) > 0 {
		lines = renamed(lines, nil, dn, false)
	}
	return lines
}

// appendEntry appends the record of a new entry.
func (t *objectType) appendEntry(buf []byte, name string, delta *identity.Delta, anchor, lineEnd string) []byte {
	buf = appendLine(buf, "dn", name, lineEnd)
	for _, l := range t.newLines(name, delta, anchor) {
		buf = appendLine(buf, l.desc, l.value, lineEnd)
	}
	return append(buf, lineEnd...)
}
