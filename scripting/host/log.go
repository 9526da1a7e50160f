package host

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
)

// logBurst is how many lines one place in a script may log in a second: a flow
// function runs once for every object.
const logBurst = 10

// maxLogged is how many fields a line may have.
const maxLogged = 100

// Log is the type of the object with which scripts log.
var Log = &Object{
	Name: "Log",
	Doc: "Writes to the log of the program. Each line says where in the scripts it comes from.\n" +
		"A place that logs more than 10 lines in a second is cut short, and the rest is counted.",
	Globals: []string{"log"},
	Members: []Member{
		logMember("debug", slog.LevelDebug, "Logs what helps to find a mistake; not shown by default."),
		logMember("info", slog.LevelInfo, "Logs what happened."),
		logMember("warn", slog.LevelWarn, "Logs what somebody should look at."),
		logMember("error", slog.LevelError, "Logs what failed."),
	},
}

// Console is the type of the console, for those who are used to it.
var Console = &Object{
	Name:    "Console",
	Doc:     "The same log, for those who are used to a console: all arguments become one line.",
	Globals: []string{"console"},
	Members: []Member{
		consoleMember("debug", slog.LevelDebug),
		consoleMember("log", slog.LevelInfo),
		consoleMember("info", slog.LevelInfo),
		consoleMember("warn", slog.LevelWarn),
		consoleMember("error", slog.LevelError),
	},
}

// Module describes the names that belong to each file.
var Module = Type{
	Name: "Modules",
	Doc: "Each file is a module: it shares with others only what it exports. `import` and `export` work too,\n" +
		"between the files of the scripts folder.",
	Text: "declare function require(file: string): any;\n" +
		"declare const module: { exports: any };\n" +
		"declare const exports: any;",
}

func logMember(name string, level slog.Level, doc string) Member {
	return Member{
		Name: name, Signature: "(message: unknown, fields?: Record<string, unknown>): void", Doc: doc,
		Call: func(a *Active, args []goja.Value) (goja.Value, error) {
			if len(args) == 0 {
				return nil, nil
			}
			var fields []slog.Attr
			if len(args) > 1 {
				if obj, ok := args[1].(*goja.Object); ok {
					for i, key := range obj.Keys() {
						if i == maxLogged {
							fields = append(fields, slog.String("more", "left out"))
							break
						}
						fields = append(fields, slog.Any(key, shown(obj.Get(key))))
					}
				} else {
					fields = append(fields, slog.Any("value", shown(args[1])))
				}
			}
			a.log(level, describe(args[0]), fields)
			return nil, nil
		},
	}
}

func consoleMember(name string, level slog.Level) Member {
	return Member{
		Name: name, Signature: "(...args: unknown[]): void",
		Call: func(a *Active, args []goja.Value) (goja.Value, error) {
			texts := make([]string, min(len(args), maxLogged))
			for i, arg := range args[:len(texts)] {
				texts[i] = describe(arg)
			}
			a.log(level, bounded(strings.Join(texts, " ")), nil)
			return nil, nil
		},
	}
}

// shown keeps what slog shows well as it is and describes everything else.
func shown(v goja.Value) any {
	if _, isObject := v.(*goja.Object); !isObject && v != nil {
		switch x := v.Export().(type) {
		case bool, int64, float64:
			return x
		}
	}
	return describe(v)
}

// log writes a line that says where it comes from and in which call.
func (a *Active) log(level slog.Level, message string, fields []slog.Attr) {
	g := a.w.generation
	own, _ := a.parent.Value(logKey{}).(*slog.Logger)
	if logger := cmp.Or(own, g.options.Log); !logger.Enabled(a.parent, level) {
		return
	}
	at := a.w.callSite()
	attrs := make([]slog.Attr, 0, 1+len(a.call.Log)+len(fields))
	attrs = append(attrs, slog.String("script", at.String()))
	attrs = append(attrs, a.call.Log...)
	attrs = append(attrs, fields...)
	if own != nil {
		own.LogAttrs(a.parent, level, message, attrs...)
		return
	}
	g.limiter.log(a.parent, at, level, message, attrs)
}

type logKey struct{}

// WithLog returns a context for calls that log to a log of their own, in which
// nothing is left out.
func WithLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// A limiter lets each place in the scripts log a burst of lines per second, and
// then says how many it left out.
type limiter struct {
	logger *slog.Logger
	mu     sync.Mutex
	sites  map[fault.Position]*site
	closed bool
}

// A site is a place that logged in this second.
type site struct {
	timer   *time.Timer // at the end of the second
	lines   int
	dropped int
}

func newLimiter(logger *slog.Logger) *limiter {
	return &limiter{logger: logger, sites: map[fault.Position]*site{}}
}

func (l *limiter) log(ctx context.Context, at fault.Position, level slog.Level, message string, attrs []slog.Attr) {
	if l.admit(at) {
		l.logger.LogAttrs(ctx, level, message, attrs...)
	}
}

func (l *limiter) admit(at fault.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[at]
	if s == nil {
		if l.closed {
			return true
		}
		s = &site{}
		s.timer = time.AfterFunc(time.Second, func() { l.endSecond(at, s) })
		l.sites[at] = s
	}
	if s.lines++; s.lines <= logBurst {
		return true
	}
	s.dropped++
	return false
}

func (l *limiter) endSecond(at fault.Position, s *site) {
	l.mu.Lock()
	if l.sites[at] == s {
		delete(l.sites, at)
	}
	dropped := s.dropped
	s.dropped = 0
	l.mu.Unlock()
	if dropped > 0 {
		l.logger.Warn(fmt.Sprintf("%d more lines from this place were left out", dropped), "script", at.String())
	}
}

// close ends all seconds.
func (l *limiter) close() {
	l.mu.Lock()
	l.closed = true
	sites := l.sites
	l.sites = map[fault.Position]*site{}
	l.mu.Unlock()
	for at, s := range sites {
		s.timer.Stop()
		l.endSecond(at, s)
	}
}
