package guard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
)

// A reader reads single objects in its own way.
type reader struct {
	*agenttest.Directory
	read func(page *agent.Page) error
}

func (r reader) ReadObject(_ context.Context, _ agent.ObjectRequest, page *agent.Page) error {
	return r.read(page)
}

// TestReadObject: what an agent says of one object is taken for what it is, and
// nonsense stops the step.
func TestReadObject(t *testing.T) {
	add := func(anchors ...string) func(page *agent.Page) error {
		return func(page *agent.Page) error {
			for _, anchor := range anchors {
				page.Add().Anchor = anchor
			}
			return nil
		}
	}
	fail := func(err error) func(*agent.Page) error { return func(*agent.Page) error { return err } }
	for name, test := range map[string]struct {
		read    func(*agent.Page) error
		want    string
		entries int
	}{
		"found":            {add("1"), "", 1},
		"gone":             {add(), "", 0},
		"not found":        {fail(fault.New("cd-missing-object", "not here")), "cd-missing-object", 0},
		"no connection":    {fail(fault.New("stopped-connectivity", "no route")), "stopped-connectivity", 0},
		"two objects":      {add("1", "1"), "stopped-ma", 0},
		"another object":   {add("2"), "stopped-ma", 0},
		"an unnamed way":   {fail(errors.New("so it says")), "stopped-ma", 0},
		"called success":   {fail(fault.New("success", "so it says")), "stopped-ma", 0},
		"panic":            {func(*agent.Page) error { panic("oh") }, "stopped-extensible-extension-error", 0},
		"page and error":   {func(p *agent.Page) error { p.Add().Anchor = "1"; return errors.New("torn") }, "stopped-ma", 0},
		"cannot after all": {fail(errors.ErrUnsupported), "unsupported", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var k guard.Keeper
			a := k.Wrap("A", reader{agenttest.NewDirectory(things, agent.Capabilities{AnchorIsDN: true}), test.read})
			var page agent.Page
			err := a.(agent.ObjectReader).ReadObject(t.Context(), agent.ObjectRequest{Anchor: "1"}, &page)
			got := fault.Name(err)
			if errors.Is(err, errors.ErrUnsupported) {
				got = "unsupported"
			}
			if got != test.want || len(page.Entries) != test.entries {
				t.Errorf("%v with %d entries, want %q with %d", err, len(page.Entries), test.want, test.entries)
			}
		})
	}
}
