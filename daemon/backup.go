package daemon

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/store"
)

// A backup is a tar archive: the two stores, and then a manifest with their
// checksums. An archive without the manifest is one that was not written to its
// end.
const (
	manifestFile  = "manifest.json"
	backupFormat  = 1
	maxManifest   = 1 << 20
	backupPattern = ".backup-*"
)

// manifest says what a backup holds.
type manifest struct {
	Format  int               `json:"format"`
	Version string            `json:"version"` // of metasync
	Time    time.Time         `json:"time"`
	Files   map[string]string `json:"files"` // SHA-256 by name
}

// Backup writes a copy of everything that the state folder remembers, for
// [Restore]. Runs go on meanwhile: the copy is as of one moment for each of the two
// stores, and that of the history is the earlier one, so that it tells of no run of
// which the objects know nothing. It needs room for the copy in the state folder.
// After an error, what was written is no backup.
func (d *Daemon) Backup(ctx context.Context, w io.Writer) (err error) {
	folder, err := os.MkdirTemp(d.StateFolder(), backupPattern)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	m := manifest{Format: backupFormat, Version: d.options.Version, Time: d.options.Now().UTC(), Files: map[string]string{}}
	files := []struct {
		name  string
		store store.Store
	}{{historyFile, d.history}, {stateFile, d.state}}
	for _, f := range files {
		if m.Files[f.name], err = copyStore(ctx, filepath.Join(folder, f.name), f.store); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
	}
	archive := tar.NewWriter(w)
	for _, f := range files {
		if err := addFile(archive, filepath.Join(folder, f.name), m.Time); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: manifestFile, Mode: 0o600, Size: int64(len(data)), ModTime: m.Time}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if _, err := archive.Write(data); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

// copyStore writes a copy of a store into a new file and returns its checksum.
func copyStore(ctx context.Context, path string, s store.Store) (sum string, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	digest := sha256.New()
	if err := s.Backup(&stoppable{ctx, io.MultiWriter(f, digest)}); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// stoppable is a writer that fails as soon as its context is done.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s *stoppable) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

func addFile(archive *tar.Writer, path string, at time.Time) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.Base(path), Mode: 0o600, Size: info.Size(), ModTime: at}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// Restore puts the stores of a backup into a state folder. Nothing is in place
// before all of the backup has been read, its checksums are right and its stores
// can be opened. It refuses a folder that has a state already, unless force is
// true; and one on which a process is at work, whose error is [store.ErrLocked], in
// any case.
func Restore(folder string, backup io.Reader, force bool) (err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	if !force {
		for _, name := range []string{stateFile, historyFile} {
			if _, err := os.Stat(filepath.Join(folder, name)); !errors.Is(err, os.ErrNotExist) {
				refused := fault.New("state-exists", "the state folder %s has a state already", folder)
				refused.Hint = "--force replaces it; metasync backup saves it first"
				return refused
			}
		}
	}
	unlock, err := lockState(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock(err == nil)) }()
	fresh, err := os.MkdirTemp(folder, backupPattern)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if err := unpack(fresh, backup); err != nil {
		return err
	}
	if err := verifyStores(fresh); err != nil {
		return err
	}
	for _, name := range []string{historyFile, stateFile} {
		if err := os.Rename(filepath.Join(fresh, name), filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return syncFolder(folder)
}

// unpack reads a backup into a folder.
func unpack(folder string, backup io.Reader) error {
	bad := func(format string, args ...any) error {
		err := fault.New("invalid-backup", format, args...)
		err.Hint = "nothing has been changed"
		return err
	}
	archive := tar.NewReader(backup)
	sums := map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return bad("the backup ends before its manifest: it was not written to its end")
		}
		if err != nil {
			return bad("this is no backup, or a damaged one: %v", err)
		}
		switch header.Name {
		case stateFile, historyFile:
			if sums[header.Name] != "" {
				return bad("the backup has %s twice", header.Name)
			}
			digest := sha256.New()
			if err := writeFile(filepath.Join(folder, header.Name), archive, digest); errors.Is(err, io.ErrUnexpectedEOF) {
				return bad("the backup ends in the middle of %s", header.Name)
			} else if err != nil {
				return fmt.Errorf("restore %s: %w", header.Name, err)
			}
			sums[header.Name] = hex.EncodeToString(digest.Sum(nil))
		case manifestFile:
			var m manifest
			data, err := io.ReadAll(io.LimitReader(archive, maxManifest))
			if err == nil {
				err = json.Unmarshal(data, &m)
			}
			switch {
			case err != nil:
				return bad("the manifest of the backup cannot be read: %v", err)
			case m.Format > backupFormat:
				return bad("the backup was written by a newer metasync, version %s", m.Version)
			}
			for _, name := range []string{stateFile, historyFile} {
				if sums[name] == "" || sums[name] != m.Files[name] {
					return bad("%s in the backup is damaged: its checksum is another", name)
				}
			}
			return nil
		default:
			return bad("this is no backup: it has a file %q", header.Name)
		}
	}
}

func writeFile(path string, r io.Reader, digest hash.Hash) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(io.MultiWriter(f, digest), r); err != nil {
		return err
	}
	return f.Sync()
}

// verifyStores finds out whether the stores in a folder can be opened and read.
func verifyStores(folder string) error {
	var stores []store.Store
	var err error
	for _, name := range []string{stateFile, historyFile} {
		s, openErr := store.OpenBolt(filepath.Join(folder, name), store.BoltOptions{})
		if openErr != nil {
			err = errors.Join(err, openErr)
			continue
		}
		stores = append(stores, s)
	}
	if err == nil {
		_, err = engine.Open(engine.Options{State: stores[0], History: stores[1]})
	}
	for _, s := range stores {
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		return fault.Wrap("invalid-backup", err)
	}
	return nil
}

// lockState keeps everybody else out of a state folder until unlock is called,
// which is told whether the state has been replaced.
func lockState(folder string) (unlock func(replaced bool) error, err error) {
	path := filepath.Join(folder, stateFile)
	_, statErr := os.Stat(path)
	created := errors.Is(statErr, os.ErrNotExist)
	s, err := store.OpenBolt(path, store.BoltOptions{})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, err
	case err != nil: // a damaged one is what a backup is for
		return func(bool) error { return nil }, nil
	}
	return func(replaced bool) error {
		err := s.Close()
		if created && !replaced {
			err = errors.Join(err, os.Remove(path))
		}
		return err
	}, nil
}

// removeLeftovers removes what a backup has left behind that was killed. The
// caller holds the lock of the folder.
func removeLeftovers(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, backupPattern))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// syncFolder makes the names in a folder durable.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened there
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
