package agenttest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// ReadSingle has the directory read single objects from now on, or no longer.
func (d *Directory) ReadSingle(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.single = on
}

// ReadObject implements agent.ObjectReader.
func (d *Directory) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	return d.call(ctx, CallReadObject, func() error {
		if !d.single {
			return errors.ErrUnsupported
		}
		if err := d.checkRequest(req.Partition, true); err != nil {
			return err
		}
		o := d.state.objects[req.Anchor]
		if req.Anchor == "" {
			o = d.state.find("", req.DN)
		}
		if o == nil || !d.shows(req.Partition, o.DN) {
			return nil
		}
		e := page.Add()
		e.Op, e.ObjectType, e.DN, e.Anchor, e.Attributes = identity.Add, o.Type, o.DN, o.Anchor, o.Attributes.Clone()
		e.Err = d.faults.imports[o.Anchor]
		return nil
	})
}

// singleObject: an agent that reads single objects finds those that are there, and
// says of others that they are gone, or that it is not sure.
func (s *suite) singleObject() {
	reader, ok := s.agent.(agent.ObjectReader)
	if !ok {
		s.t.Skip("it reads no single objects")
	}
	s.populate(25)
	world := s.world()
	for _, name := range slices.Sorted(maps.Keys(world)) {
		o := world[name]
		for _, req := range []agent.ObjectRequest{
			{Schema: s.schema, ObjectType: o.Type, Anchor: o.Anchor, DN: o.DN},
			{Schema: s.schema, DN: o.DN},
		} {
			var page agent.Page
			err := reader.ReadObject(s.t.Context(), req, &page)
			if errors.Is(err, errors.ErrUnsupported) {
				s.t.Skip("it reads no single objects")
			}
			s.must(err)
			if len(page.Entries) != 1 {
				s.t.Fatalf("%+v: %d entries", req, len(page.Entries))
			}
			e := s.copyEntry(&page.Entries[0])
			if e.Anchor != o.Anchor || e.DN != o.DN || e.Err != nil || !e.Attributes.Equal(o.Attributes) {
				s.t.Errorf("%+v: %+v, want %+v", req, e, o)
			}
		}
	}
	var page agent.Page
	err := reader.ReadObject(s.t.Context(), agent.ObjectRequest{Schema: s.schema, DN: s.DN(26), Anchor: s.DN(26)}, &page)
	if err != nil && fault.Name(err) != "cd-missing-object" || len(page.Entries) > 0 {
		s.t.Errorf("an object that is not there: %v, %+v", err, page.Entries)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	s.requireCancelled("ReadObject", reader.ReadObject(ctx, agent.ObjectRequest{Schema: s.schema, DN: s.DN(1), Anchor: s.DN(1)}, &page))
}
