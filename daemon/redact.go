package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// redactedError returns err without secrets: the same problems, as text.
func redactedError(err error, secrets []string) error {
	if err == nil || config.Redact(secrets, err.Error()) == err.Error() {
		return err
	}
	var problems []error
	var stop *autosync.UnexpectedChange
	if errors.As(err, &stop) {
		problems = append(problems, &autosync.UnexpectedChange{Message: config.Redact(secrets, stop.Message), All: stop.All})
	}
	for _, e := range fault.All(err) {
		clean := *e
		clean.Text, clean.Err = config.Redact(secrets, e.Detail()), nil
		clean.Hint, clean.Rule = config.Redact(secrets, e.Hint), config.Redact(secrets, e.Rule)
		problems = append(problems, &clean)
	}
	return errors.Join(problems...)
}

// redactedCheck returns the check of a trigger with errors that show no secret: what
// a script throws may hold what a server answered.
func redactedCheck(check func(context.Context, autosync.Occasion) ([]autosync.Request, error), secrets []string) func(context.Context, autosync.Occasion) ([]autosync.Request, error) {
	if check == nil || len(secrets) == 0 {
		return check
	}
	return func(ctx context.Context, on autosync.Occasion) ([]autosync.Request, error) {
		requests, err := check(ctx, on)
		return requests, redactedError(err, secrets)
	}
}

// redacted returns a logger that writes no secret.
func redacted(log *slog.Logger, secrets []string) *slog.Logger {
	if len(secrets) == 0 {
		return log
	}
	return slog.New(&redactor{log.Handler(), secrets})
}

type redactor struct {
	slog.Handler
	secrets []string
}

// Handle implements [slog.Handler].
func (r *redactor) Handle(ctx context.Context, record slog.Record) error {
	clean := slog.NewRecord(record.Time, record.Level, config.Redact(r.secrets, record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(r.attr(a))
		return true
	})
	return r.Handler.Handle(ctx, clean)
}

func (r *redactor) attr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(config.Redact(r.secrets, a.Value.String()))
	case slog.KindGroup:
		var attrs []slog.Attr
		for _, inner := range a.Value.Group() {
			attrs = append(attrs, r.attr(inner))
		}
		a.Value = slog.GroupValue(attrs...)
	case slog.KindAny:
		a.Value = slog.StringValue(config.Redact(r.secrets, fmt.Sprint(a.Value.Any())))
	}
	return a
}

// WithAttrs implements [slog.Handler].
func (r *redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.attr(a)
	}
	return &redactor{r.Handler.WithAttrs(clean), r.secrets}
}

// WithGroup implements [slog.Handler].
func (r *redactor) WithGroup(name string) slog.Handler {
	return &redactor{r.Handler.WithGroup(name), r.secrets}
}
