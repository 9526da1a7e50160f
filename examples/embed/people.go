package main

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A Person is what this program knows of an employee.
type Person struct{ ID, GivenName, Surname, Department, Manager string }

// People is the personnel department: a connected system that is only read.
type People struct {
	mu   sync.Mutex
	byID map[string]Person
}

// Put hires people, or changes what is known of them.
func (s *People) Put(people ...Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range people {
		s.byID[p.ID] = p
	}
}

// Remove takes people off the list.
func (s *People) Remove(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.byID, id)
	}
}

var peopleSchema = identity.Schema{Types: []identity.ObjectType{{
	Name:   "employee",
	Anchor: []string{"id"}, // identifies an employee, for good
	Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString},
		{Name: "givenName", Type: identity.TypeString},
		{Name: "surname", Type: identity.TypeString},
		{Name: "department", Type: identity.TypeString},
		{Name: "manager", Type: identity.TypeReference}, // holds the id of another employee
	},
}}}

// Schema implements agent.Agent.
func (s *People) Schema(context.Context) (identity.Schema, error) { return peopleSchema, nil }

// Capabilities implements agent.Agent: employees have no name but their id.
func (s *People) Capabilities() agent.Capabilities { return agent.Capabilities{AnchorIsDN: true} }

// OpenImport implements agent.Importer: an import of everybody, as they are now.
func (s *People) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := req.Check(peopleSchema); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &listing{size: req.PageSize}
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		p := s.byID[id]
		list.entries = append(list.entries, agent.Entry{
			Op: identity.Add, ObjectType: "employee", DN: id, Anchor: id,
			Attributes: identity.Attributes{}.
				Set("id", text(p.ID)).
				Set("givenName", text(p.GivenName)).
				Set("surname", text(p.Surname)).
				Set("department", text(p.Department)).
				Set("manager", reference(p.Manager)),
		})
	}
	return list, ctx.Err()
}

// text and reference return no value for the empty text: absent is absent.
func text(s string) (v identity.Value) {
	if s != "" {
		v = identity.String(s)
	}
	return v
}

func reference(name string) (v identity.Value) {
	if name != "" {
		v = identity.Reference(name)
	}
	return v
}

// A listing is an import that holds all its entries. A system with more of them
// than fit into memory reads each page when it is asked for it.
type listing struct {
	entries []agent.Entry
	size    int
}

// Next implements agent.Import.
func (l *listing) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(l.entries) == 0 {
		return io.EOF
	}
	n := min(l.size, len(l.entries))
	page.Entries = append(page.Entries, l.entries[:n]...)
	l.entries = l.entries[n:]
	return nil
}

// Complete implements agent.Import: whoever is not in it is gone.
func (l *listing) Complete() bool { return true }

// Unchanged implements agent.Import.
func (l *listing) Unchanged() bool { return false }

// Close implements agent.Import. There is no watermark, so the next import reads
// everything again.
func (l *listing) Close(context.Context, agent.Outcome) ([]byte, error) { return nil, nil }
