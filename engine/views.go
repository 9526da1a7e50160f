package engine

import (
	"cmp"
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
	PendingImport *DeltaView         `json:"pendingImport"`
	PendingExport *DeltaView         `json:"pendingExport"` // computed and not yet sent
	Unconfirmed   *DeltaView         `json:"unconfirmedExport,omitempty"`
	Detected      []string           `json:"detectedRules,omitempty"` // whose existence tests hold
	Error         *space.ObjectError `json:"error"`
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
// describes, in the order of their ids.
func (e *Engine) Connectors(q ConnectorQuery) ([]ConnectorView, error) {
	search, err := e.connectorSearch(q)
	if err != nil {
		return nil, err
	}
	views, err := show(e, q.Limit, search.objects(e), search.matches, e.connectorView)
	if err != nil {
		return nil, fmt.Errorf("read connector space of %q: %w", q.Agent, err)
	}
	return views, nil
}

// show returns the views of those objects that match, up to limit if that is
// not 0.
func show[O, V any](e *Engine, limit int, objects func(*space.Tx) iter.Seq2[O, error], matches func(O) bool, view func(*space.Tx, O) (V, error)) ([]V, error) {
	views := []V{}
	err := e.space.View(func(tx *space.Tx) error {
		for o, err := range objects(tx) {
			if err != nil {
				return err
			}
			if !matches(o) {
				continue
			}
			v, err := view(tx, o)
			if err != nil {
				return err
			}
			if views = append(views, v); len(views) == limit {
				break
			}
		}
		return nil
	})
	return views, err
}

func (e *Engine) connectorView(tx *space.Tx, c *space.Connector) (ConnectorView, error) {
	view := ConnectorView{
		ID: c.ID, Agent: e.space.AgentOf(c.ID), Object: c.ObjectType, DN: c.DN, Anchor: c.Anchor, State: c.State.String(),
		Attributes: map[string][]any{}, Detected: e.ruleNames(c.Detected), Error: cmp.Or(c.ImportError, c.ExportError),
	}
	if c.Link != 0 {
		view.Metaverse = &c.Link
	}
	for _, a := range c.ImportImage() {
		values, err := showValues(tx, a.All())
		if err != nil {
			return view, err
		}
		view.Attributes[a.Name] = values
	}
	var err error
	if view.PendingImport, err = showDelta(tx, c.Import); err != nil {
		return view, err
	}
	if view.PendingExport, err = showDelta(tx, c.Unapplied); err != nil {
		return view, err
	}
	view.Unconfirmed, err = showDelta(tx, c.Exported)
	return view, err
}

func showDelta(tx *space.Tx, d *identity.Delta) (*DeltaView, error) {
	if d.IsZero() {
		return nil, nil
	}
	view := &DeltaView{Operation: d.Op.String(), DN: d.DN, Changes: map[string]ChangeView{}}
	for _, c := range d.Changes {
		values, err := showValues(tx, c.Values)
		if err != nil {
			return nil, err
		}
		removed, err := showValues(tx, c.Removed)
		if err != nil {
			return nil, err
		}
		view.Changes[c.Name] = ChangeView{c.Op.String(), values, removed}
	}
	return view, nil
}

// showValues returns values as JSON shows them; references as the DN of their
// target, or as its id if it is in the metaverse.
func showValues(tx *space.Tx, values []identity.Value) ([]any, error) {
	var out []any
	for _, v := range values {
		shown := v.JSON()
		if id := v.Ref(); id != 0 && id.Space() != 0 {
			target, err := tx.Connector(id)
			if err != nil {
				return nil, err
			}
			if target != nil {
				shown = target.DN
			}
		}
		out = append(out, shown)
	}
	return out, nil
}

// Objects returns the metaverse objects that a query describes, in the order of
// their ids.
func (e *Engine) Objects(q ObjectQuery) ([]ObjectView, error) {
	where, err := e.objectSearch(q)
	if err != nil {
		return nil, err
	}
	views, err := show(e, q.Limit, (*space.Tx).Objects, func(o *space.Object) bool {
		return q.matches(o) && where.Match(o.Type, objectGetter{o})
	}, e.objectView)
	if err != nil {
		return nil, fmt.Errorf("read metaverse: %w", err)
	}
	return views, nil
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
	for _, a := range o.Attributes {
		values, err := showValues(tx, a.All())
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
