package csv

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
)

// ReadObject implements agent.ObjectReader: it reads the file to its end and keeps
// the one row.
func (a *csvAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	stream, err := a.OpenImport(ctx, agent.ImportRequest{Schema: req.Schema, Required: req.Required})
	if err != nil {
		return err
	}
	key, is := req.Anchor, func(e *agent.Entry) bool { return e.Anchor == req.Anchor }
	if key == "" {
		key, is = req.DN, func(e *agent.Entry) bool { return e.DN == req.DN }
		if a.dn != "" {
			name := nameKey(key)
			is = func(e *agent.Entry) bool { return nameKey(e.DN) == name }
		}
	}
	return a.named(a.disk().ReadOne(ctx, stream, key, "rows", is, page))
}
