package agenttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func (s *suite) schemaIsWhole() {
	t := s.schema.Type(s.Type)
	if t == nil {
		s.t.Fatalf("the schema has no type %q", s.Type)
	}
	names := append([]string{s.Text, s.List, s.Reference}, t.Anchor...)
	for _, a := range s.Attributes(1) {
		names = append(names, a.Name)
	}
	for _, name := range names {
		if name != "" && t.Attribute(name) == nil {
			s.t.Errorf("the schema has no attribute %q", name)
		}
	}
	if a := t.Attribute(s.List); a != nil && !a.Multi {
		s.t.Errorf("%q is not multi-valued", s.List)
	}
	if a := t.Attribute(s.Reference); a != nil && a.Type != identity.TypeReference {
		s.t.Errorf("%q is not a reference", s.Reference)
	}
}

func (s *suite) emptySystem() {
	imp := s.openImport(agent.ImportRequest{PageSize: 10})
	if !imp.Complete() || imp.Unchanged() {
		s.t.Errorf("Complete %v, Unchanged %v", imp.Complete(), imp.Unchanged())
	}
	var page agent.Page
	for range 2 {
		page.Add()
		if err := imp.Next(s.t.Context(), &page); !errors.Is(err, io.EOF) || len(page.Entries) > 0 {
			s.t.Fatalf("Next: %v with %d entries", err, len(page.Entries))
		}
	}
	_, err := imp.Close(s.t.Context(), agent.Completed)
	s.must(err)
}

func (s *suite) importAfterExport() {
	s.populate(25)
	want := map[string]identity.Attributes{}
	for n := 1; n <= 25; n++ {
		want[s.DN(n)] = s.Attributes(n)
	}
	anchors := map[string]bool{}
	for _, o := range s.expect(want) {
		if s.caps.AnchorIsDN && o.Anchor != o.DN {
			s.t.Errorf("anchor %q of %q", o.Anchor, o.DN)
		}
		anchors[o.Anchor] = true
	}
	if len(anchors) != 25 {
		s.t.Errorf("25 objects have %d anchors", len(anchors))
	}
}

func (s *suite) pages() {
	s.populate(25)
	for _, size := range []int{1, 7, 25, 1000} {
		imp := s.openImport(agent.ImportRequest{PageSize: size})
		var page agent.Page
		total := 0
		for {
			err := imp.Next(s.t.Context(), &page)
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			if n := len(page.Entries); n == 0 || n > size {
				s.t.Fatalf("a page of %d entries where %d were wanted", n, size)
			}
			total += len(page.Entries)
		}
		if err := imp.Next(s.t.Context(), &page); !errors.Is(err, io.EOF) {
			s.t.Errorf("Next after the end: %v", err)
		}
		_, err := imp.Close(s.t.Context(), agent.Completed)
		s.must(err)
		if total != 25 {
			s.t.Errorf("%d entries in pages of %d", total, size)
		}
	}
}

func (s *suite) entriesOutliveOtherPages() {
	s.populate(12)
	imp := s.openImport(agent.ImportRequest{PageSize: 5})
	var first, second agent.Page
	s.must(imp.Next(s.t.Context(), &first))
	before := render(&first)
	s.must(imp.Next(s.t.Context(), &second))
	if diff := cmp.Diff(before, render(&first)); diff != "" {
		s.t.Errorf("filling another page changed the first: -before +after\n%s", diff)
	}
	_, err := imp.Close(s.t.Context(), agent.Aborted)
	s.must(err)
}

// render writes a page down in strings of its own.
func render(page *agent.Page) []string {
	lines := make([]string, len(page.Entries))
	for i, e := range page.Entries {
		lines[i] = fmt.Sprintf("%s %s %s %s %v %v", e.Op, e.ObjectType, e.DN, e.Anchor, e.Attributes, e.Changes)
	}
	return lines
}

func (s *suite) requiredIsMissing() {
	s.populate(1)
	importer := s.agent.(agent.Importer)
	required := []agent.Required{{ObjectType: s.Type, Attribute: s.Text}, {ObjectType: s.Type, Attribute: "noSuchAttribute"}}
	_, err := importer.OpenImport(s.t.Context(), agent.ImportRequest{Schema: s.schema, Required: required, PageSize: 10})
	if name := fault.Name(err); !strings.HasPrefix(name, "no-start-") {
		s.t.Errorf("OpenImport without a required attribute: %v", err)
	} else if !strings.Contains(err.Error(), "noSuchAttribute") {
		s.t.Errorf("the error does not say what is missing: %v", err)
	}
	s.read(agent.ImportRequest{Required: required[:1], PageSize: 10})
}

func (s *suite) abortedImport() {
	s.populate(12)
	imp := s.openImport(agent.ImportRequest{PageSize: 5})
	var page agent.Page
	s.must(imp.Next(s.t.Context(), &page))
	_, err := imp.Close(s.t.Context(), agent.Aborted)
	s.must(err)
	if got := len(s.world()); got != 12 {
		s.t.Errorf("the next import shows %d objects", got)
	}
}

func (s *suite) cancelled() {
	s.populate(12)
	imp := s.openImport(agent.ImportRequest{PageSize: 5})
	exp := s.openExport()
	var page agent.Page
	s.must(imp.Next(s.t.Context(), &page))

	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	s.requireCancelled("Next", imp.Next(ctx, &page))
	_, err := exp.Put(ctx, []agent.Change{s.addition(13)})
	s.requireCancelled("Put", err)
	_, err = s.agent.(agent.Importer).OpenImport(ctx, agent.ImportRequest{Schema: s.schema, PageSize: 5})
	s.requireCancelled("OpenImport", err)
	_, err = s.agent.(agent.Exporter).OpenExport(ctx, agent.ExportRequest{Schema: s.schema})
	s.requireCancelled("OpenExport", err)

	_, err = imp.Close(s.t.Context(), agent.Aborted)
	s.must(err)
	s.must(exp.Close(s.t.Context(), agent.Aborted))
	if got := len(s.world()); got != 12 {
		s.t.Errorf("the next import shows %d objects", got)
	}
}

// deltaImport checks that an import from a watermark, laid over what the last
// one showed, gives what a full import gives. Whether the agent reads changes or
// everything is its own affair.
func (s *suite) deltaImport() {
	s.populate(6)
	full := s.read(agent.ImportRequest{PageSize: 4})
	before := s.apply(nil, full)

	changes := []agent.Change{
		s.modification(before, 2, s.object(before, 2).Attributes.Clone().Set(s.Text, identity.String("changed"))),
		s.deletion(before, 3),
		s.addition(7),
	}
	if !s.NoRename {
		changes = append(changes, s.renaming(before, 4, 8))
	}
	s.mustExport(changes...)

	delta := s.read(agent.ImportRequest{Delta: true, Watermark: full.watermark, PageSize: 4})
	if delta.unchanged {
		s.t.Fatal("Unchanged, although something did")
	}
	if s.caps.DeltaImport && delta.complete {
		s.t.Error("a delta import claims to be complete")
	}
	if !s.caps.DeltaImport && !delta.complete {
		s.t.Error("the agent has no delta imports, but this one is not complete")
	}
	after := s.world()
	if diff := cmp.Diff(describe(after), describe(s.apply(before, delta))); diff != "" {
		s.t.Errorf("delta import leads elsewhere than a full one: -full +delta\n%s", diff)
	}

	quiet := s.read(agent.ImportRequest{Delta: true, Watermark: delta.watermark, PageSize: 4})
	if (quiet.unchanged || s.caps.DeltaImport) && len(quiet.entries) > 0 {
		s.t.Errorf("nothing changed, but the delta import delivers %d entries", len(quiet.entries))
	}
	if diff := cmp.Diff(describe(after), describe(s.apply(after, quiet))); diff != "" {
		s.t.Errorf("nothing changed, but: -before +after\n%s", diff)
	}
}

// describe makes a world comparable.
func describe(w world) map[string]string {
	out := map[string]string{}
	for dn, o := range w {
		out[dn] = o.String()
	}
	return out
}

// abortedDelta checks that a delta import which was given up takes nothing from the
// next one that begins at the same watermark.
func (s *suite) abortedDelta() {
	s.populate(5)
	full := s.read(agent.ImportRequest{PageSize: 3})
	before := s.apply(nil, full)
	for n := 1; n <= 4; n++ {
		s.mustExport(s.modification(before, n, s.object(before, n).Attributes.Clone().Set(s.Text, identity.String("changed"))))
	}
	req := agent.ImportRequest{Delta: true, Watermark: full.watermark, PageSize: 2}
	imp := s.openImport(req)
	var page agent.Page
	s.must(imp.Next(s.t.Context(), &page))
	_, err := imp.Close(s.t.Context(), agent.Aborted)
	s.must(err)
	if diff := cmp.Diff(describe(s.world()), describe(s.apply(before, s.read(req)))); diff != "" {
		s.t.Errorf("the next delta import leads elsewhere than a full one: -full +delta\n%s", diff)
	}
}

// comeAndGo checks what a delta import says of objects that were created and deleted
// since the watermark, and of a name that another object got.
func (s *suite) comeAndGo() {
	s.populate(3)
	full := s.read(agent.ImportRequest{PageSize: 4})
	before := s.apply(nil, full)
	s.mustExport(s.addition(4), s.addition(5))
	now := s.world()
	s.mustExport(s.deletion(now, 4), s.deletion(now, 2))
	s.mustExport(s.addition(2))
	delta := s.read(agent.ImportRequest{Delta: true, Watermark: full.watermark, PageSize: 2})
	if diff := cmp.Diff(describe(s.world()), describe(s.apply(before, delta))); diff != "" {
		s.t.Errorf("delta import leads elsewhere than a full one: -full +delta\n%s", diff)
	}
}

// cancelledInTheMiddle ends imports at every page: no stream may end as if it were
// complete.
func (s *suite) cancelledInTheMiddle() {
	s.populate(9)
	for pages := range 3 {
		ctx, cancel := context.WithCancel(s.t.Context())
		imp := s.openImport(agent.ImportRequest{PageSize: 3})
		var page agent.Page
		for range pages {
			s.must(imp.Next(ctx, &page))
		}
		cancel()
		s.requireCancelled("Next", imp.Next(ctx, &page))
		_, err := imp.Close(s.t.Context(), agent.Aborted)
		s.must(err)
	}
	if got := len(s.world()); got != 9 {
		s.t.Errorf("the next import shows %d objects", got)
	}
}

func (s *suite) manyObjects() {
	const many = 250
	s.populate(many)
	seen := map[string]bool{}
	for _, e := range s.read(agent.ImportRequest{PageSize: 40}).entries {
		if seen[e.Anchor] {
			s.t.Fatalf("%q comes twice", e.Anchor)
		}
		seen[e.Anchor] = true
	}
	if len(seen) != many {
		s.t.Errorf("%d objects where there are %d", len(seen), many)
	}
}

func (s *suite) alphabets() {
	s.populate(1)
	w := s.world()
	for _, text := range []string{"Zoë Größe", "Łukasz Żółw", "Иван Петров", "田中さん", "مريم", "e\u0301 é", "😀 a", `\ / " '`} {
		want := s.Attributes(1).Clone().Set(s.Text, identity.String(text))
		s.mustExport(s.modification(w, 1, want))
		w = s.expect(map[string]identity.Attributes{s.DN(1): want})
	}
}
