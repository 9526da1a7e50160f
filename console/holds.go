package console

import (
	"context"

	"github.com/metasync/metasync/daemon"
)

// Holds implements [Service].
func (c *Client) Holds(ctx context.Context, q daemon.HoldQuery) (daemon.Holds, error) {
	return ask[daemon.Holds](ctx, c, pathHolds, q)
}

// Decide implements [Service].
func (c *Client) Decide(ctx context.Context, by daemon.Decision) (daemon.Holds, error) {
	return ask[daemon.Holds](ctx, c, pathDecide, by)
}
