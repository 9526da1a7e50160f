package engine

import (
	"fmt"
	"iter"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// A connectorSearch is a compiled [ConnectorQuery].
type connectorSearch struct {
	ConnectorQuery
	fold  func(dn string) string // of names that have several spellings, else nil
	under func(dn string) bool
	where *rules.Search
}

func (e *Engine) connectorSearch(q ConnectorQuery) (*connectorSearch, error) {
	if e.space.Number(q.Agent) == 0 {
		return nil, e.unknownAgent(q.Agent)
	}
	if _, known := space.ParseState(q.State); q.State != "" && !known {
		err := fault.New("invalid-search", "there is no connector state %q", q.State)
		if near := fault.Suggest(q.State, space.States()); near != "" {
			err.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return nil, err
	}
	s := &connectorSearch{ConnectorQuery: q}
	env := e.current.Load()
	ldap := env != nil && env.Agents[q.Agent] != nil && env.Agents[q.Agent].Agent.Capabilities().LDAPNames
	if ldap {
		s.fold = foldDN
	}
	if q.Under != "" {
		var err error
		if s.under, err = underDN(q.Under, ldap); err != nil {
			return nil, err
		}
	}
	conditions, err := parseConditions(q.Where)
	if err != nil || len(conditions) == 0 {
		return s, err
	}
	if env == nil {
		return nil, ErrNotConfigured
	}
	s.where, err = env.Rules.SearchConnectors(q.Agent, conditions)
	return s, err
}

// objectSearch compiles the conditions of a query.
func (e *Engine) objectSearch(q ObjectQuery) (*rules.Search, error) {
	env := e.current.Load()
	if env != nil && env.Rules.Type(q.Type) == nil {
		return nil, fmt.Errorf("there is no metaverse type %q", q.Type)
	}
	conditions, err := parseConditions(q.Where)
	if err != nil || len(conditions) == 0 {
		return nil, err
	}
	if env == nil {
		return nil, ErrNotConfigured
	}
	return env.Rules.SearchObjects(q.Type, conditions)
}

func parseConditions(texts []string) ([]rules.Condition, error) {
	conditions := make([]rules.Condition, len(texts))
	for i, text := range texts {
		var err error
		if conditions[i], err = rules.ParseCondition(text); err != nil {
			return nil, err
		}
	}
	return conditions, nil
}

// underDN returns what finds out whether a name is that of a container or of
// something in it. In systems without LDAP names, it is one that ends alike.
func underDN(container string, ldap bool) (func(dn string) bool, error) {
	if !ldap {
		suffix := identity.Fold(container)
		return func(dn string) bool { return strings.HasSuffix(identity.Fold(dn), suffix) }, nil
	}
	parsed, err := identity.ParseDN(container)
	if err != nil {
		return nil, fault.Wrap("invalid-search", fmt.Errorf("--under %q: %w", container, err))
	}
	want := parsed.Fold()
	return func(dn string) bool {
		d, err := identity.ParseDN(dn)
		return err == nil && len(d) >= len(parsed) && d[len(d)-len(parsed):].Fold() == want
	}, nil
}

// objects yields the objects that may match: the one that is named, or all.
func (s *connectorSearch) objects(e *Engine) func(tx *space.Tx, after identity.ID) iter.Seq2[*space.Connector, error] {
	return func(tx *space.Tx, after identity.ID) iter.Seq2[*space.Connector, error] {
		var id identity.ID
		var err error
		switch {
		case s.Key != "":
			if id, err = e.find(tx, s.Agent, s.Key); fault.Name(err) != "" {
				err = nil
			}
		case s.Anchor != "":
			id, _, _, err = tx.ByAnchor(s.Agent, s.Anchor)
		case s.DN != "":
			id, err = tx.ByDN(s.Agent, s.DN)
		}
		if id == 0 && err == nil {
			return tx.ConnectorsAfter(s.Agent, after) // also for a key that is written in another case
		}
		return func(yield func(*space.Connector, error) bool) {
			var c *space.Connector
			if err == nil {
				c, err = tx.Connector(id)
			}
			if c != nil && id > after || err != nil {
				yield(c, err)
			}
		}
	}
}

func (s *connectorSearch) matches(c *space.Connector) bool {
	switch {
	case s.State != "" && c.State.String() != s.State,
		s.Pending == "import" && c.Import.IsZero(),
		s.Pending == "export" && c.Unapplied.IsZero(),
		s.Error && c.ImportError == nil && c.ExportError == nil,
		s.Failure != "" && !failedWith(c.ImportError, s.Failure) && !failedWith(c.ExportError, s.Failure),
		s.Anchor != "" && c.Anchor != s.Anchor,
		s.DN != "" && !strings.EqualFold(c.DN, s.DN) && !s.sameDN(s.DN, c.DN),
		s.under != nil && !s.under(c.DN),
		s.Key != "" && c.Anchor != s.Key && !strings.EqualFold(c.DN, s.Key) && c.ID.String() != s.Key && !s.sameDN(s.Key, c.DN):
		return false
	}
	return s.where == nil || s.where.Match(c.ObjectType, connectorGetter{c, c.ImportImage()})
}

func failedWith(e *space.ObjectError, name string) bool { return e != nil && e.Name == name }

// sameDN reports whether two texts are spellings of one DN.
func (s *connectorSearch) sameDN(want, dn string) bool {
	return s.fold != nil && s.fold(want) == s.fold(dn)
}

// A connectorGetter shows a connector-space object to a search, as the last
// import saw it.
type connectorGetter struct {
	*space.Connector
	image identity.Attributes
}

// Get implements [expr.Getter].
func (g connectorGetter) Get(name string) []identity.Value {
	if values := g.image.Get(name); values != nil {
		return values
	}
	return rules.ConnectorIntrinsic(name, g.DN, g.Anchor, g.ObjectType)
}

// An objectGetter shows a metaverse object to a search.
type objectGetter struct{ *space.Object }

// Get implements [expr.Getter].
func (g objectGetter) Get(name string) []identity.Value {
	if values := g.Attributes.Get(name); values != nil {
		return values
	}
	return rules.ObjectIntrinsic(name, g.ID, g.Type)
}
