package agent

import (
	"context"
	"errors"
)

// A Hierarchical agent can list the containers of its system (sync-engine §10.1:
// getHierarchy), such as the organizational units of a directory: for
// administrators who choose which of them to import. It needs LDAPNames.
type Hierarchical interface {
	// Hierarchy asks the system for the containers right below a container, in any
	// order; for "" for those at the top. They need not be of a type that imports
	// deliver.
	Hierarchy(ctx context.Context, parent string) ([]Container, error)
}

// A Container is a place in a hierarchy of names.
type Container struct {
	DN     string
	IsLeaf bool // there is no container below it: nobody needs to ask
}

// ErrNoHierarchy is the error of Hierarchy if an agent that something stands before,
// such as a guard, is not [Hierarchical] itself.
var ErrNoHierarchy = errors.New("the agent cannot list containers")
