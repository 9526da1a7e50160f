package discover

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A Discoverer is implemented by [agent.Settings] that can look at their system by
// themselves, whether object types are described or not.
type Discoverer interface {
	// Discover looks at the system and changes nothing. Its error says that the system
	// cannot be looked at, or that the settings are wrong; what keeps it from telling a
	// part is a warning.
	Discover(ctx context.Context, env agent.Env) (*Discovery, error)
}

// A Discovery is what is known of a system.
type Discovery struct {
	System       string       // what it is, in a few words
	Facts        []Fact       // what it says of itself, in the order in which to show it
	Capabilities []Capability // what can be done with it, each name once
	Settings     []Fact       // keys that the agent should have besides those it has, such as a delimiter
	Types        []Type
	Containers   []Container // where the objects are, sorted by name, then by type
	Warnings     []string

	// Agent is the agent, which may know no object types: for what can be learned of
	// any agent. It may be nil.
	Agent agent.Agent
}

// A Fact has a name and a value, which is no secret.
type Fact struct{ Name, Value string }

// A Capability is something that a system can do, or not.
type Capability struct {
	Name  string
	Value string // how, or yes or no
	Why   string // "" if there is nothing to say
}

// Uncounted is the number of objects that nobody counted.
const Uncounted = -1

// A Type is a type of objects.
type Type struct {
	identity.ObjectType
	Configured bool // the configuration describes it, by this name

	Objects int  // or Uncounted
	AtLeast bool // there may be more
	Read    int  // of how many objects the values were looked at

	// Holders says that objects of the type hold others, and are seldom synchronized
	// themselves, as organizational units.
	Holders bool

	// Keys are further keys that the description of the type should have; Describe names
	// the attributes that it has to describe, since the system does not tell their
	// types, or tells others.
	Keys     []Key
	Describe []string

	Candidates []string       // attributes that have a value in each object, and none twice
	Use        map[string]Use // by attribute; one that is missing was never seen
}

// A Key is a key of an object type: a text, or a list of them.
type Key struct {
	Name   string
	Values []string
	List   bool
}

// Use is how an attribute is used.
type Use struct {
	Objects int // that have it, of those that were read
	Values  int // the most that one of them has
}

// A Container is a place with objects.
type Container struct {
	Name    string // of the partition, or the DN of a container
	Type    string
	Objects int
}
