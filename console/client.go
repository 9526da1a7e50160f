package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
)

// A Client is the daemon of another process. Numbers in views, which may be
// anything in a daemon, are json.Number in a client, so that none loses a digit.
type Client struct{ http *http.Client }

var _ Service = (*Client)(nil)

// Dial returns a client of the daemon that serves a state folder. Its error is
// [ErrNotRunning] if there is none.
func Dial(ctx context.Context, stateFolder string) (*Client, error) {
	probe, err := dial(ctx, stateFolder)
	if err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, stateFolder) },
	}}}, nil
}

// Close closes the connections of the client.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status implements [Service].
func (c *Client) Status(ctx context.Context) (daemon.Status, error) {
	return ask[daemon.Status](ctx, c, pathStatus, nothing{})
}

// Order implements [Service].
func (c *Client) Order(ctx context.Context, o daemon.Order) error {
	_, err := ask[nothing](ctx, c, pathOrder, o)
	return err
}

// Plan implements [Service].
func (c *Client) Plan(ctx context.Context) ([]daemon.AgentPlan, error) {
	return ask[[]daemon.AgentPlan](ctx, c, pathPlan, nothing{})
}

// Log implements [Service].
func (c *Client) Log(ctx context.Context, q daemon.LogQuery) ([]daemon.Note, error) {
	return ask[[]daemon.Note](ctx, c, pathLog, q)
}

// History implements [Service].
func (c *Client) History(ctx context.Context, limit int) ([]*run.Record, error) {
	return ask[[]*run.Record](ctx, c, pathHistory, historyQuery{limit})
}

// Record implements [Service].
func (c *Client) Record(ctx context.Context, number uint64) (*run.Record, error) {
	return ask[*run.Record](ctx, c, pathRecord, recordQuery{number})
}

// Connectors implements [Service].
func (c *Client) Connectors(ctx context.Context, q engine.ConnectorQuery, yield func(engine.ConnectorView) error) error {
	return rows(ctx, c, pathConnectors, q, yield)
}

// Objects implements [Service].
func (c *Client) Objects(ctx context.Context, q engine.ObjectQuery, yield func(engine.ObjectView) error) error {
	return rows(ctx, c, pathObjects, q, yield)
}

// Once implements [Service].
func (c *Client) Once(ctx context.Context, sweep autosync.Sweep, progress run.Progress) (autosync.Summary, error) {
	return watch[autosync.Summary](ctx, c, pathOnce, onceRequest{sweep}, progress)
}

// Resync implements [Service].
func (c *Client) Resync(ctx context.Context, q engine.Resync, user string, progress run.Progress) ([]*run.Record, error) {
	return watch[[]*run.Record](ctx, c, pathResync, resyncRequest{q, user}, progress)
}

// Remove implements [Service].
func (c *Client) Remove(ctx context.Context, r engine.Removal, user string, progress run.Progress) (*run.Record, error) {
	return watch[*run.Record](ctx, c, pathRemove, removeRequest{r, user}, progress)
}

// PreviewRemoval implements [Service].
func (c *Client) PreviewRemoval(ctx context.Context, q daemon.RemovalQuery, progress run.Progress) (*engine.RemovalPreview, error) {
	return watch[*engine.RemovalPreview](ctx, c, pathRemoval, q, progress)
}

// Orphans implements [Service].
func (c *Client) Orphans(ctx context.Context, file string) ([]engine.Orphan, error) {
	return ask[[]engine.Orphan](ctx, c, pathOrphans, orphansQuery{file})
}

// NotifyTest implements [Service].
func (c *Client) NotifyTest(ctx context.Context, to string) ([]notify.Trial, error) {
	return ask[[]notify.Trial](ctx, c, pathNotifyTest, notifyTestRequest{to})
}

// CloseIncident implements [Service].
func (c *Client) CloseIncident(ctx context.Context, q daemon.IncidentClosing) (*notify.Incident, error) {
	return ask[*notify.Incident](ctx, c, pathIncident, q)
}

// Isolate implements [Service].
func (c *Client) Isolate(ctx context.Context, q daemon.IsolationQuery) (*daemon.Isolation, error) {
	return ask[*daemon.Isolation](ctx, c, pathIsolate, q)
}

// DecideWorkflow implements [Service].
func (c *Client) DecideWorkflow(ctx context.Context, v daemon.WorkflowVerdict, user string) (int, error) {
	return ask[int](ctx, c, pathWorkflow, workflowRequest{v, user})
}

// Exec implements [Service].
func (c *Client) Exec(ctx context.Context, agent, profile, user string, progress run.Progress) (*run.Record, error) {
	return watch[*run.Record](ctx, c, pathExec, execRequest{agent, profile, user}, progress)
}

// ask sends a query and returns the answer.
func ask[T any](ctx context.Context, c *Client, path string, query any) (answer T, err error) {
	decoder, done, err := c.post(ctx, path, query)
	if err != nil {
		return answer, err
	}
	defer done()
	if err := decoder.Decode(&answer); err != nil {
		return answer, c.broken(ctx, err)
	}
	return answer, nil
}

// watch sends a query, reports the progress of its answer and returns the result.
func watch[T any](ctx context.Context, c *Client, path string, query any, progress run.Progress) (result T, err error) {
	decoder, done, err := c.post(ctx, path, query)
	if err != nil {
		return result, err
	}
	defer done()
	result, err = read[T](decoder, progress)
	if remote := (*remoteError)(nil); err != nil && !errors.As(err, &remote) {
		err = c.broken(ctx, err)
	}
	return result, err
}

// post sends a query and returns what decodes the answer, and what ends reading
// it.
func (c *Client) post(ctx context.Context, path string, query any) (answer *json.Decoder, done func(), err error) {
	body, err := c.send(ctx, path, query)
	if err != nil {
		return nil, nil, err
	}
	return numbers(body), func() { body.Close() }, nil
}

// numbers returns a decoder that loses no digit.
func numbers(r io.Reader) *json.Decoder {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	return decoder
}

// send sends a query and returns the answer, or the error that it is.
func (c *Client) send(ctx context.Context, path string, query any) (io.ReadCloser, error) {
	body, err := json.Marshal(query)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://metasync"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer response.Body.Close()
	var f failure
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != "application/json" || numbers(response.Body).Decode(&f) != nil {
		// Another version of metasync, which does not know the path.
		return nil, fmt.Errorf("the daemon does not understand this request (%s): is it of another version?", response.Status)
	}
	return nil, f.err()
}

// broken says what it means that an answer did not come or broke off.
func (c *Client) broken(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNotRunning):
		return ErrNotRunning
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the daemon ended before it answered: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("talk to the daemon: %w", err)
}
