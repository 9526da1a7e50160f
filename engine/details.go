package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// A DetailQuery says which objects of a run to show: those behind a counter.
type DetailQuery struct {
	Run     uint64 `json:"run"`
	Step    int    `json:"step,omitempty"` // from 1; 0 is every step
	Counter string `json:"counter"`
	Agent   string `json:"agent,omitempty"` // for counters of what flows out: the agent that it flows to
	Limit   int    `json:"limit,omitempty"` // 0 is no limit
}

// A DetailView is an object behind a counter, as it was then. Its JSON form is
// the public one.
type DetailView struct {
	Step      int                   `json:"step"`
	Agent     string                `json:"agent"`
	ID        *identity.ID          `json:"id"` // null for an object that could not be staged at all
	Object    string                `json:"object"`
	DN        string                `json:"dn"`
	Anchor    string                `json:"anchor"`
	Operation string                `json:"operation,omitempty"` // what was staged, flowed or sent
	NewDN     string                `json:"newDN,omitempty"`
	Changes   map[string]ChangeView `json:"changes,omitempty"` // removed holds the values before
}

// Details returns the objects behind a counter of a run (sync-engine §2.5), in the
// order in which they were counted. A counter that stands for inbound and for
// outbound flows, such as connector-flow, is the inbound one unless the query
// names an agent.
func (e *Engine) Details(q DetailQuery) ([]DetailView, error) {
	record, err := e.history.Record(q.Run)
	switch {
	case err != nil:
		return nil, err
	case record == nil:
		return nil, fault.New("unknown-run", "run %d is not in the history", q.Run)
	case q.Step < 0 || q.Step > len(record.Steps):
		return nil, fault.New("unknown-step", "run %d has no step %d: it has %d", q.Run, q.Step, len(record.Steps))
	}
	group, err := detailGroup(q)
	if err != nil {
		return nil, err
	}
	views := []DetailView{}
	for i, step := range record.Steps {
		if q.Step != 0 && q.Step != i+1 {
			continue
		}
		agents := []string{cmp.Or(step.Agent, record.Agent)}
		if group == run.OutboundCounters {
			agents = slices.Sorted(maps.Keys(step.Outbound))
			if q.Agent != "" {
				agents = []string{q.Agent}
			}
		}
		for _, agent := range agents {
			if err := e.detailsOf(q, i+1, group, agent, &views); err != nil {
				return nil, err
			}
		}
	}
	return views, nil
}

// detailGroup returns the group of counters that a query is about.
func detailGroup(q DetailQuery) (run.CounterGroup, error) {
	groups := []run.CounterGroup{run.StagingCounters, run.InboundCounters, run.ExportCounters, run.OutboundCounters}
	if q.Agent != "" {
		groups = []run.CounterGroup{run.OutboundCounters}
	}
	var known []string
	for _, group := range groups {
		counters := run.DetailedCounters(group)
		if slices.Contains(counters, q.Counter) {
			return group, nil
		}
		known = append(known, counters...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	var err *fault.Error
	switch {
	case slices.Contains(run.BareCounters, q.Counter):
		err = fault.New("no-details", "the objects of the counter %q are not kept", q.Counter)
	case q.Agent != "":
		err = fault.New("unknown-counter", "there is no outbound counter %q", q.Counter)
	default:
		err = fault.New("unknown-counter", "there is no counter %q", q.Counter)
	}
	if near := fault.Suggest(q.Counter, known); near != "" && err.Name == "unknown-counter" {
		err.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		err.Hint = "there are " + strings.Join(known, " ")
	}
	return "", err
}

func (e *Engine) detailsOf(q DetailQuery, step int, group run.CounterGroup, agent string, views *[]DetailView) error {
	return e.space.View(func(tx *space.Tx) error {
		var failed error
		err := e.history.Details(q.Run, step, group, agent, q.Counter, func(d run.Detail) bool {
			if q.Limit > 0 && len(*views) >= q.Limit {
				return false
			}
			var view DetailView
			if view, failed = detailView(e.showing(tx, agent, ""), d); failed != nil {
				return false
			}
			view.Step, view.Agent = step, agent
			*views = append(*views, view)
			return true
		})
		if err == nil {
			err = failed
		}
		return err
	})
}

func detailView(shows showing, d run.Detail) (DetailView, error) {
	tx := shows.tx
	view := DetailView{DN: d.DN, Anchor: d.Anchor, Object: d.ObjectType}
	if d.ID != 0 {
		view.ID = &d.ID
	}
	if d.ID != 0 && (!d.Named || d.Anchor == "") {
		// What an object that is still there is called, or the anchor that its
		// system has given it since.
		if err := tx.Unit(func() error {
			c, err := tx.Connector(d.ID)
			if err != nil || c == nil {
				return err
			}
			if view.Anchor = c.Anchor; !d.Named {
				view.DN, view.Object = c.DN, c.ObjectType
			}
			return nil
		}); err != nil {
			return view, err
		}
	}
	if d.Delta == nil {
		return view, nil
	}
	shows.object = view.Object
	shown, err := shows.delta(d.Delta)
	if err != nil || shown == nil {
		return view, err
	}
	view.Operation, view.NewDN, view.Changes = shown.Operation, shown.DN, shown.Changes
	if d.Delta.Op == identity.Add || d.Delta.Op == identity.DeleteAdd {
		view.NewDN = ""
	}
	return view, nil
}
