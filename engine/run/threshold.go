package run

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/store"
)

// A Measure is what a limit counts: something that steps of a kind do.
type Measure struct {
	Step hold.Step
	Kind hold.Kind
}

// Limits are limits by what they count. A percentage is one of the objects of the
// connector space; of metaverse objects, for a synchronization.
type Limits map[Measure]Limit

// A Window limits what all steps of a kind do together in a length of time: so a
// slow leak is found too.
type Window struct {
	Length time.Duration // 0 is DefaultWindow
	Limits Limits
}

// DefaultWindow is the length of a window that has none.
const DefaultWindow = 24 * time.Hour

func (w *Window) length() time.Duration {
	if w.Length == 0 {
		return DefaultWindow
	}
	return w.Length
}

// has reports whether anything is limited that steps of a kind do.
func (l Limits) has(step hold.Step) bool {
	for m := range l {
		if m.Step == step {
			return true
		}
	}
	return false
}

// limit returns the limit of what a step does, or of the window.
func (t *Thresholds) limit(m Measure, window bool) Limit {
	switch {
	case window:
		return t.Window.Limits[m]
	case m == Measure{hold.Import, hold.Deletes}:
		return t.ImportDeletes
	case m == Measure{hold.Export, hold.Deletes} && t.ExportDeletes.IsSet:
		return t.ExportDeletes
	case m == Measure{hold.Export, hold.Deletes}:
		return AtMost(defaultExportDeletes)
	}
	return t.Limits[m]
}

// limitOf returns the limit of what this step does.
func (s *step) limitOf(m Measure) Limit {
	if m.Kind == hold.Deletes && (m.Step == hold.Import && s.definition.Type.Import() != "" || m.Step == hold.Export && s.definition.Type == Export) {
		return s.limits.deletes
	}
	return s.agent.Thresholds.limit(m, false)
}

// heldAt is where a hold of this step is kept, and all that is decided about it.
func (s *step) heldAt(what, of hold.Step) hold.Place {
	return hold.Place{Agent: s.agent.Name, Step: what, Of: of, Partition: s.definition.Partition}
}

// exceeded returns the limits that a step would exceed. again counts those of counts
// that an interrupted step has begun: the window has them already.
func (s *step) exceeded(r store.Reader, of hold.Step, counts, again hold.Counts, total int) ([]hold.Reason, error) {
	var reasons []hold.Reason
	for _, kind := range hold.Kinds {
		n, m := counts[kind], Measure{of, kind}
		if limit := s.limitOf(m); limit.Exceeded(n, total) {
			raised, err := raisedTo(r, s.agent.Name, m, false)
			if err != nil {
				return nil, err
			}
			if n > raised {
				reasons = append(reasons, hold.Reason{Kind: kind, Count: n, Of: total, Limit: limit.String()})
			}
		}
		limit, fresh := s.agent.Thresholds.limit(m, true), n-again[kind]
		if !limit.IsSet || fresh <= 0 {
			continue
		}
		length := s.agent.Thresholds.Window.length()
		before, err := hold.Done(r, s.agent.Name, of, kind, length, s.now())
		if err != nil {
			return nil, err
		}
		if !limit.Exceeded(before+fresh, total) {
			continue
		}
		raised, err := raisedTo(r, s.agent.Name, m, true)
		if err != nil {
			return nil, err
		}
		if before+fresh > raised {
			reasons = append(reasons, hold.Reason{
				Kind: kind, Count: fresh, Of: total, Limit: limit.String(), Window: lengthText(length), Before: before,
			})
		}
	}
	return reasons, nil
}

// raisedTo returns what somebody has raised a limit to, 0 if nobody has.
func raisedTo(r store.Reader, agent string, m Measure, window bool) (int, error) {
	list, err := hold.RaisedLimits(r, agent)
	for _, raised := range list {
		if raised.Step == m.Step && raised.Kind == m.Kind && raised.Window == window {
			return raised.Count, err
		}
	}
	return 0, err
}

// lengthText is a length of time as people write it: 24h, not 24h0m0s.
func lengthText(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// allows reports whether an approval covers what would exceed limits.
func (s *step) allows(a *hold.Approval, reasons []hold.Reason, again hold.Counts) bool {
	if a == nil || s.now().Sub(a.At) > hold.ApprovalLasts {
		return false
	}
	for _, r := range reasons {
		n := r.Count
		if r.Window == "" {
			n -= again[r.Kind]
		}
		if n > a.Allowed[r.Kind] {
			return false
		}
	}
	return true
}

// A meter notes what a step does, in the transactions that do it: what was approved
// once is used up, everything else counts for the window. A nil meter has nothing to
// note.
type meter struct {
	place    hold.Place
	window   *Window
	approved bool
	now      func() time.Time
}

// newMeter returns the meter of a step that its limits allow; approved says that an
// approval does.
func (s *step) newMeter(place hold.Place, approved bool) *meter {
	if !approved && !s.agent.Thresholds.Window.Limits.has(place.Of) {
		return nil
	}
	return &meter{place: place, window: &s.agent.Thresholds.Window, approved: approved, now: s.now}
}

// add notes that n more were done, or less if n is negative.
func (m *meter) add(tx store.Tx, kind hold.Kind, n int) error {
	if m == nil || n == 0 {
		return nil
	}
	if m.approved {
		a, err := hold.ApprovalOf(tx, m.place)
		if err != nil {
			return err
		}
		if a != nil {
			if _, known := a.Allowed[kind]; known {
				a.Allowed[kind] = max(0, a.Allowed[kind]-n)
				return hold.SetApproval(tx, m.place, a)
			}
		}
	}
	if !m.window.Limits[Measure{m.place.Of, kind}].IsSet {
		return nil
	}
	return hold.Do(tx, m.place.Agent, m.place.Of, kind, m.window.length(), m.now(), n)
}

// A finding is what a step found that exceeds limits: about which objects it is.
type finding struct {
	place   hold.Place
	reasons []hold.Reason
	marks   []hold.Mark   // of all objects, ordered
	objects []hold.Object // the first of them
	partial bool
	pending int
	rules   string
}

// keepBack writes what was found, so that it is kept back until somebody decides.
func (s *step) keepBack(tx *space.Tx, f finding) error {
	kv := tx.Store()
	h := &hold.Hold{
		Agent: f.place.Agent, Step: f.place.Step, Of: f.place.Of, Partition: f.place.Partition, File: f.place.File,
		Profile: s.profile, Run: s.number, Since: s.now(), Reasons: f.reasons, Objects: f.objects,
		Partial: f.partial, Pending: f.pending, Rules: f.rules,
	}
	if h.Objects == nil {
		h.Objects = []hold.Object{}
	}
	h.Digest = digestOf(f)
	before, err := hold.Get(kv, f.place)
	if err != nil {
		return err
	}
	if s.report.HeldBefore = h.Same(before) && before.Rejected == nil; s.report.HeldBefore {
		h.Since = before.Since
	}
	s.report.Held = h
	if err := hold.SetFound(kv, f.place, f.marks); err != nil {
		return err
	}
	if err := hold.Put(kv, h); err != nil {
		return err
	}
	return NoteHeld(tx, f.place.Agent)
}

// NoteHeld notes with the agent whether anything of it is held, approved or rejected,
// so that steps need not look.
func NoteHeld(tx *space.Tx, agent string) error {
	state, err := tx.AgentState(agent)
	any := hold.Any(tx.Store(), agent)
	if err != nil || state.Held == any {
		return err
	}
	state.Held = any
	return tx.SetAgentState(agent, state)
}

func digestOf(f finding) string {
	digest := fnv.New64a()
	for _, r := range f.reasons {
		fmt.Fprintf(digest, "%s %d %s;", r.Kind, r.Count, r.Window)
	}
	for _, m := range f.marks {
		_ = binary.Write(digest, binary.BigEndian, m) // a hash takes everything
	}
	return fmt.Sprintf("%016x", digest.Sum64())
}

// released forgets what was held and approved at a place: a step has found nothing
// that exceeds its limits, or was allowed to.
func released(tx *space.Tx, p hold.Place) error {
	kv := tx.Store()
	h, err := hold.Get(kv, p)
	if err != nil {
		return err
	}
	rejected, err := hold.Rejected(kv, p)
	if err != nil {
		return err
	}
	if h != nil && len(rejected) == 0 {
		if err := hold.Clear(kv, p); err != nil {
			return err
		}
	}
	if err := hold.SetApproval(kv, p, nil); err != nil {
		return err
	}
	return NoteHeld(tx, p.Agent)
}

// heldError is the error of a step that is held.
func heldError(result Result, reasons []hold.Reason, agent string) *fault.Error {
	err := fault.New(string(result), "%s", hold.Text(reasons))
	err.Hint = approveHint(agent)
	return err
}

func approveHint(agent string) string {
	return fmt.Sprintf("look at metasync hold %s; if that is right, metasync approve %s", agent, agent)
}

// resultOf returns how a step ends that exceeds limits.
func resultOf(of hold.Step, reasons []hold.Reason) Result {
	deletes := slices.ContainsFunc(reasons, func(r hold.Reason) bool { return r.Kind == hold.Deletes })
	switch {
	case deletes && of == hold.Export:
		return StoppedExportThreshold
	case deletes:
		return StoppedDeletionLimit
	}
	return StoppedThreshold
}

// heldObject shows an object of a hold.
func heldObject(c *space.Connector, what string) hold.Object {
	o := hold.Object{ID: c.ID, Object: c.ObjectType, DN: c.DN, Anchor: c.Anchor, What: what}
	if o.Anchor == o.DN {
		o.Anchor = ""
	}
	return o
}

// hashOf tells deltas apart: a decision about one says nothing of another.
func hashOf(d *identity.Delta) uint64 {
	if d == nil {
		return 0
	}
	digest := fnv.New64a()
	values := func(list []identity.Value) {
		for _, v := range list {
			if v.Ref() != 0 {
				fmt.Fprintf(digest, "#%d\x00", uint64(v.Ref()))
			} else {
				fmt.Fprintf(digest, "%d %s\x00", v.Type(), v.Text())
			}
		}
	}
	fmt.Fprintf(digest, "%d %s\x00%s\x00", d.Op, d.ObjectType, d.DN)
	for i := range d.Changes {
		c := &d.Changes[i]
		fmt.Fprintf(digest, "%s %d\x00", c.Name, c.Op)
		values(c.Values)
		digest.Write([]byte{1})
		values(c.Removed)
	}
	return digest.Sum64()
}

// contains reports whether an ordered list of marks has one.
func contains(marks []hold.Mark, m hold.Mark) bool {
	at, found := hold.Find(marks, m.ID)
	return found && marks[at].Hash == m.Hash
}
