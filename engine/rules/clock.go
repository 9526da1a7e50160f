package rules

import (
	"context"
	"time"
)

type clockKey struct{}

// WithNow returns a context for calls of extensions that carries the time of the
// run. It is the same for all objects of a run, so that an extension that looks
// at the time gives the same answer to all, and a preview the one of a run.
func WithNow(ctx context.Context, now time.Time) context.Context {
	return context.WithValue(ctx, clockKey{}, now)
}

// Now returns the time of the run that an extension is called in, the zero time
// if the context carries none.
func Now(ctx context.Context) time.Time {
	now, _ := ctx.Value(clockKey{}).(time.Time)
	return now
}
