package engine

import (
	"cmp"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// Bounds of the search in the history.
const (
	searchedRuns    = 200
	searchedObjects = 200_000
)

// history finds the runs that staged what is pending for an object: for every
// attribute the first of those in a row that staged it as it is. Where objects
// behind counters are not kept, or no longer, nobody knows.
func (x *explaining) history(c *space.Connector) error {
	if c.Unapplied.IsZero() || len(c.Unapplied.Changes) == 0 {
		return nil
	}
	records, err := x.e.history.Last(searchedRuns)
	if err != nil {
		return err
	}
	agent := x.agentOf(c.ID)
	since := map[string]PendingSince{}
	latest := map[string]*identity.Change{} // as the newest run staged it
	open := map[string]bool{}
	for i := range c.Unapplied.Changes {
		open[c.Unapplied.Changes[i].Name] = true
	}
	looked := 0
	for _, record := range records {
		for step := len(record.Steps); step > 0 && len(open) > 0 && looked < searchedObjects; step-- {
			staged, err := x.stagedBy(record, step, agent, c.ID, &looked)
			if err != nil {
				return err
			}
			if staged == nil {
				continue
			}
			for name := range open {
				change := staged.Change(name)
				if change == nil || latest[name] != nil && !sameChange(latest[name], change) {
					delete(open, name)
					continue
				}
				latest[name] = change
				started := record.Steps[step-1].Started
				since[name] = PendingSince{Run: record.Run, Since: &started}
			}
		}
	}
	x.staged[c.ID] = since
	return nil
}

func sameChange(a, b *identity.Change) bool {
	return a.Op == b.Op && slices.EqualFunc(a.Values, b.Values, func(v, w identity.Value) bool { return v.Text() == w.Text() })
}

// stagedBy returns what a step staged for an object, nil if nothing.
func (x *explaining) stagedBy(record *run.Record, step int, agent string, id identity.ID, looked *int) (staged *identity.Delta, err error) {
	counters := record.Steps[step-1].Outbound[agent]
	for _, counter := range []sync.Counter{sync.ConnectorFlow, sync.ProvisionedAddFlow, sync.ProvisionedAddNoFlow, sync.ProvisionedRenameFlow} {
		if counters[counter] == 0 || staged != nil {
			continue
		}
		err = x.e.history.Details(record.Run, step, run.OutboundCounters, agent, string(counter), func(d run.Detail) bool {
			*looked++
			if d.ID == id {
				staged = cmp.Or(staged, d.Delta)
			}
			return *looked < searchedObjects
		})
		if err != nil {
			return nil, err
		}
	}
	return staged, nil
}
