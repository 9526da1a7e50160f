package space

import (
	"slices"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// A State is the connector state of an object (sync-engine §1.5).
type State uint8

// The connector states.
const (
	Disconnector State = iota
	ExplicitDisconnector
	FilteredDisconnector
	Joined // a normal connector
	ExplicitConnector
	Placeholder // has a DN and no content: referenced, but not imported
	states
)

var stateNames = [...]string{
	"disconnector", "explicit-disconnector", "filtered-disconnector", "connector", "explicit-connector", "placeholder",
}

// String returns the name of the state in records.
func (s State) String() string { return stateNames[s] }

// States lists the names of the connector states.
func States() []string { return slices.Clone(stateNames[:]) }

// ParseState is the inverse of [State.String].
func ParseState(name string) (State, bool) {
	for i, n := range stateNames {
		if n == name {
			return State(i), true
		}
	}
	return 0, false
}

// IsConnector reports whether an object in this state is linked to the metaverse.
func (s State) IsConnector() bool { return s == Joined || s == ExplicitConnector }

// A Connector is an object of a connector space (sync-engine §1.2). In spite of
// its name, which is short for connector-space object, it need not be linked.
type Connector struct {
	ID         identity.ID
	ObjectType string // "" for a placeholder
	DN         string
	Anchor     string // "" until the system has given one
	Partition  string // where an import found it; "" in a system that is not divided

	State    State
	Link     identity.ID // the metaverse object, 0 without a link
	LinkRule string      // the rule that made the link
	LinkBy   Lineage
	LinkedAt time.Time

	// Cut is how the object lost the last link that it had before, nil if it never
	// lost one.
	Cut *Disconnection

	// Replaces is the object that has to be deleted before this one, which is yet to
	// be created, can have its name; nil if there is none.
	Replaces *Replaced

	// Deleted: the placeholder was an object that its system has deleted, and who
	// refers to it may have lost the reference (see [Tx.RemoveDeleted]).
	Deleted bool

	// NameLost: the placeholder is that of a deleted object, and another object has its
	// name since. DN is what it was called.
	NameLost bool

	// The images, stacked: each delta turns the image below it into the next
	// (sync-engine §1.3). A nil delta changes nothing.
	Synchronized identity.Attributes
	Import       *identity.Delta // pending import: seen, not yet synchronized
	Exported     *identity.Delta // sent in batch Batch, not yet seen back
	Unapplied    *identity.Delta // computed, not yet sent
	Batch        uint64          // export batch of Exported (sync-engine §1.6)

	// Provisioned: the engine created the object and no import has seen it yet.
	Provisioned bool

	// NotReimported: an import after the export did not show what Exported
	// says. The next synchronization reports it and stages the change again.
	NotReimported bool

	// Attempts counts how often a change was exported and not seen back.
	Attempts int

	// Applied names the outbound rules that were in scope when the object was
	// last synchronized outbound, ordered.
	Applied []string

	// Detected names the outbound rules whose existence tests all hold for what
	// was imported, ordered: the object is as if they had been applied
	// (sync-engine §5.7).
	Detected []string

	// RetryReferences: a reference could not flow because its target was no
	// connector, or stopped being one; the object is synchronized again.
	RetryReferences bool

	// Rules is the fingerprint of the inbound rules that have decided about all
	// of the object, "" if none ever did.
	Rules string

	ImportError *ObjectError // of the last synchronization
	ExportError *ObjectError // of the last export

	origin origin
	dirty  bool
	digest *Digest // to be stored with the anchor
}

// An ObjectError is an error that stays with an object until it is overcome.
type ObjectError struct {
	Name      string    `json:"error-type"`
	Step      string    `json:"algorithm-step,omitempty"`
	Rule      string    `json:"rule,omitempty"`
	Attribute string    `json:"attribute,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	First     time.Time `json:"first-occurred"`
	Last      time.Time `json:"date-occurred"`
	Retries   int       `json:"retry-count"`
}

// ImportImage returns what the last import says the object looks like.
func (c *Connector) ImportImage() identity.Attributes { return c.Import.Apply(c.Synchronized) }

// known returns what the object is found by: what the last import says of it or,
// until one has seen it, what was exported.
func (c *Connector) known() identity.Attributes {
	if c.Provisioned {
		return c.ExportedImage()
	}
	return c.ImportImage()
}

// ExportedImage returns the object as it should look after what was sent.
func (c *Connector) ExportedImage() identity.Attributes { return c.Exported.Apply(c.ImportImage()) }

// TopImage returns the object as it should look once everything is sent.
func (c *Connector) TopImage() identity.Attributes { return c.Unapplied.Apply(c.ExportedImage()) }

// SetDigest remembers the digest of the entry from which the object was last
// staged; nil forgets it, so that the next import looks at the object again.
func (c *Connector) SetDigest(d *Digest) {
	if d == nil {
		d = &Digest{}
	}
	c.digest = d
}

// NeedsSync reports whether a delta synchronization has to look at the object,
// apart from trying again to join it.
func (c *Connector) NeedsSync() bool {
	return !c.Import.IsZero() || c.RetryReferences || c.NotReimported || c.ImportError != nil
}

// A Digest is a fingerprint of an entry as an agent delivered it. The zero
// Digest matches nothing.
type Digest [16]byte

// A Counter is one of the numbers that are kept for every connector space.
type Counter int

// The counters. They count objects.
const (
	CountDisconnector Counter = iota // the first ones are the states, in their order
	CountExplicitDisconnector
	CountFilteredDisconnector
	CountConnector
	CountExplicitConnector
	CountPlaceholder
	CountImportAdd    // pending imports by operation
	CountImportUpdate //
	CountImportDelete //
	CountExportAdd    // pending exports by operation
	CountExportUpdate //
	CountExportDelete // ... of which a delete-add is one
	CountUnconfirmed  // exported, and not looked at by an import since
	CountToSync       // waiting for synchronization, the last one did not fail
	CountSyncFailed   // waiting for synchronization after a failed one
	CountToExport     // waiting for export, the last one did not fail
	CountExportFailed // waiting for export after a failed one
	CountObject       // metaverse objects
	CountReplacing    // objects that are to take the place of others
	CountDeleted      // placeholders of deleted objects that have their names
	CountNameLost     // ... that have lost them
	Counters          // how many counters there are
)

// tally is the set of counters that an object counts in, a bit each.
type tally uint32

func (t tally) with(c Counter, on bool) tally {
	if on {
		t |= 1 << c
	}
	return t
}

func (c *Connector) tally() tally {
	var t tally
	t = t.with(Counter(c.State), true)
	if c.Import != nil {
		switch op := c.Import.Op; {
		case op == identity.Add || op == identity.DeleteAdd:
			t = t.with(CountImportAdd, true)
		case op.Removes():
			t = t.with(CountImportDelete, true)
		default:
			t = t.with(CountImportUpdate, !c.Import.IsZero())
		}
	}
	if pending := !c.Unapplied.IsZero(); pending {
		switch op := c.Unapplied.Op; {
		case op == identity.Add:
			t = t.with(CountExportAdd, true)
		case op.Removes() || op == identity.DeleteAdd:
			t = t.with(CountExportDelete, true)
		default:
			t = t.with(CountExportUpdate, true)
		}
		t = t.with(CountToExport, c.ExportError == nil)
		t = t.with(CountExportFailed, c.ExportError != nil)
	}
	t = t.with(CountReplacing, c.Replaces != nil)
	t = t.with(CountDeleted, c.Deleted)
	t = t.with(CountNameLost, c.NameLost)
	t = t.with(CountUnconfirmed, c.Exported != nil && !c.NotReimported)
	if c.NeedsSync() {
		t = t.with(CountToSync, c.ImportError == nil)
		t = t.with(CountSyncFailed, c.ImportError != nil)
	}
	return t
}

// A List is a work list of a connector space.
type List byte

// The work lists.
const (
	// ToSync holds what a delta synchronization looks at: objects that need it
	// and all normal disconnectors, which it tries to join again.
	ToSync List = 's'

	// ToExport holds objects with changes that are not sent.
	ToExport List = 'e'

	// Sent holds objects with changes that were sent and not confirmed.
	Sent List = 'u'

	// Retry holds objects whose references have to be looked at again, unless
	// their last synchronization failed.
	Retry List = 'r'
)

var lists = [...]List{ToSync, ToExport, Sent, Retry}

func (c *Connector) on(list List) bool {
	switch list {
	case ToSync:
		return c.State == Disconnector || c.State == FilteredDisconnector && !c.Import.IsZero() || c.NeedsSync()
	case ToExport:
		return !c.Unapplied.IsZero()
	case Retry:
		return c.RetryReferences && c.ImportError == nil
	default:
		return c.Exported != nil
	}
}

// references returns the objects that the object's images point to, ordered
// and without duplicates.
func (c *Connector) references(into []identity.ID) []identity.ID {
	into = appendReferences(into, c.Synchronized)
	if c.Replaces != nil {
		into = appendReferences(into, c.Replaces.Attributes)
	}
	for _, d := range [...]*identity.Delta{c.Import, c.Exported, c.Unapplied} {
		if d == nil {
			continue
		}
		for i := range d.Changes {
			into = appendReferenceValues(into, d.Changes[i].Values)
		}
	}
	return compactIDs(into)
}
