package run

import (
	"slices"

	"github.com/metasync/metasync/engine/fault"
)

// staleNames are the names of errors which say that a system is not what the connector
// space believes it to be: somebody has created, renamed or deleted objects since the
// last import.
var staleNames = []string{"cd-existing-object", missingObject, "rename-to-existing-dn"}

// showsStale reports whether the failure of a change is news of that kind. The import that
// it asks for may find nothing that helps; so the same failure does not ask again.
func showsStale(o *outgoing, failure *fault.Error) bool {
	return slices.Contains(staleNames, failure.Name) && (o.failure == nil || o.failure.Name != failure.Name)
}
