package agent

import (
	"context"

	"github.com/metasync/metasync/engine/identity"
)

// An ObjectReader is an agent that reads one object without delivering the others
// (import type FullObject, sync-engine §10.1). Without it the engine opens a full
// import and takes the one entry out of the stream.
type ObjectReader interface {
	// ReadObject empties page and puts the object into it, as an Add. A page without
	// an entry says that the system surely does not have the object, and the engine
	// takes it for deleted. An agent that did not find the object, and cannot be sure
	// of that, returns an error named cd-missing-object. Whatever else keeps it from
	// reading is an error as of [Importer.OpenImport].
	//
	// errors.ErrUnsupported says that this agent, as it is configured, cannot read
	// single objects.
	ReadObject(ctx context.Context, req ObjectRequest, page *Page) error
}

// An ObjectRequest says which object to read. The object is the one with the
// anchor; the name counts only if the anchor is not known.
type ObjectRequest struct {
	Schema     identity.Schema // what the engine believes the system to be
	Required   []Required      // see [ImportRequest]
	Partition  string          // where to look, see [Partitioner]; "" is everywhere
	ObjectType string          // "" if it is not known
	Anchor     string          // "" if it is not known
	DN         string          // "" if only the anchor is known
}
