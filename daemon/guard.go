package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

// Before a change of configuration or scripts takes effect, its decisions are compared
// with those in force on a sample of the objects; see [engine.Engine.GuardDecisions].
// One that would newly delete more than `scripting.guard` allows is held: what is in
// force stays so, over restarts, until somebody approves of the change or the files are
// changed again. The record of that is in the store before anybody is told.

// A Held is a change of configuration or scripts that waits for approval. Its JSON form
// is the public one.
type Held struct {
	// Generation names the change: like its scripts, unless the configuration has
	// changed.
	Generation string        `json:"generation"`
	Scripts    string        `json:"scripts"` // the generation of its scripts
	Running    string        `json:"running"` // that of the scripts in force
	Changed    []ChangedFile `json:"changed"`
	At         time.Time     `json:"at"`
	Limit      int           `json:"limit"` // that scripting.guard allows
	engine.GuardReport

	// Rejected says who refused the change; nil if nobody has decided. It does not take
	// effect as long as the files are as they are.
	Rejected *Verdict `json:"rejected,omitempty"`
}

// A ChangedFile is a file in which a change differs from what is in force.
type ChangedFile struct {
	File   string `json:"file"`
	Change string `json:"change"` // added, changed, removed
}

// A Verdict is what somebody decided about a change that was held.
type Verdict struct {
	User   string    `json:"user"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// A HeldError says that nothing was done because a change is held.
type HeldError struct{ Held Held }

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s: generation %s would newly delete or disconnect %d objects and is held for approval", NameHeld, e.Held.Generation, e.Held.Deletes)
}

// NameHeld is the name of errors about changes that are held.
const NameHeld = "generation-held"

// hold is a Held with what tells whether it still counts.
type hold struct {
	Held
	Mark    string `json:"mark"`    // of the change
	Against string `json:"against"` // of what was in force
}

const bucketGuard store.Bucket = "guard"

var (
	keyHeld     = []byte("held")
	keyApproved = []byte("approved") // a change that may take effect; see approval
)

// judge finds out whether a candidate may take effect in place of the one in force. If
// not, it returns why. Without one in force, the candidate is compared with the present
// state.
func (d *Daemon) judge(ctx context.Context, next, active *candidate) (*hold, error) {
	known, approved, err := d.readGuard()
	guard := next.config.Scripting.Guard
	switch {
	case err != nil:
		return nil, err
	case guard.Off, active != nil && (active.mark == next.mark || approved == approval(next.mark, active.mark)):
		return nil, nil
	case known != nil && active != nil && known.Mark == next.mark && known.Against == active.mark:
		return known, nil
	}
	d.options.Log.Info("comparing the decisions of a change with those in force", "generation", next.scripts.ID())
	report, err := d.engine.GuardDecisions(ctx, next.definition, next.functions, engine.GuardOptions{Sample: guard.Sample, Budget: guard.Timeout})
	if err != nil {
		return nil, redactedError(err, next.config.Secrets)
	}
	if report == nil {
		return nil, nil
	}
	report.Ended = config.Redact(next.config.Secrets, report.Ended)
	log := d.options.Log.With("generation", next.scripts.ID(), "deletes", report.Deletes, "limit", guard.Deletes, "looked", report.Looked, "objects", report.Objects)
	if report.TimeOver {
		log.Warn("the time to compare decisions was over before the sample was looked at", "timeout", guard.Timeout)
	}
	if report.Ended != "" {
		log.Warn("a script ended the comparison of decisions", "err", report.Ended)
	}
	if report.Deletes <= guard.Deletes {
		log.Info("decisions compared: the change takes effect")
		return nil, nil
	}
	h := &hold{Mark: next.mark, Held: Held{
		Generation: next.scripts.ID(), Scripts: next.scripts.ID(), At: d.options.Now(), Limit: guard.Deletes, GuardReport: *report,
	}}
	if active == nil {
		return h, nil
	}
	h.Running, h.Against = active.scripts.ID(), active.mark
	changed, ours := changedFiles(active, next)
	if h.Changed = changed; ours {
		h.Generation = next.mark[:len(h.Scripts)]
	}
	return h, nil
}

// approval is what is approved: that a change takes the place of what was in force.
func approval(mark, against string) string { return mark + " in place of " + against }

// changedFiles returns in which files two candidates differ, those of the configuration
// first, and whether there are any of those.
func changedFiles(before, after *candidate) (list []ChangedFile, ours bool) {
	add := func(old, now map[string]string, show func(string) string) {
		names := maps.Clone(old)
		maps.Copy(names, now)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			was, had := old[name]
			is, has := now[name]
			switch {
			case !had:
				list = append(list, ChangedFile{show(name), "added"})
			case !has:
				list = append(list, ChangedFile{show(name), "removed"})
			case was != is:
				list = append(list, ChangedFile{show(name), "changed"})
			}
		}
	}
	texts := func(files configFiles) map[string]string {
		m := map[string]string{}
		for _, f := range files {
			m[f.Name] = f.Text
		}
		return m
	}
	add(texts(before.sources), texts(after.sources), func(name string) string {
		if name == "" {
			return filepath.Base(after.config.File)
		}
		return name
	})
	ours = len(list) > 0
	add(before.scripts.Sources(), after.scripts.Sources(), after.scripts.Place)
	return list, ours
}

// startWith returns what takes effect at a start: the candidate that the files say, or
// what was in force last if that candidate is held. The other one is closed, but not
// after an error.
func (d *Daemon) startWith(ctx context.Context, c *candidate) (*candidate, *hold, error) {
	kept, err := d.good()
	if err != nil {
		return nil, nil, err
	}
	_, approved, err := d.readGuard()
	if err != nil {
		return nil, nil, err
	}
	if kept == nil || kept.sources == nil || kept.mark == c.mark || approved == approval(c.mark, kept.mark) || c.config.Scripting.Guard.Off {
		return c, nil, nil
	}
	before, noBasis := d.assembleGood(ctx, kept)
	if noBasis == nil {
		if _, noBasis = d.engine.Configure(ctx, before.definition, before.functions); noBasis != nil {
			noBasis = redactedError(noBasis, before.config.Secrets)
			before.scripts.Close()
			before = nil
		}
	}
	h, err := d.judge(ctx, c, before)
	switch {
	case before == nil && h != nil:
		return nil, nil, withoutBasis(h, noBasis)
	case before != nil && h != nil:
		c.scripts.Close()
		return before, h, nil
	case before != nil:
		before.scripts.Close()
	}
	return c, nil, err
}

// withoutBasis is the error of a start over files that may not take effect, when what
// was in force cannot be loaded any more either.
func withoutBasis(h *hold, cause error) error {
	err := fault.New(NameHeld, "%d objects would be deleted or disconnected, of %d of %d looked at, and the last good generation cannot be loaded: %s",
		h.Deletes, h.Looked, h.Objects, cause)
	err.Hint = "put the files back as they were; or, if that is right, set scripting: {guard: {off: true}} for this start"
	return err
}

// setHold notes in the store, and then for the status, which change is held; nil is
// none.
func (d *Daemon) setHold(h *hold) error {
	d.mu.Lock()
	before := d.held
	d.mu.Unlock()
	changed, err := d.writeHold(h)
	if err != nil {
		return fmt.Errorf("keep what is held: %w", err)
	}
	d.mu.Lock()
	d.held = h
	d.mu.Unlock()
	if changed && h != nil {
		d.did(Note{Kind: "generation.held", Text: fmt.Sprintf("generation %s in place of %s: %d objects newly deleted or disconnected, %d allowed, of %d of %d looked at",
			h.Generation, h.Running, h.Deletes, h.Limit, h.Looked, h.Objects)}, nil, nil)
	}
	switch {
	case h == nil || before != nil && before.Mark == h.Mark:
	case h.Rejected != nil:
		d.options.Log.Warn("the files are those of a generation that was rejected; the last good one stays in force",
			"generation", h.Generation, "running", h.Running, "user", h.Rejected.User, "reason", h.Rejected.Reason)
	default:
		d.options.Log.Error("a change of configuration or scripts is held for approval; the last good ones stay in force",
			"generation", h.Generation, "running", h.Running, "deletes", h.Deletes, "limit", h.Limit, "looked", h.Looked, "objects", h.Objects)
	}
	return nil
}

// writeHold writes down which change is held. With none, no approval is left either:
// it was for a change that is in force now, or that the files no longer say. It reports
// whether something was to be written.
func (d *Daemon) writeHold(h *hold) (changed bool, err error) {
	var data []byte
	if h != nil {
		if data, err = json.Marshal(h); err != nil {
			return false, err
		}
	}
	same := false
	err = d.state.View(func(r store.Reader) error {
		same = string(r.Get(bucketGuard, keyHeld)) == string(data) && (h != nil || r.Get(bucketGuard, keyApproved) == nil)
		return nil
	})
	if err != nil || same {
		return false, err
	}
	return true, d.state.Update(func(tx store.Tx) error {
		if h != nil {
			return tx.Put(bucketGuard, keyHeld, data)
		}
		return errors.Join(tx.Delete(bucketGuard, keyHeld), tx.Delete(bucketGuard, keyApproved))
	})
}

// readGuard returns which change is held, and which one may take effect.
func (d *Daemon) readGuard() (h *hold, approved string, err error) {
	err = d.state.View(func(r store.Reader) error {
		approved = string(r.Get(bucketGuard, keyApproved))
		data := r.Get(bucketGuard, keyHeld)
		if data == nil {
			return nil
		}
		h = &hold{}
		return json.Unmarshal(data, h)
	})
	if err != nil {
		return nil, "", fmt.Errorf("read what is held: %w", err)
	}
	return h, approved, nil
}

// heldNow returns the change that is held, nil if there is none.
func (d *Daemon) heldNow() *Held {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		return nil
	}
	held := d.held.Held
	return &held
}

// refuseHeld returns an error if a change is held about which nobody has decided, and
// no daemon is at work that goes on with what is in force.
func (d *Daemon) refuseHeld() error {
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	if held := d.heldNow(); held != nil && held.Rejected == nil && !running {
		return &HeldError{*held}
	}
	return nil
}

// A GenerationVerdict is what somebody decides about a change that is held.
type GenerationVerdict struct {
	Generation string `json:"generation"`
	Approve    bool   `json:"approve"`
	Reason     string `json:"reason"`
}

// DecideGeneration approves or rejects the change that is held, for the given user, and
// returns it. What is approved takes effect before this returns, when nothing runs; an
// error then says why it did not. What is rejected is not asked about again until the
// files change.
func (d *Daemon) DecideGeneration(ctx context.Context, v GenerationVerdict, user string) (*Held, error) {
	d.reloading.Lock()
	h, err := d.decide(v, user)
	d.reloading.Unlock()
	if err != nil {
		return nil, err
	}
	if !v.Approve {
		return &h.Held, nil
	}
	d.reload(ctx)
	d.mu.Lock()
	active, rejected, held := d.active, d.rejected, d.held
	d.mu.Unlock()
	switch {
	case active.mark == h.Mark:
		return &h.Held, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case rejected != nil:
		return nil, rejected.err
	}
	changed := fault.New("generation-changed", "the files have changed since generation %s was held", v.Generation)
	if held != nil {
		changed.Hint = fmt.Sprintf("generation %s is held now", held.Generation)
	}
	return nil, changed
}

// decide writes down a verdict.
func (d *Daemon) decide(v GenerationVerdict, user string) (*hold, error) {
	d.mu.Lock()
	h := d.held
	d.mu.Unlock()
	if h == nil || h.Generation != v.Generation {
		err := fault.New("unknown-generation", "no generation %q is held", v.Generation)
		if h != nil {
			err.Hint = fmt.Sprintf("generation %s is held", h.Generation)
		}
		return nil, err
	}
	decided := *h
	decided.Rejected = nil
	if !v.Approve {
		decided.Rejected = &Verdict{User: user, Reason: v.Reason, At: d.options.Now()}
	}
	data, err := json.Marshal(decided)
	if err != nil {
		return nil, err
	}
	err = d.state.Update(func(tx store.Tx) error {
		if err := tx.Put(bucketGuard, keyHeld, data); err != nil {
			return err
		}
		if v.Approve {
			return tx.Put(bucketGuard, keyApproved, []byte(approval(h.Mark, h.Against)))
		}
		return tx.Delete(bucketGuard, keyApproved)
	})
	if err != nil {
		return nil, fmt.Errorf("keep the decision: %w", err)
	}
	d.mu.Lock()
	d.held = &decided
	d.mu.Unlock()
	what, kind := "generation approved", "approve"
	if !v.Approve {
		what, kind = "generation rejected", "reject"
	}
	d.did(Note{Kind: kind, User: user, Text: strings.TrimSuffix("generation "+h.Generation+": "+v.Reason, ": ")}, nil, nil)
	d.options.Log.Info(what, "generation", h.Generation, "running", h.Running, "user", user, "reason", v.Reason, "deletes", h.Deletes)
	if !v.Approve {
		d.notices().filesRead()
	}
	return &decided, nil
}
