package logging

import (
	"context"
	"io"
	"log/slog"
)

// priorities are those of the journal by level: error, warning, info and debug.
var priorities = []struct {
	from   slog.Level
	prefix string
}{{slog.LevelError, "<3>"}, {slog.LevelWarn, "<4>"}, {slog.LevelInfo, "<6>"}, {slog.LevelDebug - 1000, "<7>"}}

// prioritized hands each line to the handler of its priority.
type prioritized []slog.Handler

// Prioritized returns a handler whose lines begin with the priority of their level.
// make makes the handler that writes them.
func Prioritized(w io.Writer, make func(io.Writer) slog.Handler) slog.Handler {
	var p prioritized
	for _, level := range priorities {
		p = append(p, make(prefixed{w, level.prefix}))
	}
	return p
}

// prefixed writes each line in one piece, with a prefix.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (p prioritized) of(level slog.Level) slog.Handler {
	for i, known := range priorities {
		if level >= known.from {
			return p[i]
		}
	}
	return p[len(p)-1]
}

// Enabled implements [slog.Handler].
func (p prioritized) Enabled(ctx context.Context, level slog.Level) bool {
	return p.of(level).Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (p prioritized) Handle(ctx context.Context, r slog.Record) error {
	return p.of(r.Level).Handle(ctx, r)
}

func (p prioritized) each(fn func(slog.Handler) slog.Handler) slog.Handler {
	derived := make(prioritized, len(p))
	for i, h := range p {
		derived[i] = fn(h)
	}
	return derived
}

// WithAttrs implements [slog.Handler].
func (p prioritized) WithAttrs(attrs []slog.Attr) slog.Handler {
	return p.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (p prioritized) WithGroup(name string) slog.Handler {
	return p.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}
