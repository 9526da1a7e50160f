package engine

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
)

// A ConnectorQuery says which connector-space objects to show.
type ConnectorQuery struct {
	Agent   string `json:"agent"`
	State   string `json:"state,omitempty"`   // a connector state; "" is any
	Pending string `json:"pending,omitempty"` // "import", "export", or "" for all objects
	Error   bool   `json:"error,omitempty"`   // only objects whose last synchronization or export failed
	Failure string `json:"failure,omitempty"` // only those that failed with this error
	Key     string `json:"key,omitempty"`     // an id, anchor or DN; "" is any
	DN      string `json:"dn,omitempty"`
	Anchor  string `json:"anchor,omitempty"`
	Under   string `json:"under,omitempty"` // the DN of a container: it, and what is in it

	// Where holds conditions, ATTRIBUTE OPERATOR VALUE, of which all must hold for
	// the object as the last import saw it. The operators are those of scopes, and
	// the names that rules.SearchOperators adds.
	Where []string `json:"where,omitempty"`
	Limit int      `json:"limit,omitempty"` // 0 is no limit
}

// A ConnectorView shows a connector-space object. Its JSON form is the public one.
type ConnectorView struct {
	ID            identity.ID        `json:"id"`
	Agent         string             `json:"agent"`
	Object        string             `json:"object"`
	DN            string             `json:"dn"`
	Anchor        string             `json:"anchor"`
	State         string             `json:"state"`
	Attributes    map[string][]any   `json:"attributes"` // as the last import saw them
	Metaverse     *identity.ID       `json:"metaverse"`
	Linked        *LineageView       `json:"linked,omitempty"`        // what made the link
	Disconnection *LineageView       `json:"disconnection,omitempty"` // what cut the last one before
	PendingImport *DeltaView         `json:"pendingImport"`
	PendingExport *DeltaView         `json:"pendingExport"` // computed and not yet sent
	Unconfirmed   *DeltaView         `json:"unconfirmedExport,omitempty"`
	Detected      []string           `json:"detectedRules,omitempty"` // whose existence tests hold
	Error         *space.ObjectError `json:"error"`
	Parked        *space.Parked      `json:"parked,omitempty"` // it is left out of exports, because its changes go round
}

// A LineageView tells what made or cut a link (sync-engine §1.2, §1.7).
type LineageView struct {
	Type string    `json:"type"`           // see space.Lineage
	Rule string    `json:"rule,omitempty"` // "" if it was no rule
	Time time.Time `json:"time"`
}

func lineageView(by space.Lineage, rule string, at time.Time) *LineageView {
	return &LineageView{by.String(), rule, at}
}

// A DeltaView shows a delta.
type DeltaView struct {
	Operation string                `json:"operation"`
	DN        string                `json:"dn,omitempty"`
	Changes   map[string]ChangeView `json:"changes,omitempty"`
}

// A ChangeView shows what a delta does to an attribute.
type ChangeView struct {
	Operation string `json:"operation"`
	Values    []any  `json:"values,omitempty"`
	Removed   []any  `json:"removed,omitempty"`
}

// An ObjectQuery says which metaverse objects to show.
type ObjectQuery struct {
	Type string `json:"type"`
	Key  string `json:"key,omitempty"` // an id; "" is any

	Where []string `json:"where,omitempty"` // see [ConnectorQuery]
	Limit int      `json:"limit,omitempty"`
}

// An ObjectView shows a metaverse object. Its JSON form is the public one.
type ObjectView struct {
	ID         identity.ID              `json:"id"`
	Type       string                   `json:"type"`
	Attributes map[string]AttributeView `json:"attributes"`
	Connectors []LinkView               `json:"connectors"`
}

// An AttributeView shows a metaverse attribute and where it came from.
type AttributeView struct {
	Values      []any     `json:"values"`
	Contributor string    `json:"contributor"`
	Rule        string    `json:"rule"`
	Time        time.Time `json:"time"`
}

// A LinkView shows one end of a link.
type LinkView struct {
	ID     identity.ID `json:"id"`
	Agent  string      `json:"agent"`
	Object string      `json:"object"`
	DN     string      `json:"dn"`
	Anchor string      `json:"anchor"`
}

// Connectors returns the connector-space objects of an agent that a query
// describes, in the order of their ids. [Engine.EachConnector] is for many.
func (e *Engine) Connectors(q ConnectorQuery) ([]ConnectorView, error) {
	return all(func(yield func(ConnectorView) error) error { return e.EachConnector(context.Background(), q, yield) })
}

// all returns everything that each yields.
func all[V any](each func(yield func(V) error) error) ([]V, error) {
	views := []V{}
	err := each(func(v V) error {
		views = append(views, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return views, nil
}

// EachConnector calls yield with the connector-space objects of an agent that a
// query describes, in the order of their ids. An error of yield ends it. Nothing is
// locked while yield works, so it may be slow; objects that change in the meantime
// are shown as they are when their turn comes.
func (e *Engine) EachConnector(ctx context.Context, q ConnectorQuery, yield func(ConnectorView) error) error {
	search, err := e.connectorSearch(q)
	if err != nil {
		return err
	}
	return each(ctx, e, q.Limit, search.objects(e), func(tx *space.Tx, c *space.Connector) (identity.ID, *ConnectorView, error) {
		if !search.matches(c) {
			return c.ID, nil, nil
		}
		view, err := e.connectorView(tx, c)
		if err != nil {
			err = fmt.Errorf("read connector space of %q: %w", q.Agent, err)
		}
		return c.ID, &view, err
	}, yield)
}

const (
	searchPage  = 500   // objects that are shown from one transaction
	searchStint = 20000 // objects that are looked at in one
)

// each yields the views of those objects that have one, up to limit if that is not
// 0. It reads them page by page, each in a transaction of its own.
func each[O, V any](ctx context.Context, e *Engine, limit int, objects func(*space.Tx, identity.ID) iter.Seq2[O, error], view func(*space.Tx, O) (identity.ID, *V, error), yield func(V) error) error {
	after, shown := identity.ID(0), 0
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, looked := []*V{}, 0
		more = false
		err := e.space.View(func(tx *space.Tx) error {
			for o, err := range objects(tx, after) {
				if err != nil {
					return err
				}
				id, v, err := view(tx, o)
				if err != nil {
					return err
				}
				after = id
				if v != nil {
					page = append(page, v)
				}
				if looked++; looked == searchStint || len(page) == searchPage || limit > 0 && shown+len(page) == limit {
					more = limit == 0 || shown+len(page) < limit
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, v := range page {
			if err := yield(*v); err != nil {
				return err
			}
		}
		shown += len(page)
	}
	return nil
}

func (e *Engine) connectorView(tx *space.Tx, c *space.Connector) (ConnectorView, error) {
	view := ConnectorView{
		ID: c.ID, Agent: e.space.AgentOf(c.ID), Object: c.ObjectType, DN: c.DN, Anchor: c.Anchor, State: c.State.String(),
		Attributes: map[string][]any{}, Detected: e.ruleNames(c.Detected), Error: cmp.Or(c.ImportError, c.ExportError),
	}
	if c.Link != 0 {
		view.Metaverse, view.Linked = &c.Link, lineageView(c.LinkBy, e.ruleName(c.LinkRule), c.LinkedAt)
	}
	if c.Cut != nil {
		view.Disconnection = lineageView(c.Cut.By, e.ruleName(c.Cut.Rule), c.Cut.At)
	}
	shows := e.showing(tx, view.Agent, c.ObjectType)
	for _, a := range c.ImportImage() {
		values, err := shows.values(a.Name, a.All())
		if err != nil {
			return view, err
		}
		view.Attributes[a.Name] = values
	}
	var err error
	if view.PendingImport, err = shows.delta(c.Import); err != nil {
		return view, err
	}
	if view.PendingExport, err = shows.delta(c.Unapplied); err != nil {
		return view, err
	}
	if view.Unconfirmed, err = shows.delta(c.Exported); err != nil {
		return view, err
	}
	view.Parked, err = tx.ParkedObject(c)
	return view, err
}

// A showing shows values of objects of one type: those of secrets not at all, also not
// where a text has one in it.
type showing struct {
	tx            *space.Tx
	env           *environment // nil knows of no secret
	agent, object string       // "" is the metaverse
}

func (e *Engine) showing(tx *space.Tx, agent, object string) showing {
	return showing{tx, e.current.Load(), agent, object}
}

func (s showing) delta(d *identity.Delta) (*DeltaView, error) {
	if d.IsZero() {
		return nil, nil
	}
	view := &DeltaView{Operation: d.Op.String(), DN: d.DN, Changes: map[string]ChangeView{}}
	for _, c := range d.Changes {
		values, err := s.values(c.Name, c.Values)
		if err != nil {
			return nil, err
		}
		removed, err := s.values(c.Name, c.Removed)
		if err != nil {
			return nil, err
		}
		view.Changes[c.Name] = ChangeView{c.Op.String(), values, removed}
	}
	return view, nil
}

// values returns values of an attribute as JSON shows them; references as the DN of their
// target, or as its id if it is in the metaverse.
func (s showing) values(attribute string, values []identity.Value) ([]any, error) {
	if len(values) > 0 && s.env != nil && s.env.Secret(s.agent, s.object, attribute) {
		return []any{hidden}, nil
	}
	var out []any
	for _, v := range values {
		shown := v.JSON()
		if id := v.Ref(); id != 0 && id.Space() != 0 {
			target, err := s.tx.Connector(id)
			if err != nil {
				return nil, err
			}
			if target != nil {
				shown = target.DN
			}
		} else if s.env != nil {
			shown = redactedValue(s.env, shown)
		}
		out = append(out, shown)
	}
	return out, nil
}

// Objects returns the metaverse objects that a query describes, in the order of
// their ids. [Engine.EachObject] is for many.
func (e *Engine) Objects(q ObjectQuery) ([]ObjectView, error) {
	return all(func(yield func(ObjectView) error) error { return e.EachObject(context.Background(), q, yield) })
}

// EachObject calls yield with the metaverse objects that a query describes; see
// [Engine.EachConnector].
func (e *Engine) EachObject(ctx context.Context, q ObjectQuery, yield func(ObjectView) error) error {
	where, err := e.objectSearch(q)
	if err != nil {
		return err
	}
	return each(ctx, e, q.Limit, (*space.Tx).ObjectsAfter, func(tx *space.Tx, o *space.Object) (identity.ID, *ObjectView, error) {
		if !q.matches(o) || !where.Match(o.Type, objectGetter{o}) {
			return o.ID, nil, nil
		}
		view, err := e.objectView(tx, o)
		if err != nil {
			err = fmt.Errorf("read metaverse: %w", err)
		}
		return o.ID, &view, err
	}, yield)
}

func (q ObjectQuery) matches(o *space.Object) bool {
	return o.Type == q.Type && (q.Key == "" || o.ID.String() == q.Key)
}

// ruleName returns the name of a rule that the store means by a text.
func (e *Engine) ruleName(stored string) string {
	if env := e.current.Load(); env != nil {
		return env.Rules.RuleName(stored)
	}
	return stored
}

func (e *Engine) ruleNames(stored []string) []string {
	if env := e.current.Load(); env != nil {
		return env.Rules.RuleNames(stored)
	}
	return stored
}

func (e *Engine) objectView(tx *space.Tx, o *space.Object) (ObjectView, error) {
	view := ObjectView{ID: o.ID, Type: o.Type, Attributes: map[string]AttributeView{}, Connectors: []LinkView{}}
	shows := e.showing(tx, "", o.Type)
	for _, a := range o.Attributes {
		values, err := shows.values(a.Name, a.All())
		if err != nil {
			return view, err
		}
		by, _ := o.Contribution(a.Name)
		view.Attributes[a.Name] = AttributeView{values, e.space.AgentOf(by.Connector), e.ruleName(by.Rule), by.Time}
	}
	for _, id := range o.Connectors {
		c, err := tx.Connector(id)
		if err != nil {
			return view, err
		}
		if c != nil {
			view.Connectors = append(view.Connectors, LinkView{id, e.space.AgentOf(id), c.ObjectType, c.DN, c.Anchor})
		}
	}
	return view, nil
}

// Statistics are the numbers of an agent's connector space.
type Statistics struct {
	Agent string         `json:"agent"`
	Count map[string]int `json:"count"`
}

// Statistics returns the numbers of every agent's connector space, by the names
// of sync-engine §1.5, in the order of the model, and the number of metaverse
// objects.
func (e *Engine) Statistics() (agents []Statistics, objects int, err error) {
	env := e.current.Load()
	if env == nil {
		return nil, 0, ErrNotConfigured
	}
	names := map[string]space.Counter{
		"disconnector": space.CountDisconnector, "explicit-disconnector": space.CountExplicitDisconnector,
		"filtered-disconnector": space.CountFilteredDisconnector, "connector": space.CountConnector,
		"explicit-connector": space.CountExplicitConnector, "placeholder": space.CountPlaceholder,
		"import-add": space.CountImportAdd, "import-update": space.CountImportUpdate, "import-delete": space.CountImportDelete,
		"export-add": space.CountExportAdd, "export-update": space.CountExportUpdate, "export-delete": space.CountExportDelete,
		"unconfirmed-export": space.CountUnconfirmed, "import-error": space.CountSyncFailed, "export-error": space.CountExportFailed,
	}
	err = e.space.View(func(tx *space.Tx) error {
		for _, agent := range env.order {
			counters := tx.Counters(agent)
			s := Statistics{Agent: agent, Count: map[string]int{}}
			for name, counter := range names {
				s.Count[name] = int(counters[counter])
			}
			s.Count["total-connector"] = s.Count["connector"] + s.Count["explicit-connector"]
			s.Count["total-disconnector"] = s.Count["disconnector"] + s.Count["explicit-disconnector"] + s.Count["filtered-disconnector"]
			s.Count["transient"] = run.Transients(tx, agent)
			parked, err := tx.Parked(agent)
			if err != nil {
				return err
			}
			s.Count["parked"] = len(parked)
			s.Count["all"] = s.Count["total-connector"] + s.Count["total-disconnector"] + s.Count["placeholder"]
			s.Count["import-none"] = s.Count["all"] - s.Count["import-add"] - s.Count["import-update"] - s.Count["import-delete"]
			agents = append(agents, s)
		}
		objects = int(tx.Counters("")[space.CountObject])
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read statistics: %w", err)
	}
	return agents, objects, nil
}
