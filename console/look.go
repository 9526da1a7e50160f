package console

import (
	"context"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/run"
)

// Preview implements [Service].
func (c *Client) Preview(ctx context.Context, q engine.PreviewQuery) (*engine.Preview, error) {
	return ask[*engine.Preview](ctx, c, pathPreview, q)
}

// CommitPreview implements [Service].
func (c *Client) CommitPreview(ctx context.Context, q engine.PreviewQuery, user string) (*engine.Preview, error) {
	return watch[*engine.Preview](ctx, c, pathCommit, commitRequest{q, user}, nil)
}

// SyncObject implements [Service].
func (c *Client) SyncObject(ctx context.Context, q engine.SingleQuery, user string) (*engine.SingleSync, error) {
	return watch[*engine.SingleSync](ctx, c, pathSingle, singleRequest{q, user}, nil)
}

// Forecast implements [Service].
func (c *Client) Forecast(ctx context.Context, q daemon.ForecastQuery, progress run.Progress) (*engine.Forecast, error) {
	return watch[*engine.Forecast](ctx, c, pathForecast, q, progress)
}

// Containers implements [Service].
func (c *Client) Containers(ctx context.Context, q engine.ContainerQuery) ([]engine.ContainerView, error) {
	return ask[[]engine.ContainerView](ctx, c, pathContainers, q)
}

// Scripts implements [Service].
func (c *Client) Scripts(ctx context.Context) (*daemon.ScriptsView, error) {
	return ask[*daemon.ScriptsView](ctx, c, pathScripts, nothing{})
}

// DecideGeneration implements [Service].
func (c *Client) DecideGeneration(ctx context.Context, v daemon.GenerationVerdict, user string) (*daemon.Held, error) {
	return watch[*daemon.Held](ctx, c, pathGeneration, generationRequest{v, user}, nil)
}

// Try implements [Service].
func (c *Client) Try(ctx context.Context, q daemon.TryQuery) (*daemon.Tried, error) {
	return ask[*daemon.Tried](ctx, c, pathTry, q)
}

// Explain implements [Service].
func (c *Client) Explain(ctx context.Context, q engine.ExplainQuery) (*engine.Explanation, error) {
	return ask[*engine.Explanation](ctx, c, pathExplain, q)
}
