package run

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/engine/sync"
)

// The objects behind the counters of a run (sync-engine §2.5) are kept beside its
// record, in pages. A page holds a table of names, then the objects:
//
//	version, names, objects, each: flags, id, [dn, [anchor], type], [operation, new dn, changes...]
//
// It is written by the record codec, so nothing is formatted while a step runs,
// and many pages go to the store in one transaction.
const bucketDetails store.Bucket = "details" // run, step, group, agent, counter, page: objects

const (
	detailsVersion  = 1
	detailsPage     = 1000 // objects in a page, at most
	detailsPageSize = 256 << 10
	detailsBatch    = 1 << 20 // bytes that wait for the store
	detailsLimit    = 100_000

	maxDetailValues = 20  // of one attribute
	maxDetailText   = 256 // bytes of one value
)

// DetailOptions say what is kept of the objects behind counters.
type DetailOptions struct {
	Off   bool
	Limit int // objects for each counter of a step; 0 is 100,000

	// Watched says of which counters no object may be missing, because something is
	// done about each: all of them are kept, whatever Off and Limit say, before what
	// happened is committed. A step that cannot keep them stops. It costs the history
	// a transaction for each of the step that counted such objects. nil watches none.
	Watched func(agent, counter string) bool
}

// A CounterGroup is a group of counters of a step.
type CounterGroup string

// The groups whose counters lead to objects.
const (
	StagingCounters  CounterGroup = "staging"
	InboundCounters  CounterGroup = "inbound"
	OutboundCounters CounterGroup = "outbound"
	ExportCounters   CounterGroup = "export"
)

// DetailedCounters returns the counters of a group of which the objects are kept.
func DetailedCounters(group CounterGroup) []string {
	switch group {
	case StagingCounters:
		return []string{stageAdd, stageUpdate, stageRename, stageDelete, stageDeleteAdd, stageFailure}
	case ExportCounters:
		return []string{exportAdd, exportUpdate, exportRename, exportDelete, exportDeleteAdd, exportFailure}
	case InboundCounters:
		return names(sync.InboundCounters)
	case OutboundCounters:
		return names(sync.OutboundCounters)
	}
	return nil
}

// BareCounters lists the counters that lead to no objects (sync-engine §2.5): those
// of objects with which nothing happened, or that were never kept.
var BareCounters = []string{stageNoChange, string(sync.DisconnectorRemains), filteredDeletions, "filtered-objects"}

func names(counters []sync.Counter) []string {
	out := make([]string, 0, len(counters))
	for _, c := range counters {
		if c != sync.DisconnectorRemains {
			out = append(out, string(c))
		}
	}
	return out
}

// details gathers the objects behind the counters of one step. A nil *details
// keeps nothing.
type details struct {
	history *History
	log     *slog.Logger
	env     *Environment
	agent   string
	run     uint64
	step    int
	limit   int
	pages   map[detailKey]*detailPage
	ready   []readyPage
	size    int
	failed  error // the history cannot be written: nothing more is kept
	urgent  bool  // there is something for secure

	// The object that is being staged; see on.
	subject sync.Subject
	staged  *space.Connector
}

type detailKey struct {
	group          CounterGroup
	agent, counter string
}

type detailPage struct {
	encoder identity.Encoder
	names   pageNames
	number  uint32
	objects int // in this page
	total   int // in this and all before
	watched bool
}

type readyPage struct{ key, value []byte }

func (s *step) newDetails(run uint64, number int) *details {
	if s.env.Details.Off && s.env.Details.Watched == nil {
		return nil
	}
	limit := s.env.Details.Limit
	if limit <= 0 {
		limit = detailsLimit
	}
	return &details{
		history: s.history, log: s.log, env: s.env, agent: s.agent.Name, run: run, step: number, limit: limit,
		pages: map[detailKey]*detailPage{},
	}
}

// on says which object is being staged. It may change until it is counted; what
// it is called is what it is called now.
func (d *details) on(c *space.Connector) {
	if d != nil {
		d.staged = c
		d.subject = sync.Subject{ID: c.ID, DN: c.DN, Anchor: c.Anchor, ObjectType: c.ObjectType}
	}
}

// stagedEntry counts the object that on has named.
func (d *details) stagedEntry(counter string, e *agent.Entry) {
	if d == nil || counter == stageNoChange {
		return
	}
	if counter == stageFailure {
		d.add(StagingCounters, d.agent, counter, &sync.Subject{DN: e.DN, Anchor: e.Anchor, ObjectType: e.ObjectType}, nil, nil)
		return
	}
	if d.subject.Anchor == "" {
		d.subject.Anchor = e.Anchor
	}
	d.add(StagingCounters, d.agent, counter, &d.subject, d.staged.Import, d.staged.Synchronized)
}

// obsolete counts an object that a complete import did not deliver.
func (d *details) obsolete(c *space.Connector) {
	if d != nil {
		d.on(c)
		d.add(StagingCounters, d.agent, stageDelete, &d.subject, nil, nil)
	}
}

// inbound counts an object in the inbound counter of its synchronization.
func (d *details) inbound(r *sync.Result) {
	if d != nil && r.Inbound != sync.DisconnectorRemains {
		d.add(InboundCounters, d.agent, string(r.Inbound), &r.Subject, r.Subject.Import, r.Subject.Synchronized)
	}
}

// outbound counts connectors in outbound counters.
func (d *details) outbound(counts []sync.Outbound) {
	if d == nil {
		return
	}
	for i := range counts {
		c := counts[i].Connector
		subject := sync.Subject{ID: c.ID, DN: c.DN, Anchor: c.Anchor, ObjectType: c.ObjectType}
		var base identity.Attributes
		if c.Unapplied != nil && c.Unapplied.Op == identity.Update {
			base = c.ExportedImage()
		}
		d.add(OutboundCounters, counts[i].Agent, string(counts[i].Counter), &subject, c.Unapplied, base)
	}
}

// exported counts an object that was sent.
func (d *details) exported(counter string, o *outgoing, delta *identity.Delta) {
	if d != nil {
		subject := sync.Subject{ID: o.id, DN: o.dn, Anchor: o.anchor, ObjectType: o.objectType}
		d.add(ExportCounters, d.agent, counter, &subject, delta, nil)
	}
}

// exportedLine counts a line of a file that was sent, or could not be, and of which
// the connector space knows nothing.
func (d *details) exportedLine(counter string, c *agent.Change) {
	if d != nil {
		subject := sync.Subject{DN: c.DN, Anchor: c.Anchor, ObjectType: c.ObjectType}
		d.add(ExportCounters, d.agent, counter, &subject, nil, nil)
	}
}

// exportFailed counts an object that could not be sent.
func (d *details) exportFailed(c *space.Connector, delta *identity.Delta) {
	if d != nil {
		subject := sync.Subject{ID: c.ID, DN: c.DN, Anchor: c.Anchor, ObjectType: c.ObjectType}
		d.add(ExportCounters, d.agent, exportFailure, &subject, delta, nil)
	}
}

// Flags in front of an object.
const (
	detailNamed      = 1 << iota // dn, anchor and type follow; else the object still tells them
	detailAnchorIsDN             // the anchor is left out
	detailDelta                  // a delta follows
)

func (d *details) add(group CounterGroup, agentName, counter string, s *sync.Subject, delta *identity.Delta, base identity.Attributes) {
	key := detailKey{group, agentName, counter}
	p := d.pages[key]
	if p == nil {
		watched := d.env.Details.Watched
		p = &detailPage{watched: watched != nil && watched(agentName, counter)}
		p.encoder.Names = &p.names
		d.pages[key] = p
	}
	if p.watched {
		d.urgent = true
	} else if d.env.Details.Off || p.total >= d.limit {
		return
	}
	if d.failed != nil {
		return
	}
	p.total++
	p.objects++
	e := &p.encoder
	var flags byte = detailNamed
	switch {
	case counter == string(sync.ConnectorNoFlow):
		flags, delta = 0, nil // the many with which nothing happens take a few bytes
	case s.Anchor == s.DN:
		flags |= detailAnchorIsDN
	}
	if !delta.IsZero() {
		flags |= detailDelta
	}
	e.Byte(flags)
	e.ID(s.ID)
	if flags&detailNamed != 0 {
		e.Text(s.DN)
		if flags&detailAnchorIsDN == 0 {
			e.Text(s.Anchor)
		}
		e.Name(s.ObjectType)
	}
	if flags&detailDelta != 0 {
		d.delta(e, agentName, s.ObjectType, delta, base)
	}
	if p.objects == detailsPage || len(e.Buf) > detailsPageSize {
		d.finish(key, p)
		if d.size > detailsBatch {
			d.write()
		}
	}
}

// delta encodes what happens to an object. Of a whole object only the names of
// its attributes are kept: their values are where the object is.
func (d *details) delta(e *identity.Encoder, agentName, objectType string, delta *identity.Delta, base identity.Attributes) {
	e.Byte(byte(delta.Op))
	e.Text(delta.DN)
	e.Uint(uint64(len(delta.Changes)))
	whole := delta.Op == identity.Add || delta.Op == identity.DeleteAdd
	for i := range delta.Changes {
		c := &delta.Changes[i]
		e.Name(c.Name)
		e.Byte(byte(c.Op))
		if whole || d.env.Secret(agentName, objectType, c.Name) {
			e.Values(nil)
			e.Values(nil)
			continue
		}
		removed := c.Removed
		if c.Op == identity.Replace || c.Op == identity.Delete {
			removed = base.Get(c.Name)
		}
		e.Values(d.clip(c.Values))
		e.Values(d.clip(removed))
	}
}

// Secret reports whether the values of an attribute must not be kept or shown:
// those that cannot be read back from their system, such as passwords.
func (env *Environment) Secret(agentName, objectType, attribute string) bool {
	a := env.Agents[agentName]
	if a == nil {
		return false
	}
	t := a.Schema.Type(objectType)
	if t == nil {
		return false
	}
	known := t.Attribute(attribute)
	return known != nil && known.ExportOnly
}

// clip returns values without secrets, and not more of them than one wants to
// read.
func (d *details) clip(values []identity.Value) []identity.Value {
	clipped := values
	if len(values) > maxDetailValues {
		clipped = slices.Clone(values[:maxDetailValues])
		clipped = append(clipped, identity.String(fmt.Sprintf("... and %d more", len(values)-maxDetailValues)))
	}
	for i, v := range clipped {
		if v.Type() != identity.TypeString && v.Type() != identity.TypeBinary {
			continue
		}
		text := v.Str()
		if v.Type() == identity.TypeString && d.env.Redact != nil {
			text = d.env.Redact(text)
		}
		if len(text) > maxDetailText {
			if v.Type() == identity.TypeBinary {
				text = fmt.Sprintf("%d bytes", len(text))
			} else {
				text = cut(text, maxDetailText) + "..."
			}
		}
		if text != v.Str() {
			if len(clipped) == len(values) && &clipped[0] == &values[0] {
				clipped = slices.Clone(values)
			}
			clipped[i] = identity.String(text)
		}
	}
	return clipped
}

// cut returns at most n bytes of a text, without half a character.
func cut(text string, n int) string {
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n]
}

// finish closes a page.
func (d *details) finish(key detailKey, p *detailPage) {
	header := identity.Encoder{Buf: make([]byte, 0, len(p.encoder.Buf)+64)}
	header.Byte(detailsVersion)
	header.Uint(uint64(len(p.names.names)))
	for _, name := range p.names.names {
		header.Text(name)
	}
	header.Uint(uint64(p.objects))
	page := readyPage{
		key:   binary.BigEndian.AppendUint32(detailPrefix(d.run, d.step, key), p.number),
		value: append(header.Buf, p.encoder.Buf...),
	}
	d.ready = append(d.ready, page)
	d.size += len(page.value)
	p.encoder.Buf, p.objects = p.encoder.Buf[:0], 0
	p.number++
	p.names.reset()
}

// write brings the pages that are ready into the store. A run does not fail
// because its details cannot be kept.
func (d *details) write() {
	err := d.history.store.Update(func(tx store.Tx) error {
		for _, page := range d.ready {
			if err := tx.Put(bucketDetails, page.key, page.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.failed = err
		d.log.Error("the objects behind counters cannot be kept", "err", err)
	}
	d.ready, d.size = d.ready[:0], 0
}

// secure brings the objects of watched counters into the store. It is called before
// what happened to them is committed, so that after a crash none is missing; one may
// be there of which nothing was committed. The error stops the step.
func (d *details) secure() error {
	if d == nil || !d.urgent {
		return nil
	}
	d.urgent = false
	for key, p := range d.pages {
		if p.watched && p.objects > 0 && d.failed == nil {
			d.finish(key, p)
		}
	}
	if len(d.ready) > 0 {
		d.write()
	}
	if d.failed != nil {
		return fmt.Errorf("keep the objects that workflows are about: %w", d.failed)
	}
	return nil
}

// close writes what is left.
func (d *details) close() {
	if d == nil || d.failed != nil {
		return
	}
	for key, p := range d.pages {
		if p.objects > 0 {
			d.finish(key, p)
		}
	}
	if len(d.ready) > 0 {
		d.write()
	}
}

// drop forgets the objects of a group that turn out not to count.
func (d *details) drop(group CounterGroup) {
	if d == nil {
		return
	}
	for key := range d.pages {
		if key.group != group {
			continue
		}
		prefix := detailPrefix(d.run, d.step, key)
		d.ready = slices.DeleteFunc(d.ready, func(p readyPage) bool { return hasPrefix(p.key, prefix) })
		if err := d.history.remove(bucketDetails, prefix); err != nil {
			d.log.Error("details cannot be removed", "err", err)
		}
		delete(d.pages, key)
	}
}

func hasPrefix(key, prefix []byte) bool {
	return len(key) >= len(prefix) && string(key[:len(prefix)]) == string(prefix)
}

func detailPrefix(run uint64, step int, key detailKey) []byte {
	prefix := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(nil, run), uint16(step))
	for _, text := range []string{string(key.group), key.agent, key.counter} {
		prefix = append(append(prefix, text...), 0)
	}
	return prefix
}

// pageNames are the names in a page, by code.
type pageNames struct {
	names []string
	codes map[string]uint64
}

// Code implements [identity.Names].
func (n *pageNames) Code(name string) uint64 {
	if code, known := n.codes[name]; known {
		return code
	}
	if n.codes == nil {
		n.codes = map[string]uint64{}
	}
	name = string([]byte(name)) // it may be a piece of a record
	code := uint64(len(n.names))
	n.names = append(n.names, name)
	n.codes[name] = code
	return code
}

// Name implements [identity.Names].
func (n *pageNames) Name(code uint64) (string, bool) {
	if code >= uint64(len(n.names)) {
		return "", false
	}
	return n.names[code], true
}

func (n *pageNames) reset() {
	n.names = nil
	clear(n.codes)
}
