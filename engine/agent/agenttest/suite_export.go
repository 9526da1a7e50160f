package agenttest

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func (s *suite) update() {
	s.populate(3)
	w := s.world()
	changed := s.Attributes(2).Clone().Set(s.Text, identity.String(`a "quoted", much; longer = text`))
	removed := s.Attributes(3).Clone().Set(s.Text)
	s.mustExport(s.modification(w, 2, changed), s.modification(w, 3, removed))
	w = s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(2): changed, s.DN(3): removed})

	restored := s.Attributes(3)
	s.mustExport(s.modification(w, 3, restored))
	s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(2): changed, s.DN(3): restored})
}

func (s *suite) multiValued() {
	if s.List == "" {
		s.t.Skip("no multi-valued attribute")
	}
	many := func(texts ...string) []identity.Value { return valuesOf(texts) }
	s.mustExport(s.addition(1, identity.Attribute{Name: s.List, Values: many("c", "a", "b")}), s.addition(2))
	want := map[string]identity.Attributes{
		s.DN(1): s.Attributes(1).Clone().Set(s.List, many("a", "b", "c")...),
		s.DN(2): s.Attributes(2),
	}
	w := s.expect(want)
	for _, step := range [][]string{{"b", "c", "d"}, {"b"}, {}, {"x", "y"}} {
		want[s.DN(1)] = s.Attributes(1).Clone().Set(s.List, many(step...)...)
		s.mustExport(s.modification(w, 1, want[s.DN(1)]))
		w = s.expect(want)
	}
}

func (s *suite) reference() {
	if s.Reference == "" {
		s.t.Skip("no reference attribute")
	}
	to := func(n int) identity.Value { return identity.Reference(s.DN(n)) }
	s.mustExport(s.addition(1), s.addition(2), s.addition(3, identity.Attribute{Name: s.Reference, Values: []identity.Value{to(1)}}))
	want := map[string]identity.Attributes{
		s.DN(1): s.Attributes(1), s.DN(2): s.Attributes(2),
		s.DN(3): s.Attributes(3).Clone().Set(s.Reference, to(1)),
	}
	w := s.expect(want)
	want[s.DN(3)] = s.Attributes(3).Clone().Set(s.Reference, to(2))
	s.mustExport(s.modification(w, 3, want[s.DN(3)]))
	s.expect(want)
}

func (s *suite) delete() {
	s.populate(3)
	w := s.world()
	s.mustExport(s.deletion(w, 2))
	s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(3): s.Attributes(3)})
	s.mustExport(s.addition(2))
	s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(2): s.Attributes(2), s.DN(3): s.Attributes(3)})
}

func (s *suite) rename() {
	if s.NoRename {
		s.t.Skip("the system cannot rename")
	}
	s.populate(3)
	w := s.world()
	c := s.renaming(w, 2, 9)
	c.Image = c.Image.Set(s.Text, identity.String("renamed"))
	if c.Op == identity.Replace {
		c = s.atLevel(c, nil)
	} else {
		c.Changes = []identity.Change{{Name: s.Text, Op: identity.Replace, Values: []identity.Value{identity.String("renamed")}}}
	}
	s.mustExport(c)
	after := s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(9): c.Image, s.DN(3): s.Attributes(3)})
	if before, now := s.object(w, 2).Anchor, s.object(after, 9).Anchor; !s.caps.AnchorIsDN && before != now {
		s.t.Errorf("the rename changed the anchor from %q to %q", before, now)
	}
	taken := s.export(agent.Completed, s.renaming(after, 1, 3))[0]
	if name := fault.Name(faultOf(taken)); name != "rename-to-existing-dn" {
		s.t.Errorf("rename to a name that is taken: %v", taken.Err)
	}
}

// faultOf returns the error of a result as an error that is nil if there is none.
func faultOf(r agent.Result) error {
	if r.Err == nil {
		return nil
	}
	return r.Err
}

func (s *suite) objectErrors() {
	s.populate(3)
	w := s.world()
	gone := s.deletion(w, 3)
	missing := s.modification(w, 3, s.Attributes(3).Clone().Set(s.Text, identity.String("x")))
	s.mustExport(gone)

	unknown := s.modification(w, 1, s.Attributes(1))
	unknown.Changes = append(unknown.Changes, identity.Change{Name: "noSuchAttribute", Op: identity.Add, Values: []identity.Value{identity.String("x")}})
	slices.SortFunc(unknown.Changes, func(a, b identity.Change) int { return strings.Compare(a.Name, b.Name) })
	stranger := s.addition(4)
	stranger.ObjectType = "noSuchType"
	good := s.modification(w, 2, s.Attributes(2).Clone().Set(s.Text, identity.String("good")))

	changes := []agent.Change{s.addition(1), missing, gone, unknown, stranger, good}
	var got []string
	for _, r := range s.export(agent.Completed, changes...) {
		got = append(got, fault.Name(faultOf(r)))
	}
	want := []string{"cd-existing-object", "cd-missing-object", "cd-missing-object", "schema-violation", "no-export-to-this-object-type", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("names of the errors: -want +got\n%s", diff)
	}
	s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1), s.DN(2): good.Image})
}

// repeated sends changes again that an interrupted export may have carried out.
func (s *suite) repeated() {
	s.populate(4)
	w := s.world()
	changes := []agent.Change{
		s.addition(5),
		s.modification(w, 1, s.Attributes(1).Clone().Set(s.Text, identity.String("again"))),
		s.deletion(w, 2),
	}
	want := map[string]identity.Attributes{
		s.DN(1): changes[1].Image, s.DN(3): s.Attributes(3), s.DN(4): s.Attributes(4), s.DN(5): s.Attributes(5),
	}
	if !s.NoRename {
		c := s.renaming(w, 3, 9)
		changes = append(changes, c)
		delete(want, s.DN(3))
		want[s.DN(9)] = c.Image
	}
	s.mustExport(changes...)
	s.expect(want)
	for i := range changes {
		changes[i].Repeated = true
	}
	s.mustExport(changes...)
	s.expect(want)
	s.mustExport(slices.Concat(changes, changes)...)
	s.expect(want)
}

// convertedAdd sends what the engine sends for an object that was to be created
// and turned out to exist: an update that gives it all the values.
func (s *suite) convertedAdd() {
	s.populate(2)
	w := s.world()
	c := s.modification(w, 1, s.Attributes(1).Clone().Set(s.Text, identity.String("converted")))
	c.Anchor = ""
	if c.Op == identity.Update {
		c.Changes = identity.Diff(nil, c.Image)
		for i := range c.Changes {
			c.Changes[i].Op = identity.Replace
		}
	}
	s.mustExport(c)
	s.expect(map[string]identity.Attributes{s.DN(1): c.Image, s.DN(2): s.Attributes(2)})
}

func (s *suite) abortedExport() {
	s.populate(3)
	w := s.world()
	exp := s.openExport()
	results, err := exp.Put(s.t.Context(), []agent.Change{
		s.addition(4), s.deletion(w, 1), s.modification(w, 2, s.Attributes(2).Clone().Set(s.Text, identity.String("x"))),
	})
	s.must(err)
	for _, r := range results {
		s.must(faultOf(r))
	}
	if !s.caps.AllOrNothing {
		s.must(exp.Close(s.t.Context(), agent.Aborted))
		return
	}
	if diff := cmp.Diff(describe(w), describe(s.world())); diff != "" {
		s.t.Errorf("changes show before Close: -before +after\n%s", diff)
	}
	s.must(exp.Close(s.t.Context(), agent.Aborted))
	if diff := cmp.Diff(describe(w), describe(s.world())); diff != "" {
		s.t.Errorf("an aborted export left something: -before +after\n%s", diff)
	}
}

// changesBelongToCaller overwrites the changes after Put, as an engine does that
// reuses its room.
func (s *suite) changesBelongToCaller() {
	exp := s.openExport()
	c := s.addition(1)
	results, err := exp.Put(s.t.Context(), []agent.Change{c})
	s.must(err)
	s.must(faultOf(results[0]))
	for i := range c.Changes {
		for j := range c.Changes[i].Values {
			c.Changes[i].Values[j] = identity.String("overwritten")
		}
		c.Changes[i] = identity.Change{Name: "overwritten"}
	}
	s.must(exp.Close(s.t.Context(), agent.Completed))
	s.expect(map[string]identity.Attributes{s.DN(1): s.Attributes(1)})
}
