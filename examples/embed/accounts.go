package main

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An Account is what an employee logs in with.
type Account struct{ Login, Number, Name, Department, Manager string }

// Accounts are a connected system that is written, and read to see what arrived.
type Accounts struct {
	mu      sync.Mutex
	byLogin map[string]Account
}

// All returns the accounts, ordered by login.
func (s *Accounts) All() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Account
	for _, login := range slices.Sorted(maps.Keys(s.byLogin)) {
		all = append(all, s.byLogin[login])
	}
	return all
}

var accountsSchema = identity.Schema{Types: []identity.ObjectType{{
	Name:   "account",
	Anchor: []string{"login"},
	Attributes: []identity.AttributeType{
		{Name: "login", Type: identity.TypeString},
		{Name: "number", Type: identity.TypeString},
		{Name: "name", Type: identity.TypeString},
		{Name: "department", Type: identity.TypeString},
		{Name: "manager", Type: identity.TypeReference}, // holds the login of another account
	},
}}}

// Schema implements agent.Agent.
func (s *Accounts) Schema(context.Context) (identity.Schema, error) { return accountsSchema, nil }

// Capabilities implements agent.Agent.
func (s *Accounts) Capabilities() agent.Capabilities { return agent.Capabilities{AnchorIsDN: true} }

// OpenImport implements agent.Importer.
func (s *Accounts) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := req.Check(accountsSchema); err != nil {
		return nil, err
	}
	list := &listing{size: req.PageSize}
	for _, a := range s.All() {
		list.entries = append(list.entries, agent.Entry{
			Op: identity.Add, ObjectType: "account", DN: a.Login, Anchor: a.Login,
			Attributes: identity.Attributes{}.
				Set("login", text(a.Login)).
				Set("number", text(a.Number)).
				Set("name", text(a.Name)).
				Set("department", text(a.Department)).
				Set("manager", reference(a.Manager)),
		})
	}
	return list, ctx.Err()
}

// OpenExport implements agent.Exporter.
func (s *Accounts) OpenExport(ctx context.Context, _ agent.ExportRequest) (agent.Export, error) {
	return accountsExport{s}, ctx.Err()
}

type accountsExport struct{ *Accounts }

// Put implements agent.Export. What goes wrong with one account is the result of
// that change, and the others are carried out.
func (x accountsExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	results := make([]agent.Result, len(changes))
	for i, c := range changes {
		results[i].Err = x.apply(c)
	}
	return results, nil
}

// Close implements agent.Export. Every Put has had its effect already.
func (x accountsExport) Close(context.Context, agent.Outcome) error { return nil }

// apply carries out one change. A repeated one may have been carried out before:
// the engine was stopped before it could note that it was.
func (s *Accounts) apply(c agent.Change) *fault.Error {
	account, exists := s.byLogin[c.DN]
	switch {
	case c.ObjectType != "account":
		return fault.New("no-export-to-this-object-type", "there is no object type %q", c.ObjectType)
	case c.NewDN != "":
		return fault.New("modify-naming-attribute", "a login is given once")
	case c.Op == identity.Add && exists && !c.Repeated:
		return fault.New("cd-existing-object", "there is an account %q already", c.DN)
	case c.Op != identity.Add && !exists && (c.Op != identity.Delete || !c.Repeated):
		return fault.New("cd-missing-object", "there is no account %q", c.DN)
	case c.Op == identity.Delete:
		delete(s.byLogin, c.DN)
		return nil
	}
	account.Login = c.DN
	fields := map[string]*string{
		"number": &account.Number, "name": &account.Name, "department": &account.Department, "manager": &account.Manager,
	}
	for _, change := range c.Changes {
		value := ""
		if len(change.Values) > 0 {
			value = change.Values[0].Text()
		}
		switch field, known := fields[change.Name]; {
		case known:
			*field = value
		case change.Name != "login":
			return fault.New("schema-violation", "an account has no attribute %q", change.Name)
		case value != c.DN:
			return fault.New("modify-naming-attribute", "a login is given once")
		}
	}
	s.byLogin[c.DN] = account
	return nil
}
