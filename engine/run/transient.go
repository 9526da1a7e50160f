package run

import "github.com/metasync/metasync/engine/space"

// Transients returns how many objects of an agent have lost their name to another
// one and not yet got a new one (sync-engine §1.4).
func Transients(tx *space.Tx, agent string) int { return tx.CountNames(agent, transientPrefix) }
