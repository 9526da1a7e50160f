package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// A Loader loads generations from a folder, or from what was kept of it, and
// numbers them.
type Loader struct {
	Folder   string // of the scripts
	Optional bool   // a folder that does not exist is like an empty one
	API      *API

	number atomic.Uint64
}

// Load reads and loads the folder. It takes all files or none: see [Load].
func (l *Loader) Load(ctx context.Context, o Options) (*Generation, error) {
	files, err := l.Read(o.Prefix)
	if err != nil {
		return nil, err
	}
	return l.load(ctx, files, o)
}

// Read reads the folder, as [Read] does.
func (l *Loader) Read(prefix string) (Files, error) {
	files, err := Read(l.Folder, prefix)
	if l.Optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return files, err
}

// LoadKept loads what [Generation.Keep] kept, instead of the folder. The error is
// [ErrNothingKept] if there is nothing.
func (l *Loader) LoadKept(ctx context.Context, k Keeper, o Options) (*Generation, error) {
	snapshot, err := k.Kept()
	if err != nil {
		return nil, err
	}
	if snapshot == nil {
		return nil, ErrNothingKept
	}
	files, err := UnmarshalFiles(snapshot)
	if err != nil {
		return nil, err
	}
	return l.load(ctx, files, o)
}

func (l *Loader) load(ctx context.Context, files Files, o Options) (*Generation, error) {
	g, err := Load(ctx, files, l.API, o)
	if err != nil {
		return nil, err
	}
	g.number = l.number.Add(1)
	return g, nil
}

// ErrNothingKept is the error of [Loader.LoadKept] where no scripts were kept yet.
var ErrNothingKept = errors.New("no earlier scripts were kept")

// A Keeper keeps the last good scripts beyond the end of the program, so that it can
// start over a folder that is broken. Whoever can write there can run scripts.
type Keeper interface {
	// Kept returns what was kept last, nil if nothing was.
	Kept() ([]byte, error)
	// Keep puts a snapshot in place of the one before: all of it or nothing.
	Keep(snapshot []byte) error
}

// Keep keeps the sources of the generation, for [Loader.LoadKept].
func (g *Generation) Keep(k Keeper) error {
	snapshot, err := g.files.Marshal()
	if err == nil {
		err = k.Keep(snapshot)
	}
	if err != nil {
		return fmt.Errorf("keep the scripts: %w", err)
	}
	return nil
}

// A KeepFile is a [Keeper] in a file of that path, whose folder exists. It must not
// be in the folder of the scripts.
type KeepFile string

// Kept implements [Keeper].
func (f KeepFile) Kept() ([]byte, error) {
	snapshot, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return snapshot, err
}

// Keep implements [Keeper]: it writes the file aside and renames it.
func (f KeepFile) Keep(snapshot []byte) (err error) {
	aside, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside.Name()))
		}
	}()
	_, err = aside.Write(snapshot)
	if err = errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return err
	}
	return os.Rename(aside.Name(), string(f))
}
