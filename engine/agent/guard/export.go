package guard

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

type exporter struct {
	kept  *keptAgent
	inner agent.Exporter
}

// OpenExport implements agent.Exporter.
func (g exporter) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	if err := g.kept.start(); err != nil {
		return nil, err
	}
	schema := req.Schema
	req.Schema = ownSchema(schema)
	var stream agent.Export
	err := g.kept.call(ctx, "OpenExport", func() (err error) {
		stream, err = g.inner.OpenExport(ctx, req)
		return err
	}, func() {
		if stream != nil {
			abortExport(ctx, g.kept, stream)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case stream == nil:
		return nil, g.kept.violation("OpenExport returned no stream")
	}
	return &keptExport{kept: g.kept, inner: stream, schema: schema, anchors: map[string]bool{}}, nil
}

// A keptExport is an export behind its guard.
type keptExport struct {
	kept    *keptAgent
	inner   agent.Export
	schema  identity.Schema
	anchors map[string]bool // of objects that were created
	left    bool
}

// Put implements agent.Export. The agent gets changes of its own: what it does
// to them changes nothing here. If results make no sense, nobody knows what became
// of the changes, and the export ends.
func (k *keptExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	results := make([]agent.Result, len(changes))
	sent := make([]agent.Change, 0, len(changes))
	for i := range changes {
		if results[i].Err = k.refusal(&changes[i]); results[i].Err == nil {
			sent = append(sent, changes[i])
		}
	}
	if len(sent) == 0 {
		return results, nil
	}
	mine := ownChanges(sent)
	var answers []agent.Result
	err := k.kept.call(ctx, "Put", func() (err error) {
		answers, err = k.inner.Put(ctx, mine)
		return err
	}, func() { abortExport(ctx, k.kept, k.inner) })
	if err != nil {
		k.left = errors.Is(err, errLeft)
		return nil, err
	}
	stop := slices.IndexFunc(answers, func(r agent.Result) bool { return r.Action == agent.StopRun })
	if len(answers) != len(sent) && (stop < 0 || stop >= len(sent)) {
		return nil, k.kept.violation("%d results for %d changes", len(answers), len(sent))
	}
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		if results[i], answers = answers[0], answers[1:]; results[i].Action == agent.StopRun {
			return results[:i+1], nil // nothing after it was sent
		}
		if err := k.check(&results[i], &changes[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// refusal returns why a change cannot be sent at all (sync-engine §2.8).
func (k *keptExport) refusal(c *agent.Change) *fault.Error {
	t := k.schema.Type(c.ObjectType)
	if t == nil {
		return fault.New("no-export-to-this-object-type", "the system has no object type %q", c.ObjectType)
	}
	if c.Op == identity.Add {
		if err := k.creation(t, c); err != nil {
			return err
		}
	}
	dn := c.NewDN
	if c.Op == identity.Add {
		dn = c.DN
	}
	switch {
	case dn == "":
	case c.Op != identity.Add && k.kept.capabilities.NoRename:
		return fault.New("modify-naming-attribute", "the system cannot give an object another name, and it shall be %q", dn)
	case k.kept.capabilities.AnchorIsDN && tooLong(dn, len(t.Anchor)):
		return fault.New("anchor-too-long", "the anchor has %d characters, %d are allowed", utf8.RuneCountInString(dn), longest(len(t.Anchor)))
	case !utf8.ValidString(dn) || len(dn) > maxName:
		return fault.New("invalid-dn", "%.100q cannot be a name", dn)
	case k.kept.capabilities.LDAPNames && !isDN(dn):
		return fault.New("invalid-dn", "%q is not a distinguished name", dn)
	}
	return nil
}

// creation returns why the schema does not admit that an object is created so.
func (k *keptExport) creation(t *identity.ObjectType, c *agent.Change) *fault.Error {
	for i := range c.Changes {
		part := &c.Changes[i]
		a := t.Attribute(part.Name)
		switch {
		case a == nil: // the agent has to say what it makes of it
		case a.ImportOnly:
			return attributeFault("unexpected-provisioning-attribute", part.Name, "the system creates no %s with it", t.Name)
		case len(part.Values) > 1 && !a.Multi:
			return attributeFault("invalid-provisioning-attribute-value", part.Name, "%d values for one", len(part.Values))
		case len(part.Values) > 0 && part.Values[0].Type() != a.Type:
			return attributeFault("invalid-provisioning-attribute-value", part.Name, "a value of type %s, according to the schema it is %s", part.Values[0].Type(), a.Type)
		}
	}
	for i := range t.Attributes {
		a := &t.Attributes[i]
		if a.Required && !slices.ContainsFunc(c.Changes, func(part identity.Change) bool { return part.Name == a.Name && len(part.Values) > 0 }) {
			return attributeFault("missing-provisioning-attribute", a.Name, "the system creates no %s without it", t.Name)
		}
	}
	return nil
}

// check looks at the result of one change.
func (k *keptExport) check(r *agent.Result, c *agent.Change) error {
	if r.Err != nil {
		if r.Err.Name == "" {
			named := *r.Err
			named.Name = "unexpected-error"
			r.Err = &named
		}
		if r.Action != agent.RetryReferences && len(r.Refused) == 0 {
			return nil
		}
	}
	for _, name := range r.Refused {
		if r.Action != agent.NoAction || !slices.ContainsFunc(c.Changes, func(part identity.Change) bool { return part.Name == name }) {
			return k.kept.violation("attribute %.100q of %q was refused, and not sent", name, c.DN)
		}
	}
	switch {
	case !utf8.ValidString(r.Anchor) || tooLong(r.Anchor, 1):
		return k.kept.violation("%.100q as the anchor of %q", r.Anchor, c.DN)
	case !utf8.ValidString(r.DN) || len(r.DN) > maxName:
		return k.kept.violation("%.100q as the new name of %q", r.DN, c.DN)
	case k.kept.capabilities.LDAPNames && r.DN != "" && r.DN != c.DN && !isDN(r.DN):
		return k.kept.violation("%.100q as the new name of %q", r.DN, c.DN)
	}
	if c.Op == identity.Add && r.Anchor != "" {
		if k.anchors[r.Anchor] {
			r.Err = fault.New("duplicate-anchor", "the system gave the anchor %q to another object before", r.Anchor)
			r.Anchor, r.DN, r.Action = "", "", agent.NoAction
			return nil
		}
		k.anchors[r.Anchor] = true
	}
	return nil
}

// Close implements agent.Export.
func (k *keptExport) Close(ctx context.Context, outcome agent.Outcome) error {
	if k.left {
		return nil
	}
	ctx, cancel := k.kept.aborting(ctx, outcome)
	defer cancel()
	return k.kept.call(ctx, "Close", func() error { return k.inner.Close(ctx, outcome) }, nil)
}

// abortExport closes a stream after a call of it that was left behind.
func abortExport(ctx context.Context, a *keptAgent, stream agent.Export) {
	ctx, cancel := a.aborting(context.WithoutCancel(ctx), agent.Aborted)
	defer cancel()
	_ = stream.Close(ctx, agent.Aborted) // nobody is left to be told
}

// ownChanges returns a deep copy of changes.
func ownChanges(changes []agent.Change) []agent.Change {
	changes = slices.Clone(changes)
	for i := range changes {
		c := &changes[i]
		c.Changes, c.Image = slices.Clone(c.Changes), c.Image.Clone()
		for j := range c.Changes {
			c.Changes[j].Values, c.Changes[j].Removed = slices.Clone(c.Changes[j].Values), slices.Clone(c.Changes[j].Removed)
		}
		for j := range c.Image {
			c.Image[j].Values = slices.Clone(c.Image[j].Values)
		}
	}
	return changes
}
