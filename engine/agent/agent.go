package agent

import (
	"context"
	"log/slog"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An Agent connects the engine to one system.
type Agent interface {
	// Schema asks the system for its object types, completed by what the
	// configuration says of them. Every attribute that an import may deliver or
	// an export may carry is in it.
	Schema(ctx context.Context) (identity.Schema, error)

	// Capabilities says what the agent can do. It never changes.
	Capabilities() Capabilities
}

// Capabilities is what an agent can do (sync-engine §10.3). The zero value is
// an agent with distinguished names of its own, without delta imports.
type Capabilities struct {
	// DeltaImport: the agent can deliver only what changed since a watermark.
	// Without it a delta import reads the whole system (see [Import.Complete]).
	DeltaImport bool

	// AnchorIsDN: objects have no name but their anchor; the DN of an entry is
	// its anchor, and references hold anchors.
	AnchorIsDN bool

	// AllOrNothing: what Put accepted counts only once Close has returned nil,
	// as in an agent that writes a file.
	AllOrNothing bool

	// LDAPNames: DNs are LDAP distinguished names, compared and ordered as such.
	LDAPNames bool

	// IgnoreCase: names that differ in upper and lower case alone are the same name.
	// LDAP names always are; anchors, and names that are anchors, never.
	IgnoreCase bool

	// NoContainerRename: when the name of an object changes, those of what is below
	// it do not. The engine then renames no object that has others below it
	// ("unsupported-container-rename"). It means something with LDAPNames.
	NoContainerRename bool

	// ExportLevel is how much of an object a change carries.
	ExportLevel ExportLevel

	// Confirmation says which exported changes an import confirms.
	Confirmation Confirmation

	// NoReferencesInFirstExport: the system cannot create an object together with
	// its references. They follow as an Update in a second pass of the export.
	NoReferencesInFirstExport bool

	// NoPasswordsInFirstExport: the system cannot create an object together with
	// attributes that can only be written. They follow in the second pass.
	NoPasswordsInFirstExport bool

	// ReferencesStay: references to a renamed object may keep its former name, as in a
	// directory without referential integrity, and no delta import tells of them. After an
	// export that renames what others refer to, the engine calls for a full import.
	ReferencesStay bool

	// NoRename: the name of an object never changes. A rule that would change one is
	// an error on the object ("modify-naming-attribute"), and no change with a NewDN
	// reaches the agent.
	NoRename bool

	// NoEmptyText: the system cannot tell the empty text from no value, as a cell of a
	// file cannot. A rule that gives an attribute the empty text leaves it without a
	// value there, and the agent is never sent one by a flow.
	NoEmptyText bool

	// DeltaBeforeFull: a delta import needs no full one before it; without a
	// watermark it delivers changes from some beginning of its own.
	DeltaBeforeFull bool

	// NoConcurrency: no two agents that say so run at the same time, as agents that
	// share something which takes one user.
	NoConcurrency bool

	// FullExport: an export may be a full one (see [ExportRequest.Full]).
	FullExport bool

	// DeleteAddAsReplace: where an object is deleted and another one created in its
	// place, one Replace does both (see [Change.NewObject]). Without it, a Delete
	// comes in an [Export] that is closed before the one with the Add is opened.
	DeleteAddAsReplace bool
}

// An Importer reads from its system.
type Importer interface {
	// OpenImport starts reading. It must find out here, and not later, that the
	// system cannot be read at all.
	OpenImport(ctx context.Context, req ImportRequest) (Import, error)
}

// An ImportRequest says what to read.
type ImportRequest struct {
	Schema    identity.Schema // what the engine believes the system to be
	Required  []Required      // attributes without which an import would do harm
	Partition string          // what to read, see [Partitioner]; "" is all
	Delta     bool            // only what changed since the watermark
	Watermark []byte          // what the last complete import left, nil if there was none
	PageSize  int             // wanted number of entries in a page

	// Containers, with LDAPNames, is the part of the hierarchy that counts. An agent
	// that can searches only there; the engine leaves out what is elsewhere in any
	// case. In a complete import, what is elsewhere is gone.
	Containers identity.Containers
}

// Required names an attribute that rules read. If the system no longer has it,
// OpenImport must refuse rather than deliver objects without it.
type Required struct{ ObjectType, Attribute string }

// Check refuses the import if the system, whose schema this is, lacks an
// attribute that rules read. OpenImport returns its error as it is.
func (r *ImportRequest) Check(schema identity.Schema) error {
	for _, required := range r.Required {
		t := schema.Type(required.ObjectType)
		if t == nil {
			return fault.New("no-start-database-schema-mismatch", "there is no object type %q", required.ObjectType)
		}
		if t.Attribute(required.Attribute) == nil {
			err := fault.New("no-start-database-schema-mismatch", "%s has no attribute %q", t.Name, required.Attribute)
			err.Attribute = required.Attribute
			return err
		}
	}
	return nil
}

// An Import is a stream of entries.
type Import interface {
	// Next empties page and fills it with the next entries, about as many as were
	// wanted. It returns io.EOF, and an empty page, after the last one. Any other error ends the import: it
	// is incomplete, and nothing may be concluded from what it did not deliver.
	Next(ctx context.Context, page *Page) error

	// Complete reports whether the stream, read to its end, holds every object
	// of the system, so that an object which it does not hold is gone. It is
	// called once, before the first Next.
	Complete() bool

	// Unchanged reports whether nothing changed since the watermark, so that the
	// stream is empty though Complete. It is called once, before the first Next.
	Unchanged() bool

	// Close ends the import. After a complete read it returns the watermark for
	// the next one; otherwise the result means nothing.
	Close(ctx context.Context, outcome Outcome) (watermark []byte, err error)
}

// An Outcome tells an agent how a run ended.
type Outcome int

// The outcomes.
const (
	Completed Outcome = iota // everything was read, or put
	Aborted                  // an error, a limit, or somebody stopped the run
)

// A Page holds entries and the room for their content. Entries stay valid until
// the page is filled again; who needs them longer copies them.
type Page struct {
	Entries []Entry

	attributes []identity.Attribute
	values     []identity.Value
}

// Reset empties the page and keeps its room.
func (p *Page) Reset() {
	p.Entries, p.attributes, p.values = p.Entries[:0], p.attributes[:0], p.values[:0]
}

// Add appends an empty entry and returns it; the pointer is good until the next Add.
func (p *Page) Add() *Entry {
	p.Entries = append(p.Entries, Entry{})
	return &p.Entries[len(p.Entries)-1]
}

// Attributes returns room in the page for n attributes.
func (p *Page) Attributes(n int) []identity.Attribute {
	p.attributes = grow(p.attributes, n)
	start := len(p.attributes) - n
	return p.attributes[start : start : start+n]
}

// Values returns room in the page for n values.
func (p *Page) Values(n int) []identity.Value {
	p.values = grow(p.values, n)
	start := len(p.values) - n
	return p.values[start : start : start+n]
}

// grow extends s by n items. Earlier cuts of s stay valid: when the room is
// used up, new room is taken and the old left to those who hold it.
func grow[T any](s []T, n int) []T {
	if len(s)+n > cap(s) {
		s = make([]T, 0, max(2*cap(s), n, 256))
	}
	return s[:len(s)+n]
}

// An Entry is one object, or one change to an object, as the system tells it
// (sync-engine §10.2).
type Entry struct {
	// Op is Add for a complete object, Update for changes to one, Delete for
	// one that is gone. The zero value is an Add. Any other operation, and what
	// does not fit the schema, is a discovery error on the object.
	Op identity.Operation

	ObjectType string
	DN         string // as the system writes it; equal to Anchor if AnchorIsDN
	Anchor     string // see identity.JoinAnchor
	NewDN      string // Update: the object was renamed

	Attributes identity.Attributes // Add: everything; references are unresolved
	Changes    []identity.Change   // Update: sorted by name

	Line int // where in its file the entry begins, 0 if it has none

	// Err is a discovery error (sync-engine §2.7). The object is not staged; it
	// counts as seen if the entry has an anchor.
	Err *fault.Error
}

// An Exporter writes to its system.
type Exporter interface {
	// OpenExport starts an export. It must find out here that the system cannot
	// be written at all.
	OpenExport(ctx context.Context, req ExportRequest) (Export, error)
}

// An ExportRequest says what will be written.
type ExportRequest struct {
	// Seen: an import has delivered objects of the system before. It must exist
	// then: one that is gone is an error, and is not created anew.
	Seen bool

	// Full: the objects that are connected all come, whole: as an Add or a Replace,
	// whatever the export level is. Deletions come as in any export.
	Full bool

	Schema    identity.Schema
	Partition string // what will be written to, see [Partitioner]; "" is any
}

// An Export takes changes.
type Export interface {
	// Put carries out the changes in their order and returns as many results.
	// An error ends the export: nobody knows what became of these changes.
	Put(ctx context.Context, changes []Change) ([]Result, error)

	// Close ends the export. With AllOrNothing, nothing has been written until
	// it returns nil, and nothing is written at all if outcome is Aborted.
	Close(ctx context.Context, outcome Outcome) error
}

// A Change is what an export does to one object.
type Change struct {
	Op         identity.Operation // Add, Update, Delete; with ObjectLevel Replace instead of Update
	ObjectType string
	DN         string // as it is, for an Add as it shall be
	Anchor     string // "" for an Add whose anchor the system gives
	NewDN      string // Update and Replace: rename the object

	// Changes of attributes, sorted by name, as [ExportLevel] says; references
	// hold DNs. For an Add and a Replace all of them are Adds.
	Changes []identity.Change

	// Image is the whole object as it shall be after the change, as far as the
	// engine knows it. An Update at [ValueLevel] has none: the rest of a large
	// attribute is not even looked at.
	Image identity.Attributes

	// Repeated: an interrupted export may have carried this out already. What
	// is then found in place is a success.
	Repeated bool

	// NewObject, with DeleteAddAsReplace, of a Replace at any export level: the object
	// is deleted, and another one of ObjectType is created with its name. Nothing of
	// the old one stays. If there is none, the new one is created all the same.
	NewObject bool

	// NamePassed, with Repeated: the same export gives the name DN to another object
	// once this one has NewDN. Where the name is all that there is to know an object
	// by, whoever bears DN may be that other one: an object that is found under NewDN
	// is the one meant.
	NamePassed bool
}

// A Result is what became of a [Change].
type Result struct {
	Anchor string       // Add: the anchor of the new object, if the system gave it
	DN     string       // the DN, if the system changed it
	Err    *fault.Error // an export error (sync-engine §2.8); nil is success

	// Refused names the attributes of the change that the system did not take, while
	// everything else of it is done. They stay pending; Err says why, or it is
	// "partial-success".
	Refused []string

	Action Action // what the engine shall do about the change; only without it is nil success
}

// A Kind is a kind of connected system that configurations may name.
type Kind struct {
	Name string // as in `type: csv`
	Doc  string // one sentence for the reference

	// New returns a pointer to a new settings struct. The configuration decodes
	// the agent's keys into its exported fields, by their `yaml` tags; a `doc`
	// tag describes the key, `default:` is only shown. Values of type [Path] are
	// made absolute, those of type [Secret] must come from outside. A field of type any is for keys that only the running program
	// knows: New sets it to a pointer, and what that points to is filled.
	New func() Settings

	// NewObject returns a pointer to a struct for the keys of an object type
	// that only this kind has; nil if there are none.
	NewObject func() any

	// Version changes when what an import delivers may have changed although nothing
	// that is written about the agent has, as with a script that implements it. "" if
	// that takes another program.
	Version string
}

// Settings is the configuration of one agent.
type Settings interface {
	// Open returns the agent. It checks the settings, but connects to nothing.
	Open(env Env) (Agent, error)
}

// A Watcher is an agent that hears of changes in its system at once.
type Watcher interface {
	// Watch calls changed whenever something in the system has changed, until ctx is
	// done; its error is that of ctx, or one that no further try would mend, such as
	// that the server cannot tell. It connects again when the connection is lost,
	// after growing pauses. Nobody heard what happened meanwhile, so it calls changed
	// each time it has begun to listen, the first time too. Several changes may be one
	// call; changed is called by one goroutine, and must not block for long.
	Watch(ctx context.Context, changed func()) error
}

// Files is implemented by Settings whose system is files, which can be watched.
type Files interface {
	// Files returns their paths.
	Files() []string
}

// A Path is a file or folder in a configuration. Relative ones are relative to
// the configuration file.
type Path string

// A Secret is a text that must not stand in a configuration: it is written there as
// ${env:NAME} or ${file:PATH}.
type Secret string

// Env is what an agent is given besides its own settings.
type Env struct {
	Name    string // of the agent
	Objects []Object
	Log     *slog.Logger
}

// An Object is an object type as the configuration describes it.
type Object struct {
	Name       string
	Anchor     []string
	Attributes []Attribute
	Settings   any // what [Kind.NewObject] returned, filled; nil without it
	Position   fault.Position
}

// An Attribute is an attribute as the configuration describes it.
type Attribute struct {
	Name      string
	Type      identity.Type
	Multi     bool
	Separator string // between the values, where the system has only text
	Confirm   identity.Comparer
	Position  fault.Position
}
