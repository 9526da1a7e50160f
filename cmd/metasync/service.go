package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lmittmann/tint"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/internal/logging"
	"github.com/metasync/metasync/internal/sdnotify"
)

// What makes a daemon a service: the service manager is told how it is, SIGHUP is
// obeyed, and the log can be changed while it runs.

// supervise tells the service manager how the daemon is, and loads the configuration
// anew at each SIGHUP, until ctx is done. The daemon is ready when its scheduler is at
// work and commands can reach it.
func supervise(ctx context.Context, d *daemon.Daemon, manager *sdnotify.Manager, log *logging.Log) error {
	logger := log.Logger()
	failed := func(err error) {
		if err != nil {
			logger.Warn("the service manager is not told how the daemon is", "err", err)
		}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	defer func() { failed(manager.Stopping()) }()

	if err := errors.Join(d.Alive(ctx), reachable(ctx, d.StateFolder())); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	failed(manager.Ready(d.Brief()))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		manager.Watch(ctx, d.Alive, d.Brief, failed)
	}()
	defer func() { <-watched }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		}
		failed(manager.Reloading())
		if err := log.Reopen(); err != nil {
			logger.Error("the log cannot be opened again", "err", err)
		}
		if err := d.Reload(ctx); err != nil {
			return nil // ctx is done
		}
		failed(manager.Ready(d.Brief()))
	}
}

// reachable waits until the console of a state folder answers.
func reachable(ctx context.Context, folder string) error {
	const pause = 10 * time.Millisecond
	for {
		client, err := console.Dial(ctx, folder)
		if !errors.Is(err, console.ErrNotRunning) {
			if err != nil {
				return err
			}
			return client.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// changeableLog returns the log of the daemon, which goes to standard error until the
// configuration says otherwise.
func (a *app) changeableLog() *logging.Log {
	terminal := isTerminal(a.stderr)
	stderr := func(format string) slog.Handler {
		all := &slog.HandlerOptions{Level: logging.AnyLevel}
		file, isFile := a.stderr.(*os.File)
		journal := isFile && logging.ToJournal(file)
		switch asJSON := format == "json" || format == "" && (a.JSON || !terminal); {
		case asJSON && journal:
			return logging.Prioritized(a.stderr, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, all) })
		case asJSON:
			return slog.NewJSONHandler(a.stderr, all)
		case journal:
			return logging.Prioritized(a.stderr, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, all) })
		case terminal:
			return tint.NewTextHandler(a.line, &tint.Options{Level: logging.AnyLevel, TimeFormat: time.DateTime})
		}
		return slog.NewTextHandler(a.stderr, all)
	}
	return logging.New(stderr, slog.LevelInfo)
}

// logOptions are the options of a log as the configuration has them.
func logOptions(c config.Log) logging.Options {
	o := logging.Options{Format: c.Format, Level: c.SlogLevel()}
	if c.File != "" {
		o.File = logging.FileOptions{Path: string(c.File), MaxSize: int64(c.MaxSize), MaxAge: c.MaxAge, Keep: c.Keep}
	}
	return o
}
