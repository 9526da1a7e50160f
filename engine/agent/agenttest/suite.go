package agenttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A Subject is an agent under test: one that imports and exports.
type Subject struct {
	// Agent returns an agent for a system without objects of Type. It is called
	// once per test; cleaning up is its own business (t.Cleanup).
	Agent func(t *testing.T) agent.Agent

	// Type is the object type that the tests work with.
	Type string

	// DN returns the name of the n-th object, n from 1.
	DN func(n int) string

	// Attributes returns what the n-th object is created with: everything that
	// the system demands, the anchor attributes if it does not make them itself,
	// and a value of Text.
	Attributes func(n int) identity.Attributes

	// Naming are the attributes that a rename changes along with the name.
	Naming []string

	// SystemMade are attributes that the system adds by itself; they are not
	// compared.
	SystemMade []string

	Text      string // a single-valued string attribute that may be absent
	List      string // a multi-valued string attribute, "" if there is none
	Reference string // a reference attribute, single-valued or not, "" if there is none

	NoRename bool // the system cannot rename objects
}

// Run holds an agent to the contract of package agent. Each rule is a subtest.
func Run(t *testing.T, subject Subject) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"schema names what the tests use", (*suite).schemaIsWhole},
		{"empty system", (*suite).emptySystem},
		{"import after export", (*suite).importAfterExport},
		{"pages keep to their size", (*suite).pages},
		{"entries outlive other pages", (*suite).entriesOutliveOtherPages},
		{"required attribute is missing", (*suite).requiredIsMissing},
		{"aborted import", (*suite).abortedImport},
		{"cancelled context", (*suite).cancelled},
		{"delta import", (*suite).deltaImport},
		{"aborted delta import", (*suite).abortedDelta},
		{"objects that come and go between imports", (*suite).comeAndGo},
		{"cancelled in the middle", (*suite).cancelledInTheMiddle},
		{"many objects", (*suite).manyObjects},
		{"text of all alphabets", (*suite).alphabets},
		{"single object", (*suite).singleObject},
		{"update", (*suite).update},
		{"multi-valued attribute", (*suite).multiValued},
		{"reference", (*suite).reference},
		{"delete", (*suite).delete},
		{"rename", (*suite).rename},
		{"errors stay with their object", (*suite).objectErrors},
		{"repeated changes", (*suite).repeated},
		{"new objects that are there", (*suite).convertedAdd},
		{"aborted export", (*suite).abortedExport},
		{"changes belong to the caller", (*suite).changesBelongToCaller},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{Subject: subject, t: t, agent: subject.Agent(t)}
			s.caps = s.agent.Capabilities()
			s.readSchema()
			test.run(s)
		})
	}
}

// A suite is one run of one rule.
type suite struct {
	Subject
	t      *testing.T
	agent  agent.Agent
	caps   agent.Capabilities
	schema identity.Schema
}

// A world is all objects as an import shows them, by name.
type world map[string]Object

func (s *suite) readSchema() {
	s.t.Helper()
	schema, err := s.agent.Schema(s.t.Context())
	s.must(err)
	s.schema = schema
}

func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) openImport(req agent.ImportRequest) agent.Import {
	s.t.Helper()
	req.Schema = s.schema
	imp, err := s.agent.(agent.Importer).OpenImport(s.t.Context(), req)
	s.must(err)
	return imp
}

func (s *suite) openExport() agent.Export {
	s.t.Helper()
	exp, err := s.agent.(agent.Exporter).OpenExport(s.t.Context(), agent.ExportRequest{Schema: s.schema})
	s.must(err)
	return exp
}

// A reading is what one import delivered.
type reading struct {
	entries   []agent.Entry
	complete  bool
	unchanged bool
	watermark []byte
}

// read runs an import to its end.
func (s *suite) read(req agent.ImportRequest) reading {
	s.t.Helper()
	imp := s.openImport(req)
	r := reading{complete: imp.Complete(), unchanged: imp.Unchanged()}
	for page := new(agent.Page); ; {
		err := imp.Next(s.t.Context(), page)
		if errors.Is(err, io.EOF) {
			if len(page.Entries) > 0 {
				s.t.Fatal("a page with entries came with io.EOF")
			}
			break
		}
		s.must(err)
		for i := range page.Entries {
			r.entries = append(r.entries, s.copyEntry(&page.Entries[i]))
		}
	}
	var err error
	r.watermark, err = imp.Close(s.t.Context(), agent.Completed)
	s.must(err)
	return r
}

// copyEntry returns a copy that shares nothing with the page, without what the
// system adds by itself.
func (s *suite) copyEntry(e *agent.Entry) agent.Entry {
	s.t.Helper()
	if e.Err != nil {
		s.t.Fatalf("entry %q: %v", e.Anchor, e.Err)
	}
	if e.Anchor == "" || e.ObjectType == "" && e.Op != identity.Delete {
		s.t.Fatalf("an entry without anchor or type: %+v", e)
	}
	c := *e
	c.Attributes, c.Changes = nil, nil
	for i, a := range e.Attributes {
		if i > 0 && e.Attributes[i-1].Name >= a.Name {
			s.t.Fatalf("%q: attributes are not sorted: %q, %q", e.Anchor, e.Attributes[i-1].Name, a.Name)
		}
		values := slices.Clone(a.Values)
		if len(values) == 0 || !slices.Equal(values, identity.Normalize(slices.Clone(values))) {
			s.t.Fatalf("%q: the values of %q are not a normalized set: %v", e.Anchor, a.Name, values)
		}
		if !slices.Contains(s.SystemMade, a.Name) {
			c.Attributes = append(c.Attributes, identity.Attribute{Name: strings.Clone(a.Name), Values: values})
		}
	}
	for _, change := range e.Changes {
		if !slices.Contains(s.SystemMade, change.Name) {
			change.Values, change.Removed = slices.Clone(change.Values), slices.Clone(change.Removed)
			c.Changes = append(c.Changes, change)
		}
	}
	return c
}

// apply returns the world after what an import said.
func (s *suite) apply(before world, r reading) world {
	s.t.Helper()
	after := world{}
	if r.unchanged || !r.complete {
		after = maps.Clone(before)
	}
	for i := range r.entries {
		e := &r.entries[i]
		o := s.known(after, e)
		switch e.Op {
		case identity.Add, identity.None:
			delete(after, o.DN)
			after[e.DN] = Object{e.ObjectType, e.DN, e.Anchor, e.Attributes}
		case identity.Delete:
			delete(after, o.DN)
		case identity.Update:
			if o.DN == "" {
				s.t.Fatalf("an update of %q, which nobody knows", e.DN)
			}
			o.Attributes = (&identity.Delta{Op: identity.Update, Changes: e.Changes}).Apply(o.Attributes)
			delete(after, o.DN)
			if e.NewDN != "" {
				o.DN = e.NewDN
				if s.caps.AnchorIsDN {
					o.Anchor = e.NewDN
				}
			}
			after[o.DN] = o
		default:
			s.t.Fatalf("entry %q: an import cannot bring %q", e.DN, e.Op)
		}
	}
	return after
}

// known returns the object of an entry: by its anchor, as the engine finds it. An
// update or a deletion need not tell the name.
func (s *suite) known(w world, e *agent.Entry) Object {
	for _, o := range w {
		if o.Anchor == e.Anchor {
			return o
		}
	}
	return Object{}
}

// world returns all objects of the type under test.
func (s *suite) world() world {
	s.t.Helper()
	r := s.read(agent.ImportRequest{PageSize: 7})
	if !r.complete {
		s.t.Fatal("a full import is not complete")
	}
	w := s.apply(nil, r)
	if len(w) != len(r.entries) {
		s.t.Fatalf("%d entries for %d objects", len(r.entries), len(w))
	}
	return w
}

// export sends changes in one Put and ends the export.
func (s *suite) export(outcome agent.Outcome, changes ...agent.Change) []agent.Result {
	s.t.Helper()
	exp := s.openExport()
	results, err := exp.Put(s.t.Context(), changes)
	s.must(err)
	if len(results) != len(changes) {
		s.t.Fatalf("%d results for %d changes", len(results), len(changes))
	}
	s.must(exp.Close(s.t.Context(), outcome))
	return results
}

// mustExport exports changes that must all succeed. An agent that wants no
// references in new objects gets them as the engine sends them: afterwards.
func (s *suite) mustExport(changes ...agent.Change) {
	s.t.Helper()
	changes, references := s.passes(changes)
	for i, r := range s.export(agent.Completed, changes...) {
		if r.Err != nil || r.Action != agent.NoAction {
			s.t.Fatalf("%s of %q: %v, %s", changes[i].Op, changes[i].DN, r.Err, r.Action)
		}
	}
	if len(references) > 0 {
		s.mustExport(references...)
	}
}

// passes takes the references out of new objects if the agent wants that, and
// returns them as updates.
func (s *suite) passes(changes []agent.Change) (first, references []agent.Change) {
	if !s.caps.NoReferencesInFirstExport || s.Reference == "" {
		return changes, nil
	}
	first = slices.Clone(changes)
	for i := range first {
		c := &first[i]
		values := c.Image.Get(s.Reference)
		if c.Op != identity.Add || len(values) == 0 {
			continue
		}
		later := agent.Change{Op: identity.Update, ObjectType: c.ObjectType, DN: c.DN, Image: c.Image}
		c.Image = c.Image.Clone().Set(s.Reference)
		c.Changes = identity.Diff(nil, c.Image)
		references = append(references, s.atLevel(later, c.Image))
	}
	return first, references
}

// atLevel completes an update to its image, in the form that the agent wants.
func (s *suite) atLevel(c agent.Change, before identity.Attributes) agent.Change {
	switch s.caps.ExportLevel {
	case agent.ObjectLevel:
		c.Op, c.Changes = identity.Replace, identity.Diff(nil, c.Image)
		return c
	case agent.ValueLevel:
		c.Changes = identity.Diff(before, c.Image)
		return c
	}
	c.Changes = identity.Diff(before, c.Image)
	for i, change := range c.Changes {
		if change.Op == identity.Update {
			c.Changes[i] = identity.Change{Name: change.Name, Op: identity.Replace, Values: c.Image.Get(change.Name)}
		}
	}
	return c
}

// populate creates the objects 1 to n.
func (s *suite) populate(n int) {
	s.t.Helper()
	changes := make([]agent.Change, n)
	for i := range changes {
		changes[i] = s.addition(i + 1)
	}
	s.mustExport(changes...)
}

// addition returns the change that creates the n-th object, with more attributes
// if wanted.
func (s *suite) addition(n int, more ...identity.Attribute) agent.Change {
	a := identity.SortAttributes(slices.Concat(s.Attributes(n), more))
	return agent.Change{Op: identity.Add, ObjectType: s.Type, DN: s.DN(n), Changes: identity.Diff(nil, a), Image: a}
}

// modification returns the change that turns an object of w into one with these
// attributes.
func (s *suite) modification(w world, n int, to identity.Attributes) agent.Change {
	s.t.Helper()
	o := s.object(w, n)
	return s.atLevel(agent.Change{Op: identity.Update, ObjectType: s.Type, DN: o.DN, Anchor: o.Anchor, Image: to}, o.Attributes)
}

// deletion returns the change that deletes an object of w.
func (s *suite) deletion(w world, n int) agent.Change {
	s.t.Helper()
	o := s.object(w, n)
	return agent.Change{Op: identity.Delete, ObjectType: s.Type, DN: o.DN, Anchor: o.Anchor}
}

// renaming returns the change that gives the n-th object the name of the m-th.
func (s *suite) renaming(w world, n, m int) agent.Change {
	s.t.Helper()
	o := s.object(w, n)
	c := agent.Change{
		Op: identity.Update, ObjectType: s.Type, DN: o.DN, Anchor: o.Anchor, NewDN: s.DN(m), Image: o.Attributes.Clone(),
	}
	for _, name := range s.Naming {
		c.Image = c.Image.Set(name, s.Attributes(m).Get(name)...)
	}
	if s.caps.ExportLevel == agent.ObjectLevel {
		return s.atLevel(c, o.Attributes)
	}
	return c // the name brings its attributes along
}

func (s *suite) object(w world, n int) Object {
	s.t.Helper()
	o, ok := w[s.DN(n)]
	if !ok {
		s.t.Fatalf("there is no object %q", s.DN(n))
	}
	return o
}

// expect compares the content of the system with what it should hold: the names
// and their attributes. Anchors are the system's own.
func (s *suite) expect(want map[string]identity.Attributes) world {
	s.t.Helper()
	w := s.world()
	got := map[string]identity.Attributes{}
	for dn, o := range w {
		got[dn] = o.Attributes
	}
	if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
		s.t.Fatalf("the system holds something else: -want +got\n%s", diff)
	}
	return w
}

// texts makes attributes comparable and readable: type and text per value.
func texts(objects map[string]identity.Attributes) map[string]map[string][]string {
	out := map[string]map[string][]string{}
	for dn, attributes := range objects {
		out[dn] = map[string][]string{}
		for _, a := range attributes {
			for _, v := range a.Values {
				out[dn][a.Name] = append(out[dn][a.Name], fmt.Sprintf("%s %q", v.Type(), v.Text()))
			}
		}
	}
	return out
}

func (s *suite) requireCancelled(what string, err error) {
	s.t.Helper()
	if !errors.Is(err, context.Canceled) {
		s.t.Errorf("%s with a cancelled context: %v", what, err)
	}
}
