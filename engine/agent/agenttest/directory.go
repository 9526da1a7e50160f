package agenttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Directory is a connected system in memory and the agent for it. It behaves
// as a careful server does:
//
//   - It refuses what does not fit its schema, a second object of the same name,
//     changes to objects that it does not have, and with Checks more than that.
//   - Anchors that an Add leaves out it gives itself, and says so in the result.
//   - With names of their own (no AnchorIsDN), references follow the object that
//     they point to when it is renamed, unless ReferencesStay, and go when it goes. With LDAPNames
//     children move with their container, unless NoContainerRename, and a container
//     is not deleted before them. These consequences are not in the change log, as in real directories.
//   - With DeltaImport, a delta import replays its change log from the watermark:
//     one entry per change, in their order.
//   - With ExportLevel, FullExport, NoReferencesInFirstExport,
//     NoPasswordsInFirstExport and NoRename, it refuses changes of another form.
//   - Divided, an import shows one partition, and an export of one partition
//     refuses changes to others. It needs LDAPNames: names say where an object is.
//   - With AllOrNothing, an export works on a copy that Close puts in place. If
//     somebody else changed the directory meanwhile, Close fails.
//
// The methods of agent.Agent, Importer and Exporter are the side of the engine;
// Put, Remove and Objects are that of other people who work on the same system.
// It is safe for concurrent use.
type Directory struct {
	schema identity.Schema
	caps   agent.Capabilities

	mu         sync.Mutex
	state      *state
	faults     faults
	partitions []agent.Partition
	single     bool // see ReadSingle
}

var (
	_ agent.Agent    = (*Directory)(nil)
	_ agent.Importer = (*Directory)(nil)
	_ agent.Exporter = (*Directory)(nil)

	_ agent.Partitioner  = (*Directory)(nil)
	_ agent.ObjectReader = (*Directory)(nil)
)

// An Object is an object of a [Directory].
type Object struct {
	Type       string // may be left out if the schema has only one
	DN         string // left out: the anchor
	Anchor     string // left out: made from the anchor attributes, or given by the directory
	Attributes identity.Attributes
}

// Checks are what some systems insist on and others do not.
type Checks struct {
	// References: they must point to an existing object (dn-attributes-failure).
	References bool

	// Suffix, with LDAPNames: the name under which all objects are. An object
	// below it needs its container (non-existent-parent). "" asks for none.
	Suffix string

	// Containers: imports show only what is in the containers of the request, as
	// those of servers that search only there.
	Containers bool

	// Dangling: references to an object stay when it is deleted.
	Dangling bool

	// Actions: where it can, it asks for an action rather than refuse a change.
	Actions bool
}

// NewDirectory returns an empty directory.
func NewDirectory(schema identity.Schema, caps agent.Capabilities) *Directory {
	return &Directory{schema: schema, caps: caps, state: newState(schema, caps)}
}

// Check sets what the directory insists on from now on.
func (d *Directory) Check(checks Checks) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.checks = checks
}

// Divide divides the directory into partitions from now on; none make it one again.
func (d *Directory) Divide(partitions ...agent.Partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.partitions = partitions
}

// Partitions implements agent.Partitioner.
func (d *Directory) Partitions(ctx context.Context) ([]agent.Partition, error) {
	var partitions []agent.Partition
	err := d.call(ctx, CallPartitions, func() error {
		partitions = slices.Clone(d.partitions)
		return nil
	})
	return partitions, err
}

// shows reports whether a request about a partition is about an object. The
// directory's lock is held.
func (d *Directory) shows(partition, dn string) bool {
	return partition == "" || agent.PartitionOf(d.partitions, dn) == partition
}

// checkRequest says why a request does not suit the partitions.
func (d *Directory) checkRequest(partition string, needed bool) error {
	known := slices.ContainsFunc(d.partitions, func(p agent.Partition) bool { return p.Name == partition })
	if partition != "" && !known || partition == "" && needed && len(d.partitions) > 0 {
		return fault.New("no-start-partition-not-configured", "there is no partition %q", partition)
	}
	return nil
}

// Put creates objects, or makes existing ones with the same anchor exactly as
// given: name, type and attributes. It panics if the directory does not accept
// one, because then the test is wrong.
func (d *Directory) Put(objects ...Object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range objects {
		if err := d.state.put(o); err != nil {
			panic(fmt.Sprintf("agenttest: %+v: %v", o, err))
		}
	}
}

// Remove deletes the object with the given anchor. It panics if there is none,
// or if it may not be deleted.
func (d *Directory) Remove(anchor string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.state.objects[anchor]
	if found == nil {
		panic(fmt.Sprintf("agenttest: there is no object %q", anchor))
	}
	if err := d.state.remove(found); err != nil {
		panic(fmt.Sprintf("agenttest: remove %q: %v", anchor, err))
	}
}

// Objects returns all objects, ordered by anchor.
func (d *Directory) Objects() []Object {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Object, 0, len(d.state.objects))
	for _, o := range d.state.objects {
		list = append(list, o.Object)
	}
	slices.SortFunc(list, func(a, b Object) int { return strings.Compare(a.Anchor, b.Anchor) })
	return list
}

// Object returns the object with the given anchor, false if there is none.
func (d *Directory) Object(anchor string) (Object, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.state.objects[anchor]; o != nil {
		return o.Object, true
	}
	return Object{}, false
}

// ChangeNumber returns the number of changes that the directory has seen, by
// whomever. It stands still exactly if nothing is written.
func (d *Directory) ChangeNumber() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state.number
}

// TrimLog forgets the change log up to now, as servers do after a while. A
// delta import from an older watermark then needs a full one first.
func (d *Directory) TrimLog() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.log, d.state.trimmed = nil, d.state.number
}

// Capabilities implements agent.Agent.
func (d *Directory) Capabilities() agent.Capabilities { return d.caps }

// Schema implements agent.Agent.
func (d *Directory) Schema(ctx context.Context) (identity.Schema, error) {
	if err := d.call(ctx, CallSchema, nil); err != nil {
		return identity.Schema{}, err
	}
	return d.schema, nil
}
