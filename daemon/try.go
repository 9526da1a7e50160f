package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting"
)

// A TryQuery says which function of the scripts to call, and on what. Objects are
// named as for [engine.Engine.Entries].
type TryQuery struct {
	Kind   string   `json:"kind"`
	Name   []string `json:"name"` // see [scripting.Trial]
	Object string   `json:"object"`
	With   []string `json:"with,omitempty"` // other objects that the function is given
}

// Tried is what came of one call of a function of the scripts. Its JSON form is the
// public one.
type Tried struct {
	Kind     string   `json:"kind"`
	Name     []string `json:"name"`
	Object   string   `json:"object"`
	Returned any      `json:"returned"` // values in the form of expr.FromJSON; what was asked for, of a provisioning function
	Error    *Problem `json:"error,omitempty"`
	Log      []Logged `json:"log"`
	Seconds  float64  `json:"seconds"`
}

// Logged is a line that a script logged.
type Logged struct {
	Level  string            `json:"level"`
	Text   string            `json:"text"`
	Script string            `json:"script"` // the place
	Fields map[string]string `json:"fields,omitempty"`
}

// Try calls one function of the scripts that are in force on a stored object and
// tells what it returns and logs. It changes nothing. What the function throws is
// part of the answer; the error is about the query.
func (d *Daemon) Try(ctx context.Context, q TryQuery) (*Tried, error) {
	defer d.use()()
	active := d.current()
	secrets := active.config.Secrets
	out := &Tried{Kind: q.Kind, Name: q.Name, Object: q.Object, Log: []Logged{}}
	heard := &listener{own: 2}
	if q.Kind == "flowFunction" {
		heard.own = 1
	}
	err := d.engine.Entries(ctx, append([]string{q.Object}, q.With...), func(ctx context.Context, entries []rules.Entry) error {
		trial := scripting.Trial{
			Kind: q.Kind, Name: q.Name, Object: entries[0], With: entries[1:],
			Dialect: expr.Dialect(active.config.Model.Dialect),
		}
		began := time.Now()
		returned, called, err := active.scripts.Try(scripting.WithLog(ctx, slog.New(heard)), trial)
		out.Seconds = time.Since(began).Seconds()
		if !called {
			return err
		}
		if err != nil {
			out.Error = &Problems(redactedError(err, secrets))[0]
			return nil
		}
		out.Returned = redactPlain(returned, secrets)
		return nil
	})
	if err != nil {
		return nil, redactedError(err, secrets)
	}
	for _, line := range heard.lines {
		line.Text = config.Redact(secrets, line.Text)
		for key, text := range line.Fields {
			line.Fields[key] = config.Redact(secrets, text)
		}
		out.Log = append(out.Log, line)
	}
	return out, nil
}

// redactPlain takes the secrets out of plain data.
func redactPlain(v any, secrets []string) any {
	switch x := v.(type) {
	case string:
		return config.Redact(secrets, x)
	case []any:
		for i := range x {
			x[i] = redactPlain(x[i], secrets)
		}
	case map[string]any:
		for key := range x {
			x[key] = redactPlain(x[key], secrets)
		}
	}
	return v
}

// A listener keeps the lines that are logged.
type listener struct {
	own   int // attributes behind the place that say which call it is, which is known
	mu    sync.Mutex
	lines []Logged
}

// Enabled implements [slog.Handler].
func (*listener) Enabled(context.Context, slog.Level) bool { return true }

// maxLogged bounds the lines of one call.
const maxLogged = 1000

// Handle implements [slog.Handler].
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	line := Logged{Level: r.Level.String(), Text: r.Message}
	n := -1
	r.Attrs(func(a slog.Attr) bool {
		switch n++; {
		case n == 0:
			line.Script = a.Value.String()
		case n > l.own:
			if line.Fields == nil {
				line.Fields = map[string]string{}
			}
			line.Fields[a.Key] = a.Value.String()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) < maxLogged {
		l.lines = append(l.lines, line)
	}
	return nil
}

// WithAttrs implements [slog.Handler]; scripts use no logger that has any.
func (l *listener) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements [slog.Handler].
func (l *listener) WithGroup(string) slog.Handler { return l }
