package csv

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/spill"
)

// OpenExport implements agent.Exporter: it reads the file to know which objects
// there are, and checks that it could write a new one beside it. A file that
// import could not read is not written to either.
func (a *csvAgent) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := &fileExport{agent: a, current: map[string]*object{}, rows: map[string]*object{}, names: map[anchorKey]string{}}
	x.encoder.Names = &names{codes: map[string]uint64{}}
	f, err := a.open()
	switch {
	case !req.Seen && a.mayBeAbsent(err):
		x.layout, err = a.newLayout(header{names: a.columns, configured: true})
	case err == nil:
		err = errors.Join(x.readIndex(ctx, f), f.Close())
	}
	if err != nil {
		return nil, err
	}
	if err := a.checkWritable(x.source.info != nil); err != nil {
		return nil, err
	}
	return x, nil
}

// A fileExport gathers changes; Close writes them. What it keeps of the file is 16
// bytes and a number per row in a hash table, about 40 bytes each in all.
type fileExport struct {
	agent  *csvAgent
	layout *layout
	source source
	index  map[anchorKey]int    // the type of the row with this anchor
	names  map[anchorKey]string // if a column holds DNs: the anchor of the row with this one, "" if there are several
	closed bool

	// The objects that changes have touched. Those that are in the file are also
	// in rows, by the anchor that they have there, new ones in added.
	current map[string]*object
	rows    map[string]*object
	added   []*object

	encoder identity.Encoder // of packed deltas
	spill   spill.Spill      // where they are
}

// An object is what the changes so far make of an object. Its delta starts from
// its row in the file, or from nothing.
type object struct {
	origin string // the anchor of its row, "" for a new object
	anchor string
	dn     string // what the column of the names shall hold, "" for what it holds
	typ    int
	gone   bool
	delta  packed
}

// An anchorKey is the first half of the SHA-256 of an anchor.
type anchorKey [16]byte

func keyOf(anchor string) anchorKey {
	sum := sha256.Sum256([]byte(anchor))
	return anchorKey(sum[:16])
}

// nameKey is the key of a DN, whatever its spelling.
func nameKey(dn string) anchorKey {
	if parsed, err := identity.ParseDN(dn); err == nil {
		dn = parsed.Fold()
	}
	return keyOf(dn)
}

// rename checks that no row has the new name of an object, and gives it to it; from
// is the name that it had, "" for a new object. What a repeated change finds there
// may be the object itself. Without a column of names it does nothing.
func (x *fileExport) rename(o *object, from, to string, repeated bool) *fault.Error {
	if x.layout.dnColumn < 0 {
		return nil
	}
	column := column{name: x.layout.names[x.layout.dnColumn]}
	if name, reason := textProblem(to); name != "" {
		return column.fault(name, "%s", reason)
	}
	key := nameKey(to)
	if from != "" && nameKey(from) == key {
		o.dn = strings.Clone(to)
		return nil
	}
	if _, taken := x.names[key]; taken && !repeated {
		name := "rename-to-existing-dn"
		if from == "" {
			name = "cd-existing-object"
		}
		return fault.New(name, "there is a row named %q already", to)
	}
	x.forget(from)
	x.names[key] = o.anchor
	o.dn = strings.Clone(to)
	return nil
}

// forget notes that no row has a DN any more, unless several had it.
func (x *fileExport) forget(dn string) {
	if key := nameKey(dn); x.names[key] != "" {
		delete(x.names, key)
	}
}

// ambiguous is the type of an anchor that several rows have.
const ambiguous = -1

// readIndex reads the whole file.
func (x *fileExport) readIndex(ctx context.Context, f *os.File) error {
	a := x.agent
	info, err := f.Stat()
	if err != nil {
		return a.openFault(err)
	}
	s, r := newScanner(a.file, f, a.delimiter), new(row)
	if x.layout, err = a.readHeader(s, r); err != nil {
		return err
	}
	x.source = source{info: info, lineEnd: string(lineEnd(r.raw))}
	if x.source.lineEnd != "\r\n" {
		x.source.lineEnd = "\n"
	}
	x.index = map[anchorKey]int{}
	for rows := 1; ; rows++ {
		if rows%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return a.named(err)
		}
		if !more {
			break
		}
		if anchor, typ := x.layout.identify(r); typ >= 0 {
			key := keyOf(anchor)
			if _, found := x.index[key]; found {
				typ = ambiguous
			}
			x.index[key] = typ
			if x.layout.dnColumn >= 0 {
				name, anchor := nameKey(r.value(x.layout.dnColumn)), strings.Clone(anchor)
				if _, taken := x.names[name]; taken {
					anchor = ""
				}
				x.names[name] = anchor
			}
		}
	}
	x.source.bom, x.source.digest = s.bom, s.digest
	return nil
}

// identify returns the anchor and the type of a row, -1 if it is not a row that
// an import would take for an object.
func (l *layout) identify(r *row) (anchor string, typ int) {
	if len(r.cells) != len(l.names) {
		return "", -1
	}
	if l.typeColumn >= 0 {
		i, found := l.byType[r.value(l.typeColumn)]
		if !found {
			return "", -1
		}
		typ = i
	}
	var room [4]string
	parts := room[:0]
	for _, column := range l.types[typ].anchor {
		text := r.value(column)
		if text == "" {
			return "", -1
		}
		parts = append(parts, text)
	}
	return identity.JoinAnchor(parts...), typ
}

// find returns the object with this anchor as it is after the changes so far,
// nil if there is none.
func (x *fileExport) find(anchor string) (*object, *fault.Error) {
	if o, found := x.current[anchor]; found {
		if o.gone || o.anchor != anchor {
			return nil, nil
		}
		return o, nil
	}
	typ, found := x.index[keyOf(anchor)]
	switch {
	case !found:
		return nil, nil
	case typ == ambiguous:
		return nil, fault.New("ambiguous-update", "several rows have this anchor")
	}
	anchor = strings.Clone(anchor)
	return &object{origin: anchor, anchor: anchor, typ: typ}, nil
}

// keep notes that a change has touched an object.
func (x *fileExport) keep(o *object) {
	x.current[o.anchor] = o
	if o.origin != "" {
		x.rows[o.origin] = o
	}
}

func (x *fileExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if x.closed {
		return nil, x.agent.fileFault("stopped-export-write", fs.ErrClosed)
	}
	results := make([]agent.Result, len(changes))
	for i := range changes {
		anchor, err := x.put(&changes[i])
		if err != nil {
			err.Agent, err.Object = x.agent.name, changes[i].DN
			results[i].Err = err
			continue
		}
		if results[i].Anchor = anchor; x.layout.dnColumn < 0 {
			results[i].DN = anchor
		}
	}
	if x.spill.Err() != nil {
		return nil, x.agent.disk().WriteFault(x.spill.Err())
	}
	return results, nil
}

// put takes in one change and returns the anchor that the object then has.
func (x *fileExport) put(c *agent.Change) (string, *fault.Error) {
	typ, found := x.layout.byType[c.ObjectType]
	if !found {
		return "", fault.New("no-export-to-this-object-type", "there is no object type %q", c.ObjectType)
	}
	delta, err := x.check(&x.layout.types[typ], c)
	if err != nil {
		return "", err
	}
	switch c.Op {
	case identity.Add:
		return x.add(c, typ, delta)
	case identity.Replace:
		x.clearOthers(&x.layout.types[typ], delta)
		return x.update(c, typ, delta)
	case identity.Update:
		return x.update(c, typ, delta)
	case identity.Delete:
		return "", x.delete(c, typ)
	}
	return "", fault.New("unexpected-error", "a change cannot be of kind %q", c.Op)
}

// check returns the changes of all attributes but those of the anchor, copied,
// or what is wrong with them.
func (x *fileExport) check(t *typeLayout, c *agent.Change) (*identity.Delta, *fault.Error) {
	delta := &identity.Delta{Op: identity.Update}
	for i := range c.Changes {
		change := c.Changes[i]
		column := t.column(change.Name)
		if column == nil {
			err := fault.New("schema-violation", "there is no such column")
			err.Attribute = change.Name
			return nil, err
		}
		if err := column.check(&change); err != nil {
			return nil, err
		}
		if column.anchor {
			continue
		}
		change.Values = identity.Normalize(slices.Clone(change.Values))
		change.Removed = identity.Normalize(slices.Clone(change.Removed))
		delta.SetChange(change)
	}
	return delta, nil
}

// clearOthers completes the changes of a whole object: what they do not name shall
// have no value.
func (x *fileExport) clearOthers(t *typeLayout, delta *identity.Delta) {
	for i := range t.columns {
		c := &t.columns[i]
		if !c.anchor && findChange(delta.Changes, c.name) == nil {
			delta.SetChange(identity.Change{Name: c.name, Op: identity.Delete})
		}
	}
	for i := range delta.Changes {
		if delta.Changes[i].Op == identity.Add {
			delta.Changes[i].Op = identity.Replace
		}
	}
}

func (x *fileExport) add(c *agent.Change, typ int, delta *identity.Delta) (string, *fault.Error) {
	anchor, err := x.newAnchor(&x.layout.types[typ], c)
	if err != nil {
		return "", err
	}
	o, err := x.find(anchor)
	switch {
	case err != nil:
		return "", err
	case o != nil && (!c.Repeated || o.typ != typ):
		return "", fault.New("cd-existing-object", "there is a row %q already", anchor)
	case o != nil:
		if err := x.rename(o, c.DN, c.DN, true); err != nil {
			return "", err
		}
		o.delta = x.pack(x.unpack(o.delta).Merge(delta))
		x.keep(o)
		return anchor, nil
	}
	delta.Op, delta.ObjectType = identity.Add, c.ObjectType
	o = &object{anchor: strings.Clone(anchor), typ: typ, delta: x.pack(delta)}
	if err := x.rename(o, "", c.DN, c.Repeated); err != nil {
		return "", err
	}
	x.added = append(x.added, o)
	x.keep(o)
	return anchor, nil
}

func (x *fileExport) update(c *agent.Change, typ int, delta *identity.Delta) (string, *fault.Error) {
	o, err := x.known(c, typ)
	if err == nil && c.Repeated && c.NewDN != "" && x.layout.dnColumn < 0 && (o == nil || c.NamePassed) {
		var arrived *object
		if arrived, err = x.find(c.NewDN); arrived != nil {
			o = arrived
		}
	}
	if err != nil {
		return "", err
	}
	if o == nil || o.typ != typ {
		return "", fault.New("cd-missing-object", "there is no row %q", nameOf(c))
	}
	target := o.anchor
	if c.NewDN != "" && x.layout.dnColumn < 0 {
		target = c.NewDN
	}
	if err := x.checkAnchor(&x.layout.types[typ], c, target); err != nil {
		return "", err
	}
	if target != o.anchor {
		if taken, err := x.find(target); err != nil || taken != nil {
			return "", fault.New("rename-to-existing-dn", "there is a row %q already", target)
		}
		x.current[o.anchor] = &object{anchor: o.anchor, gone: true}
		o.anchor = strings.Clone(target)
	}
	if c.NewDN != "" {
		if err := x.rename(o, x.nameOf(o, c), c.NewDN, c.Repeated); err != nil {
			return "", err
		}
	}
	o.delta = x.pack(x.unpack(o.delta).Merge(delta))
	x.keep(o)
	return o.anchor, nil
}

func (x *fileExport) delete(c *agent.Change, typ int) *fault.Error {
	o, err := x.known(c, typ)
	switch {
	case err != nil:
		return err
	case o == nil && c.Repeated:
		return nil
	case o == nil:
		return fault.New("cd-missing-object", "there is no row %q", nameOf(c))
	}
	o.gone = true
	if x.layout.dnColumn >= 0 {
		x.forget(x.nameOf(o, c))
	}
	x.keep(o)
	return nil
}

// nameOf returns the DN that an object has before a change.
func (x *fileExport) nameOf(o *object, c *agent.Change) string {
	if o.dn != "" {
		return o.dn
	}
	return c.DN
}

// known returns the object that a change means, nil if it is not in the file
// under that type.
func (x *fileExport) known(c *agent.Change, typ int) (*object, *fault.Error) {
	anchor := nameOf(c)
	if c.Anchor == "" && x.layout.dnColumn >= 0 {
		var found bool
		if anchor, found = x.names[nameKey(c.DN)]; found && anchor == "" {
			return nil, fault.New("ambiguous-update", "several rows have this name")
		}
	}
	o, err := x.find(anchor)
	if o != nil && o.typ != typ {
		return nil, nil
	}
	return o, err
}

func nameOf(c *agent.Change) string {
	if c.Anchor != "" {
		return c.Anchor
	}
	return c.DN
}

// newAnchor returns the anchor of an object to be added: what its anchor
// attributes say, completed from its name.
func (x *fileExport) newAnchor(t *typeLayout, c *agent.Change) (string, *fault.Error) {
	parts := make([]string, len(t.anchor))
	given := nameOf(c)
	if x.layout.dnColumn >= 0 {
		given = c.Anchor
	}
	named, _ := identity.SplitAnchor(given, len(t.anchor))
	for i, name := range t.schema.Anchor {
		change := findChange(c.Changes, name)
		switch {
		case change != nil && len(change.Values) > 0:
			parts[i] = change.Values[0].Text()
		case len(named) == len(parts) && given != "":
			parts[i] = named[i]
		default:
			return "", t.column(name).fault("missing-anchor-component", "the object has no value for it")
		}
	}
	anchor := identity.JoinAnchor(parts...)
	for i, given := range []string{c.Anchor, c.DN} {
		if given != "" && given != anchor && (i == 0 || x.layout.dnColumn < 0) {
			return "", fault.New("modify-naming-attribute", "the name is %q, but the anchor columns say %q", given, anchor)
		}
	}
	return anchor, x.checkAnchor(t, c, anchor)
}

// checkAnchor checks that an anchor can be written, and that the changes of
// anchor attributes lead to it: only a new name changes them.
func (x *fileExport) checkAnchor(t *typeLayout, c *agent.Change, anchor string) *fault.Error {
	parts, ok := identity.SplitAnchor(anchor, len(t.anchor))
	if !ok {
		return fault.New("missing-anchor-component", "%q does not consist of %d parts", anchor, len(t.anchor))
	}
	for i, name := range t.schema.Anchor {
		column := t.column(name)
		if parts[i] == "" {
			return column.fault("missing-anchor-component", "the name has no value for it")
		}
		if name, reason := textProblem(parts[i]); name != "" {
			return column.fault(name, "%s", reason)
		}
		if _, err := identity.ParseValue(column.typ, parts[i]); err != nil {
			return column.fault("invalid-attribute-value", "%s", err)
		}
		change := findChange(c.Changes, name)
		if change == nil {
			continue
		}
		if len(change.Values) != 1 || change.Values[0].Text() != parts[i] {
			return column.fault("modify-naming-attribute", "an anchor column changes only with the name of the object")
		}
	}
	return nil
}

func findChange(changes []identity.Change, name string) *identity.Change {
	i := slices.IndexFunc(changes, func(c identity.Change) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &changes[i]
}

func (x *fileExport) Close(ctx context.Context, outcome agent.Outcome) error {
	if x.closed {
		return nil
	}
	x.closed = true
	defer x.spill.Close()
	live := slices.DeleteFunc(x.added, func(o *object) bool { return o.gone })
	if outcome != agent.Completed || len(x.rows) == 0 && len(live) == 0 {
		return nil
	}
	x.added = live
	return x.write(ctx)
}
