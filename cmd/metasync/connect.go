package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

const (
	// patience is how long a command waits for another one to let go of the state.
	patience = 10 * time.Second
	retry    = 100 * time.Millisecond
)

// service returns the daemon that is at work on the state folder, or one of our
// own, and what to close in the end.
func (a *app) service() (console.Service, io.Closer, error) {
	options := a.daemon()
	options.Log = a.log(slog.LevelWarn, false)
	client, own, err := a.connect(options)
	switch {
	case err != nil:
		return nil, nil, err
	case client != nil:
		return client, client, nil
	}
	return own, own, nil
}

// connect returns a client of the daemon that is at work on the state folder; if
// there is none, it returns a daemon of our own, as soon as no other command has
// the state.
func (a *app) connect(options daemon.Options) (*console.Client, *daemon.Daemon, error) {
	folder := daemon.StateFolder(options)
	for deadline := time.Now().Add(patience); ; {
		client, err := console.Dial(a.ctx, folder)
		if !errors.Is(err, console.ErrNotRunning) {
			return client, nil, err
		}
		own, err := daemon.Open(a.ctx, options)
		switch {
		case !errors.Is(err, store.ErrLocked):
			return nil, own, err
		case time.Now().After(deadline):
			return nil, nil, inUse(folder, err)
		}
		select {
		case <-a.ctx.Done():
			return nil, nil, a.ctx.Err()
		case <-time.After(retry):
		}
	}
}

// inUse explains that another process has the state.
func inUse(folder string, err error) error {
	named := fault.Wrap("state-in-use", err)
	named.Text = "the state folder " + folder
	named.Hint = "another metasync is at work on it; wait until it has finished, or stop it"
	return named
}

// log returns the log of this process, which goes to standard error as lines of
// text or of JSON.
func (a *app) log(level slog.Level, asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(a.line, &tint.Options{
		Level: level, TimeFormat: time.DateTime, NoColor: !isTerminal(a.stderr),
	}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
