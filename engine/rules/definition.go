package rules

import (
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A Model is everything that decides how objects are synchronized, as an
// administrator wrote it. [Compile] turns it into something to run.
type Model struct {
	Types   []MetaverseType
	Agents  []Agent // in the order of the configuration: the default precedence
	Rules   []Rule
	Dialect string // of expressions, "fim" unless a rule says otherwise

	Precedence   PrecedenceModel
	Provisioning Provisioning
}

// A Provisioning says who may create, rename and disconnect objects of connected
// systems (sync-engine §3.8). Whatever it says, attributes flow to the objects that
// are connected.
type Provisioning string

// The settings of provisioning.
const (
	NoProvisioning Provisioning = "none"
	ByScript       Provisioning = "scripted"
	BySyncRule     Provisioning = "sync-rule"
	ByBoth         Provisioning = "both" // also the empty setting
)

// A PrecedenceModel says how ranked precedence orders the flows into a metaverse
// attribute (sync-engine §4.6).
type PrecedenceModel string

// The precedence models.
const (
	ByAgent PrecedenceModel = "fim"   // by agent, then by the precedence of the rule; also the empty model
	ByRule  PrecedenceModel = "entra" // by the precedence of the rule, then by agent
)

// A MetaverseType is an object type of the metaverse.
type MetaverseType struct {
	Name       string
	Attributes []MetaverseAttribute
	Delete     DeletionRule
	Position   fault.Position `json:"-"`
}

// A MetaverseAttribute is an attribute of a metaverse type.
type MetaverseAttribute struct {
	Name       string
	Type       identity.Type
	Multi      bool
	Indexed    bool // attributes that joins use are indexed in any case
	Unique     bool `json:",omitempty"` // no two objects of the type may have a value in common, whatever its case
	Precedence Precedence
	Position   fault.Position `json:"-"`
}

// A Precedence says which of several contributors wins (sync-engine §4.1).
type Precedence struct {
	Mode   PrecedenceMode
	Agents []string // ranked: the strongest first; agents not named follow in the order of the model
}

// A PrecedenceMode is ranked, equal or manual.
type PrecedenceMode string

// The modes of precedence.
const (
	Ranked PrecedenceMode = "ranked" // also the empty mode
	Equal  PrecedenceMode = "equal"
	Manual PrecedenceMode = "manual"
)

// A DeletionRule says when a metaverse object is deleted (sync-engine §8.2).
type DeletionRule struct {
	When     DeletionCondition
	Agents   []string // any-of: these agents
	Ignore   []string // last-connector: connectors of these agents do not count
	Script   bool
	Position fault.Position `json:"-"`
}

// A DeletionCondition is last-connector, any-of or held.
type DeletionCondition string

// The deletion conditions.
const (
	LastConnector DeletionCondition = "last-connector" // also the empty condition
	AnyOf         DeletionCondition = "any-of"
	Held          DeletionCondition = "held" // by no rule any more, see [LinkType]
)

// An Agent is what the rules must know of a management agent.
type Agent struct {
	Name       string
	Schema     identity.Schema // from the agent itself, not from the configuration
	Assumed    bool            // the system did not answer: attributes that Schema lacks are taken for texts
	AnchorIsDN bool            // see agent.Capabilities
	LDAPNames  bool

	NoContainerRename bool `json:"-"` // these decide about errors alone
	NoRename          bool `json:"-"`
	NoEmptyText       bool `json:",omitempty"`

	Filter      map[string]Scope // connector filter by object type (sync-engine §3.4)
	Deprovision Deprovision

	// DeprovisionByDefault: nobody chose Deprovision. An empty Deprovision is a
	// default, too. See [Held].
	DeprovisionByDefault bool `json:"-"` // described where it counts

	NoRecall bool // keep contributed values after a disconnect (sync-engine §4.5)

	// RequireParent: an object is created, or renamed, only into a container that
	// the connector space has. It needs LDAPNames.
	RequireParent bool

	// Containers is the part of the hierarchy that the agent imports, and in which
	// alone objects are created or renamed (sync-engine §2.3). It needs LDAPNames.
	Containers identity.Containers `json:"-"` // imports and errors follow it by themselves

	// Orphans says how strong the values are that were kept.
	Orphans OrphanedLineage

	// ProjectOnAmbiguous projects an object that several metaverse objects match
	// (sync-engine §0 C3).
	ProjectOnAmbiguous bool

	// Parameters are those that expressions in the agent's rules may read, beside
	// Connector.ID, its name: texts, booleans and whole numbers.
	Parameters map[string]any

	// MaxConnectors is how many objects of the agent one metaverse object may be
	// joined with; 0 is one (sync-engine §3.5).
	MaxConnectors int

	// ImportView says what inbound flows read; "" is the imported view, or the
	// exported one if the model's dialect is that of Entra.
	ImportView ImportView `json:",omitempty"`

	Position fault.Position `json:"-"`
}

// An ImportView is an image of an object that inbound flows read (sync-engine
// §1.3).
type ImportView string

// The import views.
const (
	ImportedView ImportView = "imported" // what the last import saw
	ExportedView ImportView = "exported" // ... with what was exported since, and what is going to be
)

// An OrphanedLineage says how strong values are whose contributor was
// disconnected without recall (sync-engine §4.5).
type OrphanedLineage string

// The orphaned lineages.
const (
	KeepLineage   OrphanedLineage = "keep"   // as strong as before; also the empty lineage
	LowestLineage OrphanedLineage = "lowest" // weaker than every other contribution
)

// A Deprovision is what becomes of a connector whose link is cut by the engine
// (sync-engine §8.1).
type Deprovision string

// The deprovisioning options.
const (
	Disconnect         Deprovision = "disconnect" // also the empty option
	ExplicitDisconnect Deprovision = "explicit-disconnect"
	DeleteObject       Deprovision = "delete"
	DeprovisionScript  Deprovision = "script"
)

// A Rule is a synchronization rule (sync-engine §5.1).
type Rule struct {
	Name        string
	ID          string `json:"-"` // see Key
	Description string `json:"-"`
	Tag         string `json:"-"` // a label that means nothing to the rules
	Disabled    bool   `json:"-"` // as if it were not there, but checked

	Agent      string
	Object     string // resource type of the connected system
	Metaverse  string // resource type of the metaverse
	Precedence int    // among the rules of one agent; smaller wins
	DependsOn  string // a rule that must apply to the object first (sync-engine §5.5)
	Dialect    string // "" is the model's

	// PrecedenceBefore names the rule right before which this one ranks, instead
	// of a Precedence of its own.
	PrecedenceBefore string

	Join     []JoinCriterion
	Inbound  *Inbound
	Outbound *Outbound
	Position fault.Position `json:"-"`
}

// A JoinCriterion is one or several equalities, all of which must hold.
type JoinCriterion struct {
	Pairs []JoinPair

	// AnyType looks among metaverse objects of all types that have the attributes,
	// instead of those of the rule's type.
	AnyType bool `json:",omitempty"`

	// Resolver is the name under which the agent's extension is asked which of the
	// objects that match is joined; "" is the name of the rule.
	Resolver string `json:",omitempty"`

	Position fault.Position `json:"-"`
}

// A JoinPair compares a connector-space attribute with a metaverse attribute.
type JoinPair struct {
	Connector     string
	Metaverse     string         // an attribute, or ObjectIDAttribute
	Script        bool           // Connector names a join script of the agent's extension instead of an attribute
	CaseSensitive bool           // upper and lower case count
	Position      fault.Position `json:"-"`
}

// An Inbound is the inbound half of a rule.
type Inbound struct {
	Scope   Scope
	Project bool
	Sticky  bool `json:",omitempty"` // see [LinkType]

	// Disconnect cuts a link that the rule made when the rule no longer applies to
	// the object, and no other rule holds the link. Without it the link stays, and
	// only the values go that the rule gave.
	Disconnect bool `json:",omitempty"`

	Flows []Flow
}

// An Outbound is the outbound half of a rule.
type Outbound struct {
	ByPolicy    bool // only where an expected rule entry says so
	Scope       Scope
	Provision   bool
	Sticky      bool `json:",omitempty"` // see [LinkType]
	Deprovision bool
	Parameters  []string
	Flows       []Flow
}

// A Scope is a list of alternatives, each a list of conditions that must all
// hold. The empty scope holds every object (sync-engine §5.2).
type Scope [][]Condition

// A Condition compares an attribute with a constant.
type Condition struct {
	Attribute string
	Operator  string // as in the configuration, or as a code of the reference
	Value     string
	Position  fault.Position `json:"-"`
}

// A Flow gives an attribute its value.
type Flow struct {
	Target        string
	Source        Source
	Scope         Scope          // the flow exists only for objects that it holds
	Merge         MergeType      // inbound
	Initial       bool           // only while the object is being created
	AllowNull     bool           // outbound: no value removes the attribute
	ExistenceTest bool           // outbound: an object with this value has been detected (sync-engine §5.7)
	Position      fault.Position `json:"-"`
}

// A MergeType says how the flows into one metaverse attribute share it
// (sync-engine §4.9).
type MergeType string

// The merge types.
const (
	Update               MergeType = "update"                 // the strongest flow owns the attribute; also the empty type
	ReplaceValues        MergeType = "replace"                // the same
	Merge                MergeType = "merge"                  // the values of all flows
	MergeCaseInsensitive MergeType = "merge-case-insensitive" // the same, without values that differ only in case
)

// A Source is where a flow's value comes from. Exactly one field is set, except
// that a constant may also be the empty text (Constant true).
type Source struct {
	Attribute  string // direct
	Expression string // without the leading =
	Script     string // the name of a flow function of a script
	DNPart     int    // inbound: the component of the DN with this number, counted from 1, the object's own
	Constant   bool
	Value      string         // of a constant
	Position   fault.Position `json:"-"` // of the source's first character
	Marks      *expr.Marks    `json:"-"` // of an expression: further places, as in expr.Options
}
