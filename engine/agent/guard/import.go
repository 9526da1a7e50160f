package guard

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/metasync/metasync/engine/agent"
)

const (
	// pageExcess is how many times the wanted number of entries a page may hold.
	pageExcess = 10

	// maxEmptyPages is how many pages without an entry may come in a row. A system
	// that pages before it filters has some; one without end would never end.
	maxEmptyPages = 1000

	// maxWatermark is the length of the longest watermark in bytes.
	maxWatermark = 1 << 20
)

type importer struct {
	kept  *keptAgent
	inner agent.Importer
}

// OpenImport implements agent.Importer.
func (g importer) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	if err := g.kept.start(); err != nil {
		return nil, err
	}
	req.Schema, req.Required, req.Watermark = ownSchema(req.Schema), slices.Clone(req.Required), slices.Clone(req.Watermark)
	k := &keptImport{kept: g.kept, pageSize: req.PageSize}
	var stream agent.Import
	err := g.kept.call(ctx, "OpenImport", func() (err error) {
		stream, err = g.inner.OpenImport(ctx, req)
		if err != nil || stream == nil {
			return err
		}
		k.complete, k.unchanged = stream.Complete(), stream.Unchanged()
		return nil
	}, func() {
		if stream != nil {
			k.abort(ctx, stream)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case stream == nil:
		return nil, g.kept.violation("OpenImport returned no stream")
	}
	k.inner = stream
	if k.unchanged && len(req.Watermark) == 0 {
		_, _ = k.Close(context.WithoutCancel(ctx), agent.Aborted) // the violation is what matters
		return nil, g.kept.violation("nothing is said to have changed, but there is no watermark since which")
	}
	return k, nil
}

// A keptImport is a stream of entries behind its guard.
type keptImport struct {
	kept                *keptAgent
	inner               agent.Import
	pageSize            int
	complete, unchanged bool
	empty               int   // pages in a row
	ended               error // what every further Next returns
	left                bool  // a call was left behind, which closes the stream itself
}

// Complete implements agent.Import.
func (k *keptImport) Complete() bool { return k.complete }

// Unchanged implements agent.Import.
func (k *keptImport) Unchanged() bool { return k.unchanged }

// Next implements agent.Import. After an error of any kind the page is empty and
// the stream has ended. Entries beside an io.EOF are delivered before it: what an
// agent has told is not to be taken for gone.
func (k *keptImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if k.ended != nil {
		return k.ended
	}
	err := k.kept.call(ctx, "Next", func() error { return k.inner.Next(ctx, page) }, func() { k.abort(ctx, k.inner) })
	if errors.Is(err, errLeft) { // the page is still the agent's
		k.left, k.ended = true, err
		return err
	}
	n := len(page.Entries)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
	case k.pageSize > 0 && n > pageExcess*k.pageSize:
		err = k.kept.violation("a page holds %d entries where %d were wanted", n, k.pageSize)
	case n > 0:
		k.ended, k.empty = err, 0
		return nil
	case err == nil:
		if k.empty++; k.empty > maxEmptyPages {
			err = k.kept.violation("%d pages in a row are empty", k.empty)
		}
	}
	page.Reset()
	k.ended = err
	return err
}

// Close implements agent.Import.
func (k *keptImport) Close(ctx context.Context, outcome agent.Outcome) ([]byte, error) {
	if k.left {
		return nil, nil
	}
	ctx, cancel := k.kept.aborting(ctx, outcome)
	defer cancel()
	var watermark []byte
	err := k.kept.call(ctx, "Close", func() (err error) {
		watermark, err = k.inner.Close(ctx, outcome)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	if len(watermark) > maxWatermark {
		return nil, k.kept.violation("the watermark has %d bytes", len(watermark))
	}
	return slices.Clone(watermark), nil
}

// abort closes a stream after a call of it that was left behind.
func (k *keptImport) abort(ctx context.Context, stream agent.Import) {
	ctx, cancel := k.kept.aborting(context.WithoutCancel(ctx), agent.Aborted)
	defer cancel()
	_, _ = stream.Close(ctx, agent.Aborted) // nobody is left to be told
}
