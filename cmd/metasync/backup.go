package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/store"
)

type backupCmd struct {
	File string `arg:"" help:"The file to write. One that is there is replaced when the new one is complete."`
}

func (*backupCmd) Help() string {
	return "The backup holds the state folder's stores: objects and run history. A running daemon goes on working. " +
		"It holds personal data, and can be read by its owner only."
}

// backupResult is what backup prints with --json.
type backupResult struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func (c *backupCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		size, err := replaceFile(c.File, func(w io.Writer) error { return service.Backup(a.ctx, w) })
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(backupResult{absolute(c.File), size})
		}
		fmt.Fprintf(a.stdout, "%s written, %d bytes\n", c.File, size)
		return nil
	})
}

// replaceFile puts what write writes into a file that only its owner can read: all
// of it, or the file stays as it was.
func replaceFile(path string, write func(io.Writer) error) (size int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(f.Name(), path)
}

type restoreCmd struct {
	File  string `arg:"" help:"The backup."`
	Force bool   `help:"Replace the state that is there."`
}

func (*restoreCmd) Help() string {
	return "The backup is read and checked before anything is replaced. No daemon may run. " +
		"Afterwards, metasync verify looks whether all is sound, and metasync once brings it up to date."
}

// restoreResult is what restore prints with --json.
type restoreResult struct {
	State string `json:"state"`
}

func (c *restoreCmd) Run(a *app) (err error) {
	folder, err := daemon.ConfiguredState(a.daemon())
	if err != nil {
		return err
	}
	client, err := console.Dial(a.ctx, folder)
	if err == nil {
		return errors.Join(inUse(folder, store.ErrLocked), client.Close())
	}
	if !errors.Is(err, console.ErrNotRunning) {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = daemon.Restore(folder, f, c.Force)
	switch {
	case errors.Is(err, store.ErrLocked):
		return inUse(folder, err)
	case err != nil:
		return err
	case a.JSON:
		return a.printJSON(restoreResult{folder})
	}
	fmt.Fprintf(a.stdout, "%s restored\n", nearest(folder))
	return nil
}
