package agenttest

import (
	"context"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// OpenExport implements agent.Exporter.
func (d *Directory) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	var exp *directoryExport
	err := d.call(ctx, CallOpenExport, func() error {
		if err := d.checkRequest(req.Partition, false); err != nil {
			return err
		}
		if req.Full && !d.caps.FullExport {
			return fault.New("no-start-bad-ma-configuration", "there is no full export")
		}
		exp = &directoryExport{dir: d, partition: req.Partition, full: req.Full}
		if d.caps.AllOrNothing {
			exp.copy, exp.base = d.state.clone(), d.state.number
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return exp, nil
}

type directoryExport struct {
	dir       *Directory
	partition string
	full      bool
	copy      *state // AllOrNothing: what Close puts in place
	base      uint64 // the change number that copy was taken at
	closed    bool
}

func (x *directoryExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	results := make([]agent.Result, len(changes))
	err := x.dir.call(ctx, CallPut, func() error {
		if x.closed {
			return fault.New("stopped-export-write", "the export is closed")
		}
		s := x.copy
		if s == nil {
			s = x.dir.state
		}
		for i := range changes {
			if results[i] = x.put(s, changes[i]); results[i].Action == agent.StopRun {
				results = results[:i+1]
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (x *directoryExport) put(s *state, c agent.Change) agent.Result {
	for _, name := range []string{c.Anchor, c.DN} {
		if action := x.dir.faults.actions[name]; action != agent.NoAction {
			return agent.Result{Action: action}
		}
	}
	result, err := agent.Result{}, x.refusal(c)
	if err == nil {
		refused, why := x.refusedPart(&c)
		if result, err = s.apply(c); err == nil && why != nil {
			result.Refused, result.Err = []string{refused}, about(c, why)
		}
	}
	if err != nil && s.checks.Actions {
		if result, acted := s.act(c, err); acted {
			return result
		}
	}
	if err != nil {
		return agent.Result{Err: about(c, err)}
	}
	return result
}

// refusedPart takes the attribute out of a change that a test wants to be refused.
func (x *directoryExport) refusedPart(c *agent.Change) (attribute string, err *fault.Error) {
	for _, name := range []string{c.Anchor, c.DN} {
		planned, found := x.dir.faults.partial[name]
		holds := func(part identity.Change) bool { return part.Name == planned.attribute }
		if found && slices.ContainsFunc(c.Changes, holds) {
			c.Changes = slices.DeleteFunc(slices.Clone(c.Changes), holds)
			return planned.attribute, planned.err
		}
	}
	return "", nil
}

// about completes an error with the object that it is about.
func about(c agent.Change, err *fault.Error) *fault.Error {
	named := *err
	if named.Object == "" {
		named.Object = c.DN
	}
	return &named
}

// act returns the action that stands for an error.
func (s *state) act(c agent.Change, err *fault.Error) (agent.Result, bool) {
	result := agent.Result{Err: about(c, err)}
	switch err.Name {
	case "dn-attributes-failure":
		c.Changes = slices.DeleteFunc(slices.Clone(c.Changes), s.isReference(c.ObjectType))
		done, err := s.apply(c)
		switch {
		case err == nil:
		case err.Name == "dn-attributes-failure":
			return result, false // it is not about a reference
		default:
			return s.act(c, err)
		}
		result.Anchor, result.DN, result.Action = done.Anchor, done.DN, agent.RetryReferences
	case "cd-missing-object":
		if c.Op.Removes() {
			return result, false
		}
		result.Action = agent.ConvertUpdateToAdd
	case "cd-existing-object":
		result.Action = agent.ConvertAddToUpdate
	case "non-existent-parent":
		result.Action = agent.ProvisionParent
	default:
		return result, false
	}
	return result, true
}

// isReference returns a function that tells changes of references.
func (s *state) isReference(objectType string) func(identity.Change) bool {
	t := s.schema.Type(objectType)
	return func(c identity.Change) bool {
		if t == nil {
			return false
		}
		a := t.Attribute(c.Name)
		return a != nil && a.Type == identity.TypeReference
	}
}

// isWriteOnly returns a function that tells changes of attributes that nobody reads.
func (s *state) isWriteOnly(objectType string) func(identity.Change) bool {
	t := s.schema.Type(objectType)
	return func(c identity.Change) bool {
		a := t.Attribute(c.Name)
		return a != nil && a.ExportOnly
	}
}

// refusal returns the error that a test planned for this object, or that the
// schema has for a change of a read-only attribute, or that the capabilities have
// for a change which an engine must not send.
func (x *directoryExport) refusal(c agent.Change) *fault.Error {
	if !x.dir.shows(x.partition, c.DN) {
		return fault.New("invalid-dn", "it is not in partition %q", x.partition)
	}
	for _, name := range []string{c.Anchor, c.DN} {
		if err := x.dir.faults.exports[name]; err != nil {
			return err
		}
	}
	if t := x.dir.schema.Type(c.ObjectType); t != nil {
		for _, change := range c.Changes {
			if at := t.Attribute(change.Name); at != nil && at.ImportOnly {
				return attributeFault("readonly-attribute", change.Name, "only the directory sets it")
			}
		}
	}
	caps := x.dir.caps
	if c.NewObject && (!caps.DeleteAddAsReplace || c.Op != identity.Replace) {
		return fault.New("unexpected-error", "no object is replaced by another one")
	}
	if whole := caps.ExportLevel == agent.ObjectLevel || x.full; !c.NewObject && (whole && c.Op == identity.Update || !whole && c.Op == identity.Replace) {
		return fault.New("unexpected-error", "a change of kind %q does not fit the export level", c.Op)
	}
	for _, change := range c.Changes {
		switch {
		case change.Op == identity.Update && caps.ExportLevel != agent.ValueLevel,
			change.Op != identity.Add && c.Op != identity.Update:
			return attributeFault("unexpected-error", change.Name, "a change of kind %q does not fit the export level", change.Op)
		}
	}
	creates := c.Op == identity.Add || c.NewObject
	if creates && caps.NoPasswordsInFirstExport && slices.ContainsFunc(c.Changes, x.dir.state.isWriteOnly(c.ObjectType)) {
		return fault.New("password-set-disallowed", "an object cannot be created together with its password")
	}
	if c.NewDN != "" && caps.NoRename {
		return fault.New("modify-naming-attribute", "no object is renamed")
	}
	if creates && caps.NoReferencesInFirstExport && slices.ContainsFunc(c.Changes, x.dir.state.isReference(c.ObjectType)) {
		return fault.New("dn-attributes-failure", "an object cannot be created together with its references")
	}
	return nil
}

func (x *directoryExport) Close(ctx context.Context, outcome agent.Outcome) error {
	return x.dir.call(ctx, CallCloseExport, func() error {
		if x.closed || x.copy == nil || outcome != agent.Completed {
			x.closed = true
			return nil
		}
		x.closed = true
		if x.dir.state.number != x.base {
			return fault.New("stopped-export-write", "the directory was changed during the export")
		}
		x.dir.state = x.copy
		return nil
	})
}

// apply carries out one change.
func (s *state) apply(c agent.Change) (agent.Result, *fault.Error) {
	if c.NewObject {
		return s.applyDeleteAdd(c)
	}
	switch c.Op {
	case identity.Add:
		return s.applyAdd(c)
	case identity.Update, identity.Replace:
		return s.applyUpdate(c)
	case identity.Delete:
		return agent.Result{}, s.applyDelete(c)
	}
	return agent.Result{}, fault.New("unexpected-error", "a change cannot be of kind %q", c.Op)
}

func (s *state) applyAdd(c agent.Change) (agent.Result, *fault.Error) {
	changes := own(c.Changes)
	created := (&identity.Delta{Op: identity.Add, Changes: changes}).Apply(nil)
	o, err := s.complete(Object{Type: c.ObjectType, DN: c.DN, Anchor: c.Anchor, Attributes: created})
	if err != nil {
		return agent.Result{}, err
	}
	if known := s.names[s.key(o.DN)]; c.Repeated && known != nil && known.Type == o.Type {
		known, err := s.modify(known, "", changes)
		if err != nil {
			return agent.Result{}, err
		}
		return agent.Result{Anchor: known.Anchor, DN: known.DN}, nil
	}
	if err := s.add(o); err != nil {
		return agent.Result{}, err
	}
	return agent.Result{Anchor: o.Anchor, DN: o.DN}, nil
}

// applyDeleteAdd deletes an object and creates another one in its place, or does
// nothing.
func (s *state) applyDeleteAdd(c agent.Change) (agent.Result, *fault.Error) {
	old := s.find(c.Anchor, c.DN)
	added := c
	added.Op, added.NewObject = identity.Add, false
	if !s.caps.AnchorIsDN {
		added.Anchor = ""
	}
	if old == nil {
		return s.applyAdd(added)
	}
	before := s.clone()
	if err := s.remove(old); err != nil {
		return agent.Result{}, err
	}
	result, err := s.applyAdd(added)
	if err != nil {
		*s = *before
	}
	return result, err
}

func (s *state) applyUpdate(c agent.Change) (agent.Result, *fault.Error) {
	o := s.find(c.Anchor, c.DN)
	if arrived := s.find("", c.NewDN); c.NewDN != "" && c.Repeated && (o == nil || s.caps.AnchorIsDN && c.NamePassed && arrived != nil) {
		o = arrived
	}
	if o == nil {
		return agent.Result{}, fault.New("cd-missing-object", "there is no object %q", c.DN)
	}
	changes := own(c.Changes)
	if c.Op == identity.Replace {
		changes = s.replacement(o, changes)
	}
	o, err := s.modify(o, c.NewDN, changes)
	if err != nil {
		return agent.Result{}, err
	}
	return agent.Result{Anchor: o.Anchor, DN: o.DN}, nil
}

// replacement returns the changes that leave an object nothing but the given
// attributes, and those that only the directory sets or that nobody can read.
func (s *state) replacement(o *object, changes []identity.Change) []identity.Change {
	kept := (&identity.Delta{Op: identity.Add, Changes: changes}).Apply(nil)
	t := s.schema.Type(o.Type)
	for _, a := range o.Attributes {
		at := t.Attribute(a.Name)
		if (at.ImportOnly || at.ExportOnly || slices.Contains(t.Anchor, a.Name)) && kept.Get(a.Name) == nil {
			kept = kept.Set(a.Name, a.Values...)
		}
	}
	return identity.Diff(o.Attributes, kept)
}

func (s *state) applyDelete(c agent.Change) *fault.Error {
	o := s.find(c.Anchor, c.DN)
	if o == nil {
		if c.Repeated {
			return nil
		}
		return fault.New("cd-missing-object", "there is no object %q", c.DN)
	}
	return s.remove(o)
}

// own returns a copy of changes that the engine may reuse.
func own(changes []identity.Change) []identity.Change {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].Values = identity.Normalize(slices.Clone(changes[i].Values))
		changes[i].Removed = identity.Normalize(slices.Clone(changes[i].Removed))
	}
	return changes
}
