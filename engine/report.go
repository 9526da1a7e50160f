package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// An ExportRow is one line of the report of pending exports: what would happen to
// one attribute of an object, or to the object as a whole.
type ExportRow struct {
	Agent     string      `json:"agent"`
	Object    string      `json:"object"` // its type
	ID        identity.ID `json:"id"`
	DN        string      `json:"dn"`
	Operation string      `json:"operation"`

	// Empty for an object that is deleted, or added without attributes. A rename is
	// a change of "dn".
	Attribute          string `json:"attribute,omitempty"`
	AttributeOperation string `json:"attributeOperation,omitempty"`
	Old                []any  `json:"old,omitempty"`    // the values that go
	New                []any  `json:"new,omitempty"`    // the values that come
	Hidden             bool   `json:"hidden,omitempty"` // the values are secret and left out
}

// reportPage is how many objects a report reads at once.
const reportPage = 500

// PendingExports calls yield with what the next export of an agent would do, of
// all agents in the order of the model if agent is "" (sync-engine §11). An error of
// yield ends it. Nothing is locked while yield works, so it may be slow; objects
// that change in the meantime are reported as they are when their turn comes.
// Values of attributes that cannot be read back, such as passwords, are left out.
func (e *Engine) PendingExports(ctx context.Context, agent string, yield func(ExportRow) error) error {
	env := e.current.Load()
	if env == nil {
		return ErrNotConfigured
	}
	agents := env.order
	if agent != "" {
		if e.space.Number(agent) == 0 {
			return e.unknownAgent(agent)
		}
		agents = []string{agent}
	}
	for _, name := range agents {
		after := identity.ID(0)
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			var rows []ExportRow
			n := 0
			err := e.space.View(func(tx *space.Tx) error {
				ids, err := tx.List(space.ToExport, name, after, reportPage)
				if err != nil {
					return err
				}
				for n = range ids {
					after = ids[n]
					if err := tx.Unit(func() error { return exportRows(tx, env, name, after, &rows) }); err != nil {
						return err
					}
				}
				n = len(ids)
				return nil
			})
			if err != nil {
				return fmt.Errorf("read pending exports of %q: %w", name, err)
			}
			for _, row := range rows {
				if err := yield(row); err != nil {
					return err
				}
			}
			if n < reportPage {
				break
			}
		}
	}
	return nil
}

func exportRows(tx *space.Tx, env *environment, agent string, id identity.ID, rows *[]ExportRow) error {
	c, err := tx.Connector(id)
	if err != nil || c == nil || c.Unapplied.IsZero() {
		return err
	}
	whole := ExportRow{Agent: agent, Object: c.ObjectType, ID: id, DN: c.DN, Operation: c.Unapplied.Op.String()}
	before := len(*rows)
	if c.Unapplied.IsRename() {
		row := whole
		row.Attribute, row.AttributeOperation = rules.DNAttribute, identity.Replace.String()
		row.Old, row.New = []any{c.DN}, []any{c.Unapplied.DN}
		*rows = append(*rows, row)
	}
	image := c.ExportedImage()
	shows := showing{tx, env, agent, c.ObjectType}
	for _, change := range c.Unapplied.Changes {
		row := whole
		row.Attribute, row.AttributeOperation = change.Name, change.Op.String()
		if env.Secret(agent, c.ObjectType, change.Name) {
			row.Hidden = true
			*rows = append(*rows, row)
			continue
		}
		old := change.Removed
		if change.Op == identity.Replace || change.Op == identity.Delete {
			old = image.Get(change.Name)
		}
		if row.Old, err = shows.values(change.Name, old); err != nil {
			return err
		}
		if row.New, err = shows.values(change.Name, change.Values); err != nil {
			return err
		}
		*rows = append(*rows, row)
	}
	if len(*rows) == before {
		*rows = append(*rows, whole)
	}
	return nil
}

// Verify compares everything that the stores derive from their records with the
// records, and the links between objects with each other. It changes nothing. It
// returns what does not fit, up to a limit; an error says that the stores could
// not be read at all. See [space.Space.Check] for what it costs.
func (e *Engine) Verify() (findings []string, err error) {
	for _, check := range []func() error{e.space.Check, e.history.Check} {
		found := check()
		if found == nil {
			continue
		}
		if !errors.Is(found, identity.ErrCorrupt) {
			return nil, fmt.Errorf("verify: %w", found)
		}
		findings = append(findings, strings.Split(found.Error(), "\n")...) // one joined error to a line
	}
	return findings, nil
}
