package notify

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// StateClosed is the state of an incident that somebody has closed.
const StateClosed = "closed"

// idOf returns what an incident is called for short: the same whenever it opens.
func idOf(key string) string {
	digest := fnv.New32a()
	_, _ = digest.Write([]byte(key)) // a hash takes everything
	return fmt.Sprintf("%08x", digest.Sum32())
}

// Key returns the long name of an incident: its kind, its agent and its name with
// slashes in between, as far as it has them.
func (i *Incident) Key() string {
	return strings.TrimRight(string(i.Kind)+"/"+i.Agent+"/"+i.Name, "/")
}

// Close ends an open incident, which its id or its key names, and returns it as it was.
// Whoever was told of it is told that somebody has closed it. If what it is about goes
// on, the next event opens it anew. The error is unknown-incident if none is open that
// is called so.
func (n *Notifier) Close(name, by, reason string) (*Incident, error) {
	n.posting.Lock()
	defer n.posting.Unlock()
	for _, known := range n.incidents() {
		if name != idOf(known.key()) && name != known.Key() {
			continue
		}
		closed := known.Incident
		closed.ID = idOf(known.key())
		e := Recovered(known.Kind, known.Agent, known.Name, n.now())
		e.State = StateClosed
		if by != "" {
			e.State += " by " + by
		}
		if reason != "" {
			e.State += ": " + reason
		}
		settings := n.current()
		if err := n.post(&settings, &e); err != nil {
			return nil, fmt.Errorf("close an incident: %w", err)
		}
		return &closed, nil
	}
	unknown := fault.New("unknown-incident", "no incident is open that is called %q", name)
	unknown.Hint = "metasync notify shows those that are"
	return nil, unknown
}
