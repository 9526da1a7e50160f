package filewatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Fingerprint stands for the names and contents of the watched files. Equal
// fingerprints mean equal contents; "" is no fingerprint at all.
type Fingerprint string

// Scan returns the fingerprint of what [Watch] would watch with these options.
// Take it before reading the files and hand it over as [Options.Since], and no
// change is lost in between.
func Scan(ctx context.Context, o Options) Fingerprint {
	return newScanner(o.withDefaults()).scan(ctx)
}

// Ignored reports whether a file or folder of this name is left out: hidden
// ones, and what editors leave behind while they write.
func Ignored(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".swp", ".swx", ".tmp":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// trustAge is how old a file must be before its size and times are trusted to
// tell its contents: time stamps may be as coarse as two seconds.
const trustAge = 3 * time.Second

// maxLooks bounds how often a scan starts again, while folders are being renamed
// under it. What it misses then, the next poll finds.
const maxLooks = 4

// A scanner computes fingerprints, and remembers the digests of files that did
// not change.
type scanner struct {
	options Options
	enter   func(folder string) // called before a folder is read
	done    func() (again bool) // called after a look at everything; true asks for another one
	known   map[string]digest
	now     map[string]digest // of the scan that is going on
}

type digest struct {
	info    fs.FileInfo
	sum     string
	trusted bool
}

func newScanner(o Options) *scanner {
	return &scanner{options: o, enter: func(string) {}, done: func() bool { return false }}
}

func (s *scanner) scan(ctx context.Context) Fingerprint {
	for range maxLooks {
		s.look(ctx)
		if !s.done() {
			break
		}
	}
	paths := make([]string, 0, len(s.known))
	for path := range s.known {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	hash := sha256.New()
	for _, path := range paths {
		io.WriteString(hash, path+"\x00"+s.known[path].sum+"\x00")
	}
	return Fingerprint(hex.EncodeToString(hash.Sum(nil)))
}

// look takes the digests of all files.
func (s *scanner) look(ctx context.Context) {
	s.now = map[string]digest{}
	for _, root := range s.options.Roots {
		root = filepath.Clean(root)
		s.enterNearest(filepath.Dir(root))
		switch info, err := os.Stat(root); {
		case err == nil && info.IsDir():
			s.folder(ctx, root, nil)
		case err == nil:
			s.file(ctx, root, info)
		case !errors.Is(err, fs.ErrNotExist):
			s.now[root] = digest{sum: "unreadable"}
		case strings.ContainsAny(filepath.Base(root), "*?["):
			s.pattern(ctx, root)
		}
	}
	s.known = s.now
}

// enterNearest enters a folder, or what exists of the way to it.
func (s *scanner) enterNearest(folder string) {
	for {
		if real, err := filepath.EvalSymlinks(folder); err == nil {
			s.enter(real)
			return
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return
		}
		folder = parent
	}
}

// folder scans a folder and what is below it; above holds the folders that led
// to it, so that a link back to one of them ends there.
func (s *scanner) folder(ctx context.Context, path string, above []string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || slices.Contains(above, real) {
		return
	}
	above = append(above, real)
	s.enter(real)
	entries, err := os.ReadDir(path)
	if err != nil {
		s.now[path] = digest{sum: "unreadable"}
	}
	for _, entry := range entries {
		if Ignored(entry.Name()) {
			continue
		}
		name := filepath.Join(path, entry.Name())
		info, err := os.Stat(name)
		if err != nil || s.options.Match != nil && !s.options.Match(name, info.IsDir()) {
			continue
		}
		if info.IsDir() {
			s.folder(ctx, name, above)
		} else {
			s.file(ctx, name, info)
		}
	}
}

func (s *scanner) pattern(ctx context.Context, pattern string) {
	folder, base := filepath.Split(pattern)
	entries, _ := os.ReadDir(filepath.Clean(folder)) // a folder that cannot be read has no files
	for _, entry := range entries {
		if matched, _ := filepath.Match(base, entry.Name()); !matched || Ignored(entry.Name()) {
			continue
		}
		name := filepath.Join(folder, entry.Name())
		if info, err := os.Stat(name); err == nil && !info.IsDir() {
			s.file(ctx, name, info)
		}
	}
}

func (s *scanner) file(ctx context.Context, path string, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		return
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		s.enter(filepath.Dir(real))
	}
	old := s.known[path]
	if old.trusted && os.SameFile(old.info, info) && old.info.Size() == info.Size() && old.info.ModTime().Equal(info.ModTime()) {
		s.now[path] = old
		return
	}
	trusted := time.Since(info.ModTime()) > trustAge
	sum, err := sumFile(ctx, path)
	if err != nil {
		s.now[path] = digest{sum: "unreadable"}
		return
	}
	s.now[path] = digest{info, sum, trusted}
}

func sumFile(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, reader{ctx, file}); err != nil {
		return "", err
	}
	return string(hash.Sum(nil)), nil
}

// reader stops reading when ctx is done.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
