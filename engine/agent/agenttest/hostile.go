package agenttest

import (
	"context"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// A Hostile is a directory that breaks the contract of an agent where its fields
// say so, for tests of those who have to bear it. To panic or to hang,
// [Directory.OnCall] is enough.
type Hostile struct {
	*Directory

	Says      func() agent.Capabilities                            // in place of the capabilities
	Describes func(identity.Schema) identity.Schema                // what becomes of the schema
	Opens     func(agent.Import) agent.Import                      // what becomes of an import
	Fills     func(n int, page *agent.Page) error                  // in place of Next; n counts from 1
	Leaves    func() []byte                                        // in place of the watermark
	OpensOut  func(agent.Export) agent.Export                      // what becomes of an export
	Answers   func(changes []agent.Change) ([]agent.Result, error) // in place of Put
}

var (
	_ agent.Agent    = (*Hostile)(nil)
	_ agent.Importer = (*Hostile)(nil)
	_ agent.Exporter = (*Hostile)(nil)
)

// Capabilities implements agent.Agent.
func (h *Hostile) Capabilities() agent.Capabilities {
	if h.Says != nil {
		return h.Says()
	}
	return h.Directory.Capabilities()
}

// Schema implements agent.Agent.
func (h *Hostile) Schema(ctx context.Context) (identity.Schema, error) {
	schema, err := h.Directory.Schema(ctx)
	if err == nil && h.Describes != nil {
		schema = h.Describes(schema)
	}
	return schema, err
}

// OpenImport implements agent.Importer.
func (h *Hostile) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	stream, err := h.Directory.OpenImport(ctx, req)
	if err != nil {
		return nil, err
	}
	stream = &hostileImport{Import: stream, hostile: h}
	if h.Opens != nil {
		stream = h.Opens(stream)
	}
	return stream, nil
}

type hostileImport struct {
	agent.Import
	hostile *Hostile
	pages   int
}

func (m *hostileImport) Next(ctx context.Context, page *agent.Page) error {
	if m.hostile.Fills == nil {
		return m.Import.Next(ctx, page)
	}
	m.pages++
	return m.hostile.Directory.call(ctx, CallNext, func() error { return m.hostile.Fills(m.pages, page) })
}

func (m *hostileImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	watermark, err := m.Import.Close(ctx, outcome)
	if err == nil && m.hostile.Leaves != nil {
		watermark = m.hostile.Leaves()
	}
	return watermark, err
}

// OpenExport implements agent.Exporter.
func (h *Hostile) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	stream, err := h.Directory.OpenExport(ctx, req)
	if err != nil {
		return nil, err
	}
	stream = &hostileExport{Export: stream, hostile: h}
	if h.OpensOut != nil {
		stream = h.OpensOut(stream)
	}
	return stream, nil
}

type hostileExport struct {
	agent.Export
	hostile *Hostile
}

func (x *hostileExport) Put(ctx context.Context, changes []agent.Change) (results []agent.Result, err error) {
	if x.hostile.Answers == nil {
		return x.Export.Put(ctx, changes)
	}
	err = x.hostile.Directory.call(ctx, CallPut, func() (err error) {
		results, err = x.hostile.Answers(changes)
		return err
	})
	return results, err
}
