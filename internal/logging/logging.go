package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Options say where lines go and how they look.
type Options struct {
	File   FileOptions // without a path, lines go to standard error only
	Format string      // "text" or "json"; "" is what standard error shows by itself, and text in a file
	Level  slog.Level
}

// A Log is a log that can be changed while it is written. Loggers of it, and those
// derived from them, write as it says now. Its methods may be called from several
// goroutines.
type Log struct {
	stderr func(format string) slog.Handler
	level  slog.LevelVar
	out    atomic.Pointer[output]

	changing sync.Mutex
}

// An output is where lines go for now.
type output struct {
	handler slog.Handler
	file    *File
	options Options
}

// New returns a log that writes to standard error. stderr makes the handler of that,
// of a format or "" for the one that suits it; it must let lines of every level pass.
func New(stderr func(format string) slog.Handler, level slog.Level) *Log {
	l := &Log{stderr: stderr}
	l.level.Set(level)
	l.out.Store(&output{handler: stderr(""), options: Options{Level: level}})
	return l
}

// Logger returns a logger of the log.
func (l *Log) Logger() *slog.Logger { return slog.New(&handler{log: l}) }

// Configure has the log written in another way from now on. On error, of a file that
// cannot be opened, nothing changes. With a file, standard error gets errors only, so
// that they show in the journal of the system.
func (l *Log) Configure(o Options) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	before := l.out.Load()
	next := &output{options: o}
	if o.File.Path == "" {
		next.handler = l.stderr(o.Format)
	} else {
		file, err := OpenFile(o.File)
		if err != nil {
			return err
		}
		next.file = file
		next.handler = both{fileHandler(file, o.Format), l.stderr(o.Format)}
	}
	l.level.Set(o.Level)
	l.out.Store(next)
	return before.close()
}

// Options returns how the log is written now.
func (l *Log) Options() Options { return l.out.Load().options }

// Reopen opens the file again, if there is one: whoever renamed it gets a new one.
func (l *Log) Reopen() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if file := l.out.Load().file; file != nil {
		return file.Reopen()
	}
	return nil
}

// Close closes the file, if there is one. Lines that come later go to standard error.
func (l *Log) Close() error {
	o := l.Options()
	o.File = FileOptions{}
	return l.Configure(o)
}

// close closes the file of an output that nobody gets any more. A line on its way
// is then refused by the file; the handler writes it to the next output.
func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// AnyLevel lets every level pass: the level is that of the log.
const AnyLevel = slog.Level(-1000)

func fileHandler(w io.Writer, format string) slog.Handler {
	o := &slog.HandlerOptions{Level: AnyLevel}
	if format == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// A handler hands lines to the output that the log has now.
type handler struct {
	log    *Log
	derive []func(slog.Handler) slog.Handler // what WithAttrs and WithGroup did
	known  atomic.Pointer[derived]
}

// derived is what derive makes of the handler of an output.
type derived struct {
	of      *output
	handler slog.Handler
}

func (h *handler) current() slog.Handler {
	out := h.log.out.Load()
	if d := h.known.Load(); d != nil && d.of == out {
		return d.handler
	}
	next := out.handler
	for _, derive := range h.derive {
		next = derive(next)
	}
	h.known.Store(&derived{out, next})
	return next
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.log.level.Level()
}

// Handle implements [slog.Handler].
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs := attrsOf(ctx); len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	for {
		err := h.current().Handle(ctx, r)
		if !errors.Is(err, os.ErrClosed) {
			return err
		}
		// The output was changed meanwhile; the line belongs to the new one.
	}
}

func (h *handler) with(derive func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{log: h.log, derive: append(h.derive[:len(h.derive):len(h.derive)], derive)}
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

// both writes lines into a file, and errors to standard error too. What the file
// does not take goes there as well.
type both struct{ file, stderr slog.Handler }

// Enabled implements [slog.Handler].
func (b both) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (b both) Handle(ctx context.Context, r slog.Record) error {
	err := b.file.Handle(ctx, r.Clone())
	if errors.Is(err, os.ErrClosed) {
		return err
	}
	if err != nil || r.Level >= slog.LevelError {
		err = errors.Join(err, b.stderr.Handle(ctx, r))
	}
	return err
}

// WithAttrs implements [slog.Handler].
func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b.file.WithAttrs(attrs), b.stderr.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (b both) WithGroup(name string) slog.Handler {
	return both{b.file.WithGroup(name), b.stderr.WithGroup(name)}
}
