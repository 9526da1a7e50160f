package ldif

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
)

var _ agent.ObjectReader = (*ldifAgent)(nil)

// ReadObject implements agent.ObjectReader: it reads the file, and the log of changes over
// it, to the end and keeps the one entry.
func (a *ldifAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	stream, err := a.OpenImport(ctx, agent.ImportRequest{Schema: req.Schema, Required: req.Required})
	if err != nil {
		return err
	}
	key, is := req.Anchor, func(e *agent.Entry) bool { return e.Anchor == req.Anchor }
	if key == "" {
		name := foldName(req.DN)
		key, is = req.DN, func(e *agent.Entry) bool { return foldName(e.DN) == name }
	}
	return a.disk(a.file).ReadOne(ctx, stream, key, "entries", is, page)
}
