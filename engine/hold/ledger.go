package hold

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// bucket holds everything: agent 0 what 0 ... -> JSON, but for lists of objects.
const bucket store.Bucket = "hold"

// What is kept, as the second part of keys.
const (
	keyHold     = "hold"     // step, of, partition
	keyApproval = "approval" // step, of, partition
	keyRaised   = "raised"   // step, kind, window
	keyFound    = "found"    // step, of, partition: marks
	keyRejected = "rejected" // step, of, partition: marks
	keyWindow   = "window"   // step, kind
	keyStaged   = "staged"
)

func keyOf(agent string, parts ...string) []byte {
	key := []byte(agent)
	for _, part := range parts {
		key = append(append(key, 0), part...)
	}
	return key
}

// get reads a value; false if there is none.
func get(r store.Reader, key []byte, to any) (bool, error) {
	value := r.Get(bucket, key)
	if value == nil {
		return false, nil
	}
	return true, decode(key, value, to)
}

func decode(key, value []byte, to any) error {
	if err := json.Unmarshal(value, to); err != nil {
		return fmt.Errorf("read what is held: %q: %w: %w", key, identity.ErrCorrupt, err)
	}
	return nil
}

func put(tx store.Tx, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Put(bucket, key, data)
}

// scan decodes what is kept of a kind, of one agent, or of all if it is "".
func scan[T any](r store.Reader, agent, what string) ([]T, error) {
	var list []T
	var prefix []byte
	if agent != "" {
		prefix = append(keyOf(agent, what), 0)
	}
	for key, value := range r.Scan(bucket, prefix, nil) {
		if agent == "" && !isAbout(key, what) {
			continue
		}
		var v T
		if err := decode(key, value, &v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// isAbout reports whether the second part of a key is the given one.
func isAbout(key []byte, what string) bool {
	i := slices.Index(key, 0)
	rest := key[i+1:]
	return i >= 0 && len(rest) > len(what) && string(rest[:len(what)]) == what && rest[len(what)] == 0
}

// A Place names a hold, and all that is decided about it.
type Place struct {
	Agent     string
	Step, Of  Step
	Partition string
	File      string // see [Hold]
}

// Place returns the place of a hold.
func (h *Hold) Place() Place { return Place{h.Agent, h.Step, h.Of, h.Partition, h.File} }

func (p Place) key(what string) []byte {
	if p.File != "" {
		return keyOf(p.Agent, what, string(p.Step), string(p.Of), p.Partition, p.File)
	}
	return keyOf(p.Agent, what, string(p.Step), string(p.Of), p.Partition)
}

// Get returns the hold of a place, nil if there is none.
func Get(r store.Reader, p Place) (*Hold, error) {
	var h Hold
	if found, err := get(r, p.key(keyHold), &h); err != nil || !found {
		return nil, err
	}
	return &h, nil
}

// List returns the holds of an agent, of all agents if it is "", in the order of
// their agents and steps.
func List(r store.Reader, agent string) ([]Hold, error) { return scan[Hold](r, agent, keyHold) }

// Put writes a hold in place of an earlier one.
func Put(tx store.Tx, h *Hold) error { return put(tx, h.Place().key(keyHold), h) }

// Clear removes the hold of a place, if there is one.
func Clear(tx store.Tx, p Place) error {
	if err := SetFound(tx, p, nil); err != nil {
		return err
	}
	return tx.Delete(bucket, p.key(keyHold))
}

// ApprovalOf returns what was approved once at a place, nil if nothing was.
func ApprovalOf(r store.Reader, p Place) (*Approval, error) {
	var a Approval
	if found, err := get(r, p.key(keyApproval), &a); err != nil || !found {
		return nil, err
	}
	return &a, nil
}

// SetApproval writes an approval; nil removes it.
func SetApproval(tx store.Tx, p Place, a *Approval) error {
	if a == nil {
		return tx.Delete(bucket, p.key(keyApproval))
	}
	return put(tx, p.key(keyApproval), a)
}

func raisedKey(r *Raised) []byte {
	window := ""
	if r.Window {
		window = "window"
	}
	return keyOf(r.Agent, keyRaised, string(r.Step), string(r.Kind), window)
}

// Raise writes a raised limit; an earlier one that is higher stays.
func Raise(tx store.Tx, r Raised) error {
	var before Raised
	if found, err := get(tx, raisedKey(&r), &before); err != nil || found && before.Count >= r.Count {
		return err
	}
	return put(tx, raisedKey(&r), r)
}

// RaisedLimits returns the raised limits of an agent, of all agents if it is "".
func RaisedLimits(r store.Reader, agent string) ([]Raised, error) {
	return scan[Raised](r, agent, keyRaised)
}

// ClearRaised takes a raised limit back.
func ClearRaised(tx store.Tx, r Raised) error { return tx.Delete(bucket, raisedKey(&r)) }

// A Mark names an object that a decision is about, and what was about to happen to
// it, as a hash.
type Mark struct {
	ID   identity.ID
	Hash uint64
}

// CompareMarks orders marks by their objects.
func CompareMarks(a, b Mark) int { return cmp.Compare(a.ID, b.ID) }

// Find returns where an object is, or would be, in an ordered list.
func Find(marks []Mark, id identity.ID) (int, bool) {
	return slices.BinarySearchFunc(marks, id, func(m Mark, id identity.ID) int { return cmp.Compare(m.ID, id) })
}

func marksOf(r store.Reader, key []byte) ([]Mark, error) {
	value := r.Get(bucket, key)
	if len(value)%16 != 0 {
		return nil, fmt.Errorf("read what is held: %q: %w", key, identity.ErrCorrupt)
	}
	var marks []Mark
	for ; len(value) > 0; value = value[16:] {
		marks = append(marks, Mark{identity.ID(binary.BigEndian.Uint64(value)), binary.BigEndian.Uint64(value[8:])})
	}
	return marks, nil
}

func setMarks(tx store.Tx, key []byte, marks []Mark) error {
	if len(marks) == 0 {
		return tx.Delete(bucket, key)
	}
	value := make([]byte, 0, 16*len(marks))
	for _, m := range marks {
		value = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(value, uint64(m.ID)), m.Hash)
	}
	return tx.Put(bucket, key, value)
}

// Found returns the objects that the hold of a place is about, ordered.
func Found(r store.Reader, p Place) ([]Mark, error) { return marksOf(r, p.key(keyFound)) }

// SetFound writes them.
func SetFound(tx store.Tx, p Place, marks []Mark) error { return setMarks(tx, p.key(keyFound), marks) }

// Rejected returns the objects of a place that were rejected, ordered.
func Rejected(r store.Reader, p Place) ([]Mark, error) { return marksOf(r, p.key(keyRejected)) }

// SetRejected writes them.
func SetRejected(tx store.Tx, p Place, marks []Mark) error {
	return setMarks(tx, p.key(keyRejected), marks)
}

// A slot is what was done in one part of a window.
type slot struct {
	Start time.Time `json:"start"`
	N     int       `json:"n"`
}

// slots is into how many parts a window is divided: what was done leaves it a part
// too late rather than too early.
const slots = 48

func windowKey(agent string, s Step, k Kind) []byte {
	return keyOf(agent, keyWindow, string(s), string(k))
}

// Done returns how much was done in the window of a length that ends now.
func Done(r store.Reader, agent string, s Step, k Kind, length time.Duration, now time.Time) (int, error) {
	var list []slot
	if _, err := get(r, windowKey(agent, s, k), &list); err != nil {
		return 0, err
	}
	n := 0
	for _, part := range list {
		if part.within(length, now) {
			n += part.N
		}
	}
	return n, nil
}

func (s slot) within(length time.Duration, now time.Time) bool {
	return s.Start.Add(length + length/slots).After(now)
}

// Do notes that n more were done.
func Do(tx store.Tx, agent string, s Step, k Kind, length time.Duration, now time.Time, n int) error {
	if n == 0 {
		return nil
	}
	var list []slot
	key := windowKey(agent, s, k)
	if _, err := get(tx, key, &list); err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(part slot) bool { return !part.within(length, now) })
	start := now.Truncate(max(length/slots, 1))
	if last := len(list) - 1; last >= 0 && !list[last].Start.Before(start) {
		list[last].N += n
	} else {
		list = append(list, slot{start, n})
	}
	return put(tx, key, list)
}

// Restart begins a window anew: somebody has looked at what is in it.
func Restart(tx store.Tx, agent string, s Step, k Kind) error {
	return tx.Delete(bucket, windowKey(agent, s, k))
}

// A Staged is what imports have staged since the last one that came to its end.
type Staged struct {
	Counts Counts `json:"counts"`
}

// StagedOf returns what an import that did not come to its end has staged.
func StagedOf(r store.Reader, agent string) (Counts, error) {
	var s Staged
	_, err := get(r, keyOf(agent, keyStaged), &s)
	return s.Counts, err
}

// Stage adds to it.
func Stage(tx store.Tx, agent string, more Counts) error {
	all, err := StagedOf(tx, agent)
	if err != nil {
		return err
	}
	if all == nil {
		all = Counts{}
	}
	for kind, n := range more {
		all[kind] += n
	}
	return put(tx, keyOf(agent, keyStaged), Staged{all})
}

// Unstage forgets it: it has been looked at.
func Unstage(tx store.Tx, agent string) error { return tx.Delete(bucket, keyOf(agent, keyStaged)) }

// Any reports whether anything of an agent is held, approved or rejected.
func Any(r store.Reader, agent string) bool {
	for _, what := range []string{keyHold, keyApproval, keyRejected} {
		for range r.Scan(bucket, append(keyOf(agent, what), 0), nil) {
			return true
		}
	}
	return false
}

// Forget removes all that is known of an agent.
func Forget(tx store.Tx, agent string) error {
	var keys [][]byte
	for key := range tx.Scan(bucket, append([]byte(agent), 0), nil) {
		keys = append(keys, slices.Clone(key))
	}
	for _, key := range keys {
		if err := tx.Delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}
