package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/run"
)

// Answers that are too long to be held are sent piece by piece.

// A row is one line of a list: an entry of it, or its end with what ended it.
type row[T any] struct {
	Row   *T       `json:"row,omitempty"`
	End   bool     `json:"end,omitempty"`
	Error *failure `json:"error,omitempty"`
}

// sendRows writes what list yields, a line each.
func sendRows[T any](w http.ResponseWriter, list func(yield func(T) error) error) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	buffered := bufio.NewWriterSize(w, 1<<16)
	encoder := json.NewEncoder(buffered)
	err := list(func(entry T) error { return encoder.Encode(row[T]{Row: &entry}) })
	// Errors here mean that nobody reads any more.
	_ = encoder.Encode(row[T]{End: true, Error: failureOf(err)})
	_ = buffered.Flush()
}

// readRows reads what sendRows wrote.
func readRows[T any](decoder *json.Decoder, yield func(T) error) error {
	for {
		var r row[T]
		if err := decoder.Decode(&r); err != nil {
			return err
		}
		if r.End {
			return r.Error.err()
		}
		if r.Row == nil {
			return errors.New("an empty row")
		}
		if err := yield(*r.Row); err != nil {
			return &yieldError{err}
		}
	}
}

// A yieldError is the error of the caller, and not of the daemon.
type yieldError struct{ error }

func (e *yieldError) Unwrap() error { return e.error }

// sendBytes writes what write writes. An error before the first byte is the
// answer; a later one cuts it off, so that nobody takes it for whole.
func sendBytes(w http.ResponseWriter, write func(io.Writer) error) {
	counted := &countingWriter{w: w}
	w.Header().Set("Content-Type", "application/octet-stream")
	err := write(counted)
	switch {
	case err == nil:
	case counted.n == 0:
		fail(w, http.StatusUnprocessableEntity, err)
	default:
		panic(http.ErrAbortHandler)
	}
}

type countingWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

// Details implements [Service].
func (c *Client) Details(ctx context.Context, q engine.DetailQuery) ([]engine.DetailView, error) {
	return ask[[]engine.DetailView](ctx, c, pathDetails, q)
}

// Verify implements [Service].
func (c *Client) Verify(ctx context.Context) ([]string, error) {
	return ask[[]string](ctx, c, pathVerify, nothing{})
}

// ByHand implements [Service].
func (c *Client) ByHand(ctx context.Context, m engine.Manual, user string) (*run.Record, error) {
	return watch[*run.Record](ctx, c, pathManual, manualRequest{m, user}, nil)
}

// Release implements [Service].
func (c *Client) Release(ctx context.Context, agent, key, user string) (*engine.ParkedView, error) {
	return watch[*engine.ParkedView](ctx, c, pathRelease, releaseRequest{agent, key, user}, nil)
}

// PendingExports implements [Service].
func (c *Client) PendingExports(ctx context.Context, agent string, yield func(engine.ExportRow) error) error {
	return rows(ctx, c, pathExports, exportsQuery{agent}, yield)
}

// rows sends a query and calls yield with the rows of the answer.
func rows[T any](ctx context.Context, c *Client, path string, query any, yield func(T) error) error {
	decoder, done, err := c.post(ctx, path, query)
	if err != nil {
		return err
	}
	defer done()
	err = readRows(decoder, yield)
	var own *yieldError
	var remote *remoteError
	switch {
	case err == nil, errors.As(err, &remote):
		return err
	case errors.As(err, &own):
		return own.error
	}
	return c.broken(ctx, err)
}

// Backup implements [Service].
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	body, err := c.send(ctx, pathBackup, nothing{})
	if err != nil {
		return err
	}
	defer body.Close()
	to := &countingWriter{w: w}
	if _, err := io.Copy(to, body); to.err != nil {
		return to.err
	} else if err != nil {
		return c.broken(ctx, err)
	}
	return nil
}
