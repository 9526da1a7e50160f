package space

import (
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// A Lineage says which kind of rule made a link, or cut one (sync-engine §1.7).
type Lineage uint8

// The lineages of links and of disconnections. Their numbers are stored.
const (
	ByFilter         Lineage = 1 // cut: the connector filter
	ByProjection     Lineage = 2
	ByJoin           Lineage = 3
	ByProvisioning   Lineage = 4
	ByDeletion       Lineage = 5 // cut: the metaverse object was deleted
	ByDeprovisioning Lineage = 8 // cut: an outbound rule that no longer applies, or a script
	ByHand           Lineage = 9

	// These are our own.
	ByScope     Lineage = 10 // cut: an inbound rule that no longer applies
	ByRejoining Lineage = 11 // cut: the join criteria were tried again, and led elsewhere
)

var lineageNames = map[Lineage]string{
	ByFilter: "disconnect-filter", ByProjection: "projection", ByJoin: "join", ByProvisioning: "provisioning",
	ByDeletion: "metaverse-deletion", ByDeprovisioning: "deprovisioning", ByHand: "account-joiner",
	ByScope: "inbound-scope", ByRejoining: "rejoin",
}

// String returns the name of the lineage in records.
func (l Lineage) String() string {
	if name, known := lineageNames[l]; known {
		return name
	}
	return "unknown"
}

// A Disconnection tells what cut a link, and when (sync-engine §1.2).
type Disconnection struct {
	By   Lineage
	Rule string // "" if it was no rule
	At   time.Time

	Object identity.ID // the metaverse object that it was linked to, 0 if it is not known
}
