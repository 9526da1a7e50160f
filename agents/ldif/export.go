package ldif

import (
	"context"
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

// OpenExport implements agent.Exporter: it reads the file to know which entries there
// are, and checks that it could write a new one beside it. A file that import could
// not read is not written to either.
func (a *ldifAgent) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a.changes != "" {
		err := a.misconfigured("the changes of %s are laid over the file: nothing can be exported to it", a.changes)
		err.Hint = "set export: off"
		return nil, err
	}
	x := &fileExport{agent: a, ids: map[nameKey]int{}, names: map[nameKey]nameKey{}, current: map[nameKey]*object{}, origins: map[nameKey]*object{}}
	f, err := a.open(a.file)
	switch {
	case !req.Seen && a.mayBeAbsent(err):
		err = nil
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

// ambiguous is the type of an anchor that several entries have.
const ambiguous = -1

// A fileExport gathers changes; Close writes them. What it keeps of the file is about
// 100 bytes for each entry; changes are kept in a file when they are many.
type fileExport struct {
	agent  *ldifAgent
	source source
	ids    map[nameKey]int     // the type of the entry with this anchor
	names  map[nameKey]nameKey // the anchor of the entry with this name; the zero key of one that is no object
	closed bool

	// The objects that changes have touched, by their anchors: as they are now, and as
	// they are in the file.
	current map[nameKey]*object
	origins map[nameKey]*object
	added   []*object

	spill spill.Spill // deltas
}

// An object is what the changes so far make of an object.
type object struct {
	origin nameKey // the anchor in the file, zero for a new object
	id     nameKey
	anchor string
	dn     string // the name it shall have, "" for the one it has
	name   nameKey
	typ    int
	gone   bool
	delta  spill.Span
}

// readIndex reads the whole file.
func (x *fileExport) readIndex(ctx context.Context, f *os.File) error {
	a := x.agent
	info, err := f.Stat()
	if err != nil {
		return a.openFault(a.file, err)
	}
	s, r := newScanner(a.file, f), new(record)
	x.source = source{info: info, lineEnd: "\n"}
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return a.named(a.file, err)
		}
		if n == 1 && strings.Contains(string(r.raw), "\r\n") {
			x.source.lineEnd = "\r\n"
		}
		if !more {
			break
		}
		if err := s.onlyAttributes(r.lines); err != nil {
			return a.named(a.file, err)
		}
		dn, id, _, typ := a.identify(r)
		if dn == nil {
			continue
		}
		if typ >= 0 {
			if _, twice := x.ids[id]; twice {
				typ = ambiguous
			}
			x.ids[id] = typ
		}
		name := keyOf(dn)
		if other, twice := x.names[name]; twice && other != id {
			id = nameKey{}
		}
		x.names[name] = id
	}
	x.source.digest = s.digest
	return a.checkEmpty(s)
}

// identify returns the name, the anchor and the type of a record; the type is -1 if an
// import would not take it for an object.
func (a *ldifAgent) identify(r *record) (dn identity.DN, id nameKey, anchor string, typ int) {
	dn, err := identity.ParseDN(r.lines[0].value)
	if err != nil || len(dn) == 0 {
		return nil, id, "", -1
	}
	if typ, _ = a.typeOf(r.lines); typ < 0 {
		return dn, id, "", -1
	}
	anchor, failed := a.anchorOf(a.types[typ], dn, r.lines)
	if failed != nil {
		return dn, id, "", -1
	}
	return dn, a.idOf(anchor), anchor, typ
}

// idOf returns the key of an anchor. That of a name is the same in any spelling.
func (a *ldifAgent) idOf(anchor string) nameKey {
	if !a.anchored {
		return keyOfText(foldName(anchor))
	}
	return keyOfText(anchor)
}

// find returns the object with this anchor as it is after the changes so far, nil if
// there is none.
func (x *fileExport) find(id nameKey) (*object, *fault.Error) {
	if o, found := x.current[id]; found {
		if o.gone || o.id != id {
			return nil, nil
		}
		return o, nil
	}
	typ, found := x.ids[id]
	switch {
	case !found:
		return nil, nil
	case typ == ambiguous:
		return nil, fault.New("ambiguous-update", "several entries are this object")
	}
	return &object{origin: id, id: id, typ: typ}, nil
}

// keep notes that a change has touched an object.
func (x *fileExport) keep(o *object) {
	x.current[o.id] = o
	if o.origin != (nameKey{}) {
		x.origins[o.origin] = o
	}
}

func (x *fileExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if x.closed {
		return nil, x.agent.fileFault(x.agent.file, "stopped-export-write", fs.ErrClosed)
	}
	results := make([]agent.Result, len(changes))
	for i := range changes {
		o, err := x.put(&changes[i])
		switch {
		case err != nil:
			err.Agent, err.Object = x.agent.name, changes[i].DN
			results[i].Err = err
		case o != nil:
			results[i].Anchor = o.anchor
			if !x.agent.anchored {
				results[i].DN = o.anchor
			}
		}
	}
	if err := x.spill.Err(); err != nil {
		return nil, x.disk().WriteFault(err)
	}
	return results, nil
}

// put takes in one change and returns the object, nil if there is none any more.
func (x *fileExport) put(c *agent.Change) (*object, *fault.Error) {
	typ := x.agent.typeNamed(c.ObjectType)
	if typ < 0 {
		return nil, fault.New("no-export-to-this-object-type", "there is no object type %q", c.ObjectType)
	}
	t := x.agent.types[typ]
	delta, err := t.check(c)
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case identity.Add:
		return x.add(c, typ, delta)
	case identity.Replace:
		t.clearOthers(delta)
		return x.update(c, typ, delta)
	case identity.Update:
		return x.update(c, typ, delta)
	case identity.Delete:
		return nil, x.delete(c, typ)
	}
	return nil, fault.New("unexpected-error", "a change cannot be of kind %q", c.Op)
}

// check returns the changes of all attributes but those of the anchor, copied, or what
// is wrong with them.
func (t *objectType) check(c *agent.Change) (*identity.Delta, *fault.Error) {
	delta := &identity.Delta{Op: identity.Update}
	for i := range c.Changes {
		change := c.Changes[i]
		x := t.named(change.Name)
		if x == nil {
			return nil, attributeFault("schema-violation", change.Name, "an entry of this type has no such attribute")
		}
		if err := x.check(&change); err != nil {
			return nil, err
		}
		if x.anchor {
			continue
		}
		change.Name = x.Name
		change.Values = identity.Normalize(slices.Clone(change.Values))
		change.Removed = identity.Normalize(slices.Clone(change.Removed))
		delta.SetChange(change)
	}
	return delta, nil
}

// named returns the attribute with exactly this name.
func (t *objectType) named(name string) *attribute {
	if i, found := t.byDesc[name]; found && t.attributes[i].Name == name {
		return &t.attributes[i]
	}
	return nil
}

// check says why a change of an attribute cannot be carried out.
func (x *attribute) check(change *identity.Change) *fault.Error {
	switch {
	case !x.Multi && len(change.Values) > 1:
		return attributeFault("constraint-violation", x.Name, "%d values for an attribute that holds one", len(change.Values))
	case x.ImportOnly:
		return attributeFault("constraint-violation", x.Name, "the attribute cannot be written")
	}
	for _, v := range change.Values {
		switch {
		case v.Type() != x.Type:
			return attributeFault("type-mismatch", x.Name, "a value of type %s in an attribute of type %s", v.Type(), x.Type)
		case v.Ref() != 0:
			return attributeFault("dn-attributes-failure", x.Name, "the reference has no name")
		}
	}
	return nil
}

func attributeFault(name, attribute, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Attribute = attribute
	return err
}

// clearOthers completes the changes of a whole object: what they do not name shall have
// no value.
func (t *objectType) clearOthers(delta *identity.Delta) {
	for i := range delta.Changes {
		if delta.Changes[i].Op == identity.Add {
			delta.Changes[i].Op = identity.Replace
		}
	}
	for i := range t.attributes {
		x := &t.attributes[i]
		if !x.anchor && !x.ImportOnly && x.Name != objectClass && delta.Change(x.Name) == nil {
			delta.SetChange(identity.Change{Name: x.Name, Op: identity.Delete})
		}
	}
}

func (x *fileExport) add(c *agent.Change, typ int, delta *identity.Delta) (*object, *fault.Error) {
	dn, err := nameOf(c.DN)
	if err != nil {
		return nil, err
	}
	anchor, err := x.agent.newAnchor(x.agent.types[typ], c, dn)
	if err != nil {
		return nil, err
	}
	id := x.agent.idOf(anchor)
	o, err := x.find(id)
	switch {
	case err != nil:
		return nil, err
	case o != nil && (!c.Repeated || o.typ != typ):
		return nil, fault.New("cd-existing-object", "there is an entry %q already", anchor)
	case o == nil:
		if _, taken := x.names[keyOf(dn)]; taken && !(c.Repeated && x.agent.anchored) {
			return nil, fault.New("cd-existing-object", "there is an entry %q already", c.DN)
		}
		o = &object{id: id, typ: typ, delta: x.pack(typ, delta), anchor: strings.Clone(anchor)}
		x.added = append(x.added, o)
	default:
		o.delta = x.pack(typ, x.unpack(o).Merge(delta))
		o.anchor = strings.Clone(anchor)
		if !x.agent.anchored {
			x.keep(o)
			return o, nil
		}
	}
	o.dn, o.name = dn.String(), keyOf(dn)
	x.names[o.name] = id
	x.keep(o)
	return o, nil
}

// nameOf reads the name of an entry.
func nameOf(dn string) (identity.DN, *fault.Error) {
	parsed, err := identity.ParseDN(dn)
	if err != nil || len(parsed) == 0 {
		return nil, fault.New("invalid-dn", "%.200q is not the name of an entry", dn)
	}
	return parsed, nil
}

// newAnchor returns the anchor of an object to be added: what its anchor attributes
// say, or its name.
func (a *ldifAgent) newAnchor(t *objectType, c *agent.Change, dn identity.DN) (string, *fault.Error) {
	if !a.anchored {
		return dn.String(), nil
	}
	given, _ := identity.SplitAnchor(c.Anchor, len(t.anchor))
	parts := make([]string, len(t.anchor))
	for i, at := range t.anchor {
		name := t.attributes[at].Name
		j := slices.IndexFunc(c.Changes, func(change identity.Change) bool { return change.Name == name })
		switch {
		case j >= 0 && len(c.Changes[j].Values) == 1:
			parts[i] = textOf(c.Changes[j].Values[0])
		case len(given) == len(parts):
			parts[i] = given[i]
		}
		if parts[i] == "" {
			return "", attributeFault("missing-anchor-component", name, "the object has no value for it")
		}
	}
	return identity.JoinAnchor(parts...), nil
}

// checkAnchor refuses changes of anchor attributes.
func (a *ldifAgent) checkAnchor(t *objectType, c *agent.Change) *fault.Error {
	if !a.anchored || c.Anchor == "" {
		return nil
	}
	parts, _ := identity.SplitAnchor(c.Anchor, len(t.anchor))
	for i, at := range t.anchor {
		for _, change := range c.Changes {
			if change.Name == t.attributes[at].Name && (len(change.Values) != 1 || textOf(change.Values[0]) != parts[i]) {
				return attributeFault("modify-naming-attribute", change.Name, "an attribute of the anchor never changes")
			}
		}
	}
	return nil
}

func (x *fileExport) update(c *agent.Change, typ int, delta *identity.Delta) (*object, *fault.Error) {
	o, err := x.known(c, typ)
	if err != nil {
		return nil, err
	}
	t := x.agent.types[typ]
	var to identity.DN
	if c.NewDN != "" {
		if to, err = nameOf(c.NewDN); err != nil {
			return nil, err
		}
		if c.Repeated && !x.agent.anchored && (o == nil || c.NamePassed) {
			arrived, err := x.find(keyOf(to))
			if err != nil {
				return nil, err
			}
			if arrived != nil {
				o = arrived
			}
		}
	}
	if o == nil || o.typ != typ {
		return nil, fault.New("cd-missing-object", "there is no entry %q", anchorText(c))
	}
	if err := x.agent.checkAnchor(t, c); err != nil {
		return nil, err
	}
	switch {
	case x.agent.anchored && c.Anchor != "":
		o.anchor = c.Anchor
	case x.agent.anchored && o.anchor == "":
		o.anchor, _ = x.agent.newAnchor(t, c, nil) // what it does not say is not known
	case !x.agent.anchored && o.dn != "":
		o.anchor = o.dn
	case !x.agent.anchored:
		o.anchor = canonical(c.DN)
	}
	if to != nil {
		if err := x.rename(o, c, to); err != nil {
			return nil, err
		}
	}
	o.anchor = strings.Clone(o.anchor)
	o.delta = x.pack(typ, x.unpack(o).Merge(delta))
	x.keep(o)
	return o, nil
}

// rename gives an object another name.
func (x *fileExport) rename(o *object, c *agent.Change, to identity.DN) *fault.Error {
	from := o.name
	if from == (nameKey{}) {
		from = keyOfText(foldName(c.DN))
	}
	key := keyOf(to)
	if owner, taken := x.names[key]; taken && key != from && owner != o.id {
		return fault.New("rename-to-existing-dn", "there is an entry %q already", c.NewDN)
	}
	if x.names[from] == o.id {
		delete(x.names, from)
	}
	if !x.agent.anchored {
		if o.id != key {
			x.current[o.id] = &object{id: o.id, gone: true}
		}
		o.id, o.anchor = key, to.String()
	}
	x.names[key] = o.id
	o.dn, o.name = to.String(), key
	return nil
}

func (x *fileExport) delete(c *agent.Change, typ int) *fault.Error {
	o, err := x.known(c, typ)
	switch {
	case err != nil:
		return err
	case o == nil && c.Repeated:
		return nil
	case o == nil:
		return fault.New("cd-missing-object", "there is no entry %q", anchorText(c))
	}
	name := o.name
	if name == (nameKey{}) {
		name = keyOfText(foldName(c.DN))
	}
	if x.names[name] == o.id {
		delete(x.names, name)
	}
	o.gone = true
	x.keep(o)
	return nil
}

// known returns the object that a change means, nil if it is not in the file under that
// type.
func (x *fileExport) known(c *agent.Change, typ int) (*object, *fault.Error) {
	id := x.agent.idOf(anchorText(c))
	if c.Anchor == "" && x.agent.anchored {
		var found bool
		if id, found = x.names[keyOfText(foldName(c.DN))]; found && id == (nameKey{}) {
			return nil, fault.New("ambiguous-update", "the entry of this name is no object of an import, or there are several")
		}
	}
	o, err := x.find(id)
	if o != nil && o.typ != typ {
		return nil, nil
	}
	return o, err
}

func anchorText(c *agent.Change) string {
	if c.Anchor != "" {
		return c.Anchor
	}
	return c.DN
}

func (x *fileExport) pack(typ int, d *identity.Delta) spill.Span {
	e := identity.Encoder{Names: x.agent.types[typ]}
	e.Delta(d)
	return x.spill.Add(e.Buf)
}

// unpack returns what changes so far make of the attributes of an object.
func (x *fileExport) unpack(o *object) *identity.Delta {
	if o.delta.IsZero() {
		return nil
	}
	d := identity.NewDecoder(x.spill.Get(o.delta), x.agent.types[o.typ])
	return d.Delta()
}

// Code implements identity.Names for the attributes of the type.
func (t *objectType) Code(name string) uint64 { return uint64(t.byDesc[name]) }

// Name implements identity.Names.
func (t *objectType) Name(code uint64) (string, bool) {
	if code >= uint64(len(t.attributes)) {
		return "", false
	}
	return t.attributes[code].Name, true
}

func (x *fileExport) Close(ctx context.Context, outcome agent.Outcome) error {
	if x.closed {
		return nil
	}
	x.closed = true
	defer x.spill.Close()
	x.added = slices.DeleteFunc(x.added, func(o *object) bool { return o.gone })
	if outcome != agent.Completed || len(x.origins) == 0 && len(x.added) == 0 {
		return nil
	}
	return x.write(ctx)
}
