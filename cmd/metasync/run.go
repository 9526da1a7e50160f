package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/sdnotify"
	"github.com/metasync/metasync/triggers"
)

type runCmd struct {
	DryRun bool `help:"Import and synchronize, and export nothing to any system, whoever asks for it."`
}

func (*runCmd) Help() string {
	return "The daemon imports, synchronizes and exports whenever a schedule or a trigger asks for it. " +
		"A changed configuration or script takes effect by itself, if it is in order. " +
		"SIGINT and SIGTERM end it cleanly, a second one at once; SIGHUP loads configuration and scripts anew. " +
		"The log goes to standard error, or to the file that log: in the configuration names."
}

// startup is what run prints when it starts.
type startup struct {
	Version       string `json:"version"`
	PID           int    `json:"pid"`
	Configuration string `json:"configuration"`
	Scripts       string `json:"scripts"`
	State         string `json:"state"`
	Socket        string `json:"socket"`
	Webhooks      string `json:"webhooks,omitempty"` // their address, but for the name
	Metrics       string `json:"metrics,omitempty"`
	Agents        int    `json:"agents"`
	Triggers      int    `json:"triggers"`
}

func (c *runCmd) Run(a *app) (err error) {
	options := a.daemon()
	options.DryRun = c.DryRun
	manager, err := sdnotify.FromEnvironment()
	if err != nil {
		return err
	}
	log := a.changeableLog()
	defer func() { err = errors.Join(err, log.Close()) }()
	options.Log, options.Logging = log.Logger(), func(c config.Log) error { return log.Configure(logOptions(c)) }
	other, d, err := a.connect(options)
	if err != nil {
		return err
	}
	if other != nil {
		return errors.Join(inUse(daemon.StateFolder(options), store.ErrLocked), other.Close())
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	status, err := d.Status(a.ctx)
	if err != nil {
		return err
	}
	var web net.Listener
	if where := d.Console(); where.Listen != "" {
		if web, err = console.Listen(a.ctx, where); err != nil {
			return err
		}
		defer web.Close()
	}
	work, ctx := errgroup.WithContext(a.ctx)
	d.Expect() // the socket may be there first
	work.Go(func() error { return d.Run(ctx) })
	work.Go(func() error { return console.Serve(ctx, d.StateFolder(), d, options.Log) })
	work.Go(func() error { return supervise(ctx, d, manager, log) })
	now := startupOf(status)
	if web != nil {
		work.Go(func() error { return console.ServeWeb(ctx, web, d.Web(), options.Log) })
		where := d.Console()
		now.Webhooks = webAddress(web.Addr(), where.Certificate != "", triggers.HookPath)
		if where.Metrics.On {
			now.Metrics = webAddress(web.Addr(), where.Certificate != "", daemon.MetricsPath)
		}
	}
	if err := a.printStartup(now, c.DryRun); err != nil {
		options.Log.Warn("standard output cannot be written", "err", err)
	}
	return work.Wait()
}

func startupOf(s daemon.Status) startup {
	return startup{
		Version: s.Version, PID: s.PID, Configuration: s.File, Scripts: s.Scripts.Folder, State: s.State,
		Socket: console.SocketPath(s.State), Agents: len(s.Agents), Triggers: len(s.Triggers),
	}
}

// webAddress is where something of the web is.
func webAddress(at net.Addr, secure bool, path string) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return scheme + at.String() + path
}

func (a *app) printStartup(now startup, dryRun bool) error {
	if a.JSON {
		return a.printJSON(now)
	}
	fmt.Fprintf(a.stdout, "metasync %s, process %d\n", now.Version, now.PID)
	t := newTable(a.stdout)
	t.row("  configuration", nearest(now.Configuration), "watched")
	t.row("  scripts", nearest(now.Scripts)+string(filepath.Separator), "watched")
	t.row("  state", nearest(now.State)+string(filepath.Separator), "")
	if dryRun {
		t.row("  dry run", "nothing is exported", "")
	}
	t.row("  at work on", fmt.Sprintf("%s, %s", number(now.Agents, "agent"), number(now.Triggers, "trigger")), "")
	if now.Webhooks != "" {
		t.row("  webhooks", now.Webhooks, "")
	}
	if now.Metrics != "" {
		t.row("  metrics", now.Metrics, "")
	}
	return t.end()
}
