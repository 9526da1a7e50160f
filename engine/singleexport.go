package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

// export exports what hangs on the object, agent by agent, and has it confirmed.
func (s *single) export() (more bool, err error) {
	if _, err := s.connectors(); err != nil {
		return false, err
	}
	var exported []identity.ID
	for _, name := range s.env.order {
		var objects []SingleObject
		if err := s.look(func(v *viewer) (err error) {
			objects, err = s.waiting(v, name)
			return err
		}); err != nil {
			return false, err
		}
		if len(objects) == 0 {
			continue
		}
		if why := s.heldBack(name); why != "" {
			step := s.step(SingleExport, name, nil)
			step.Skipped, step.Objects = why, objects
			continue
		}
		ids := make([]identity.ID, len(objects))
		for i, o := range objects {
			ids[i] = o.ID
		}
		report, err := s.x.Export(name, ids)
		if err != nil {
			return false, err
		}
		step := s.step(SingleExport, name, report)
		step.Objects = objects
		if !report.Result.Stopped() {
			exported = append(exported, ids...)
		}
	}
	for _, id := range exported {
		if err := s.confirm(id); err != nil {
			return false, err
		}
	}
	return true, nil
}

// heldBack says why nothing is exported to an agent, "" if nothing keeps it.
func (s *single) heldBack(name string) string {
	a := s.env.Agents[name]
	_, exports := a.Agent.(agent.Exporter)
	switch {
	case s.q.DryRun:
		return "dry run: this would be exported"
	case s.q.NoExport:
		return "nothing is to be exported: this stays pending"
	case a.ExportOff:
		return "exports are off: this stays pending"
	case s.unread[name]:
		return "the object could not be read from this system: this stays pending"
	case !exports:
		return "the agent cannot export"
	}
	return ""
}

// waiting returns the objects of an agent that hang on the object and for which an
// export is pending, with what it would change.
func (s *single) waiting(v *viewer, agent string) ([]SingleObject, error) {
	var out []SingleObject
	state, err := v.tx.AgentState(agent)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.touched)) {
		if v.agentOf(id) != agent {
			continue
		}
		c, err := v.tx.Connector(id)
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		delta := c.Unapplied
		if c.Exported != nil && c.Batch > state.ConfirmedBatch { // an export was cut short: it is sent again
			delta = c.Exported.Merge(c.Unapplied)
		}
		if delta.IsZero() {
			continue
		}
		o := SingleObject{ID: id, Object: c.ObjectType, DN: v.text(c.DN), Operation: delta.Op.String(), Changes: map[string]ValueForecast{}}
		if delta.IsRename() {
			o.NewDN = v.text(delta.DN)
		}
		before, after := c.ImportImage(), c.TopImage()
		for _, change := range delta.Changes {
			name := change.Name
			o.Changes[name] = ValueForecast{
				v.secretive(agent, c.ObjectType, name, before.Get(name)), v.secretive(agent, c.ObjectType, name, after.Get(name)),
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// confirm reads an object again to which something was exported.
func (s *single) confirm(id identity.ID) error {
	var w run.Wanted
	open := false
	if err := s.look(func(v *viewer) error {
		c, err := v.tx.Connector(id)
		if err != nil || c == nil {
			return err
		}
		w, open = wantedOf(v.agentOf(id), c), c.Exported != nil
		return nil
	}); err != nil || !open {
		return err // nothing that an import confirms
	}
	if _, imports := s.env.Agents[w.Agent].Agent.(agent.Importer); !imports {
		s.step(SingleConfirm, w.Agent, nil).Skipped = "the agent cannot import"
		return nil
	}
	s.x.Forget(w)
	reading, err := s.ask(w)
	if err != nil {
		return err
	}
	if _, err := s.stage(SingleConfirm, w, &id, reading); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	return nil
}
