package rules

import (
	"context"
	"time"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/identity"
)

// Functions are what code outside the model decides: functions of the expression
// language, and rules extensions. Scripts provide them, and so may a program that
// embeds the engine. All of them must be pure: the same objects, the same answer.
type Functions struct {
	ByName    map[string]expr.Function      // called by expressions
	Flows     map[FlowName]Flower           // called by flows with a script as source
	Agents    map[string]AgentExtension     // by agent
	Metaverse map[string]MetaverseExtension // by metaverse type

	// Version changes when what any of them decides may change; it counts for
	// those that have no version of their own.
	Version      string
	FlowVersions map[FlowName]string
}

// A FlowName names the script of a flow: whose attributes it reads, and its own
// name among them.
type FlowName struct {
	Agent, Object string // of an inbound flow; Agent is "" and Object a metaverse type for an outbound flow
	Name          string
}

// A Flower computes the value of a flow (sync-engine §9.1 MapAttributesForImport
// and MapAttributesForExport). Null contributes nothing: the next in precedence
// may. [expr.AuthoritativeNull] empties the target, and [expr.IgnoreThisFlow], as
// the error [ErrDeclineMapping], leaves it as if the flow did not exist.
type Flower func(ctx context.Context, source Entry) (expr.Value, error)

// An AgentExtension is the rules extension of a management agent (sync-engine
// §9.1). A nil function is a decision that it leaves to the model.
type AgentExtension struct {
	Version string // changes when what it decides may change; see [Functions]

	// Filter is the connector filter. It may not be combined with a declared one
	// for the same object type.
	Filter func(ctx context.Context, cs ConnectorEntry) (filtered bool, err error)

	// JoinValues computes the values that a join criterion looks for, for pairs
	// that name a script instead of an attribute.
	JoinValues func(ctx context.Context, script string, cs ConnectorEntry) ([]identity.Value, error)

	// ResolveJoin decides which of the metaverse objects that satisfy a join
	// criterion the object is joined to, also if it is only one. name is that of the
	// criterion's resolver or, if it has none, that of the rule.
	ResolveJoin func(ctx context.Context, name string, cs ConnectorEntry, candidates []MetaverseEntry) (Resolution, error)

	// Project decides whether an object that joined nothing becomes a metaverse
	// object, and of which type; "" is no, and [ErrTypeNotSet] a yes without a type. It goes before the rules that project.
	Project func(ctx context.Context, cs ConnectorEntry) (metaverseType string, err error)

	// Deprovision decides what becomes of an object whose link is cut: Disconnect,
	// ExplicitDisconnect or DeleteObject. It is asked if the agent's
	// deprovisioning rule is DeprovisionScript.
	Deprovision func(ctx context.Context, cs ConnectorEntry) (Deprovision, error)
}

// A Resolution is the answer of a join resolver.
type Resolution struct {
	Join  bool
	Index int    // among the candidates
	Type  string // the new metaverse type of the object, "" keeps it
}

// A MetaverseExtension is the rules extension of a metaverse type.
type MetaverseExtension struct {
	Version string // changes when what it decides may change; see [Functions]

	// Provision creates, renames and disconnects connectors. It is called after
	// the rules have provisioned, again if a link was cut, and at most ten times
	// for one synchronization of the object (sync-engine §3.8).
	Provision func(ctx context.Context, mv ProvisioningEntry) error

	// ShouldDelete is the object deletion rule, asked when a connector was cut, if
	// the type's deletion rule is a script.
	ShouldDelete func(ctx context.Context, cs ConnectorEntry, mv MetaverseEntry) (bool, error)
}

// An Entry is the view of an object that an extension is given. It is good only
// until the call returns.
type Entry interface {
	expr.Getter
	ID() identity.ID
	ObjectType() string
	Attributes() identity.Attributes // sorted by name; not to be changed

	// Multi reports whether an attribute may have several values, however many it
	// has. Of an attribute that is not known, nothing is.
	Multi(attribute string) bool
}

// A FlowEntry is what an inbound [Flower] is given: the object as it was imported,
// and the metaverse object that it contributes to. With manual precedence the
// script decides by looking at that and its other connectors (sync-engine §4.8).
type FlowEntry interface {
	ConnectorEntry
	Target() MetaverseEntry
}

// A ConnectorEntry is a connector-space object as it was imported.
type ConnectorEntry interface {
	Entry
	Agent() string
	DN() string
	Anchor() string
}

// A MetaverseEntry is a metaverse object.
type MetaverseEntry interface {
	Entry
	Connectors(agent string) ([]ConnectorEntry, error)
	Contributor(attribute string) (agent string, at time.Time) // "" if the attribute is absent
}

// A ProvisioningEntry is a metaverse object whose connectors may be changed.
type ProvisioningEntry interface {
	MetaverseEntry

	// NewConnector creates a connector with a DN and the attributes that it gets
	// besides those that rules flow. A disconnector with that DN is joined
	// instead, and gets none of them; if the object has a connector of that type
	// with that DN already, nothing happens. Where the anchor is the DN, one of the
	// two may be left out: the DN, if initial has all of the anchor, or an anchor of
	// one attribute.
	//
	// Its errors are those of provisioning by rule, such as object-already-exists,
	// non-existent-parent and invalid-dn, besides no-such-object-type and
	// unexpected-provisioning-attribute. A function that returns one gives the
	// object that error.
	NewConnector(agent, objectType, dn string, initial identity.Attributes) error

	// Rename gives a connector a new DN, stronger than that of a rule. Ask for it
	// in every call: a rename that is not asked for again is not exported. Where
	// the anchor is the DN it is an error, modify-naming-attribute.
	Rename(connector identity.ID, dn string) error

	// Disconnect cuts a connector, and its agent's deprovisioning rule says what
	// becomes of it. Provision is then called again.
	Disconnect(connector identity.ID) error

	// Taken reports whether an object of an agent has a DN, or is to get it: one that
	// nobody is connected with, too, which NewConnector would join.
	Taken(agent, dn string) (bool, error)
}
