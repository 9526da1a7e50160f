// Package hold remembers what a threshold keeps back, and what administrators
// decided about it: a durable ledger beside the objects.
//
// A step that would do more than its limits allow writes a [Hold] before it does
// any of it. An administrator then approves or rejects:
//
//   - an [Approval] allows the next step of that kind as much as was reported. It is
//     used up in the transactions that make the changes, so that a crash neither
//     doubles nor loses it;
//   - a [Raised] limit is allowed from now on, until somebody takes that back;
//   - rejected objects are left out from now on, and everything else goes on.
//
// What was done within a sliding window is kept in buckets, so that a slow leak is
// found too. Everything is written in the transactions of the objects that it is
// about; see [github.com/metasync/metasync/engine/space.Tx.Store].
//
// Nothing here decides. Package run counts and compares; the scheduler keeps back
// what is held.
package hold

import (
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// A Step is a kind of step that can be held.
type Step string

// The kinds of steps.
const (
	Import Step = "import"
	Sync   Step = "sync"
	Export Step = "export"
)

// Steps lists them.
var Steps = []Step{Import, Sync, Export}

// A Kind is what a limit counts.
type Kind string

// The kinds, in the order in which they are reported. A change of an object is one
// of the first four, and a delete-add is a deletion.
const (
	Deletes        Kind = "deletes"
	Adds           Kind = "adds"
	Updates        Kind = "updates"
	Renames        Kind = "renames"
	Changes        Kind = "changes"        // all objects that change
	MemberRemovals Kind = "memberRemovals" // values taken out of references with many values
	Disconnects    Kind = "disconnects"    // objects that lose their link to the metaverse
)

// Kinds lists them.
var Kinds = []Kind{Deletes, Adds, Updates, Renames, Changes, MemberRemovals, Disconnects}

// Counts are numbers by what they count.
type Counts map[Kind]int

// A Reason is a limit that would be exceeded.
type Reason struct {
	Kind   Kind   `json:"kind"`
	Count  int    `json:"count"`            // of the step
	Of     int    `json:"of"`               // objects there are: what a percentage is of
	Limit  string `json:"limit"`            // such as 50 or 10%, or [Everything]
	Window string `json:"window,omitempty"` // the length of the window whose limit it is; "" is the step alone
	Before int    `json:"before,omitempty"` // done in the window before
}

// Everything is the limit that nobody has to set: that a system is empty is not
// believed.
const Everything = "all but one"

var nouns = map[Kind]string{
	Adds: "additions", Updates: "updates", Renames: "renames", Deletes: "deletions", Changes: "changes", MemberRemovals: "member removals",
	Disconnects: "disconnections",
}

// String says it in words: "312 deletions, more than 50".
func (r Reason) String() string {
	noun := nouns[r.Kind]
	if r.Count == 1 {
		noun = strings.TrimSuffix(noun, "s")
	}
	text := fmt.Sprintf("%d %s", r.Count, noun)
	if r.Limit == Everything {
		return text + ", and nothing would be left"
	}
	if strings.HasSuffix(r.Limit, "%") {
		text += fmt.Sprintf(" of %d objects", r.Of)
	}
	if r.Window != "" {
		text += fmt.Sprintf(" and %d in the %s before", r.Before, r.Window)
	}
	return text + ", more than " + r.Limit
}

// Text says reasons in words.
func Text(reasons []Reason) string {
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = r.String()
	}
	return strings.Join(parts, "; ")
}

// An Object is one of those that a held step is about.
type Object struct {
	ID     identity.ID `json:"id"`
	Object string      `json:"object"` // its type
	DN     string      `json:"dn"`
	Anchor string      `json:"anchor,omitempty"`
	What   string      `json:"what"` // would happen, in words
}

// Listed is how many objects a hold names.
const Listed = 20

// A Hold is a step that a limit keeps back. Its JSON form is the public one.
type Hold struct {
	Agent     string `json:"agent"`
	Step      Step   `json:"step"`                // what is held
	Of        Step   `json:"of"`                  // whose limits: a synchronization may be held for what an import has staged
	Partition string `json:"partition,omitempty"` // of the step, if it is about one
	File      string `json:"file,omitempty"`      // that an export is resumed from: only that is held

	Profile string    `json:"profile"`
	Run     uint64    `json:"run"`
	Since   time.Time `json:"since"`
	Reasons []Reason  `json:"reasons"`
	Objects []Object  `json:"objects"` // the first ones

	// Partial: what exceeds the limit is left out, and the rest goes on.
	Partial bool `json:"partial,omitempty"`

	Rejected *Decision `json:"rejected,omitempty"` // nil: nobody has decided

	// Pending is how many objects a synchronization has set aside, Rules the fingerprint of the
	// rules of a full synchronization: as long as they are the same, so is the finding.
	Pending int    `json:"pending,omitempty"`
	Rules   string `json:"rules,omitempty"`
	Digest  string `json:"digest,omitempty"` // of what was found
}

// A Decision is who decided something, when and why.
type Decision struct {
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Text says what is held and why, in words.
func (h *Hold) Text() string {
	text := "held: " + Text(h.Reasons)
	if h.Rejected != nil {
		text = "rejected: " + Text(h.Reasons)
	}
	if h.Step != h.Of {
		text += " in an " + string(h.Of)
	}
	if h.File != "" {
		text += " in " + h.File
	}
	if h.Rejected == nil {
		text += ": metasync approve " + h.Agent
	}
	return text
}

// Same reports whether two holds are about the same finding.
func (h *Hold) Same(other *Hold) bool { return h != nil && other != nil && h.Digest == other.Digest }

// An Approval allows a step what was reported. Allowed goes down as changes are made.
type Approval struct {
	Allowed Counts `json:"allowed"`
	Full    bool   `json:"full,omitempty"` // of a synchronization: only a full one can use it up
	Decision
}

// ApprovalLasts is how long an approval allows what nobody has used it for: what it
// was about may have been put right meanwhile, and another day is another question.
const ApprovalLasts = 24 * time.Hour

// A Raised is a limit that somebody raised: as many are allowed as well.
type Raised struct {
	Agent  string `json:"agent"`
	Step   Step   `json:"step"`
	Kind   Kind   `json:"kind"`
	Window bool   `json:"window,omitempty"` // it is the limit of the window
	Count  int    `json:"count"`
	Decision
}

// String says it in words.
func (r Raised) String() string {
	text := fmt.Sprintf("%s of up to %d %s", r.Step, r.Count, nouns[r.Kind])
	if r.Window {
		text += " in a window"
	}
	return text
}
