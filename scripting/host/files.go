package host

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/filewatch"
)

// Bounds of a folder of scripts. They keep a mistaken path, such as /, from
// being read into memory.
const (
	maxFileSize = 4 << 20
	maxFiles    = 2000
	maxDepth    = 16
)

// Files is the text of a folder of scripts at one moment, sorted by name.
type Files []File

// A File is one script. Its name is the slash-separated path in the folder.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Match reports whether a path in the folder of scripts counts: .js and .ts
// files that are neither type declarations, nor hidden, nor temporary; of
// folders all but hidden ones and node_modules. It suits filewatch.Options.
func Match(path string, folder bool) bool {
	name := filepath.Base(path)
	switch {
	case filewatch.Ignored(name):
		return false
	case folder:
		return name != "node_modules"
	case strings.HasSuffix(name, ".d.ts"):
		return false
	}
	extension := filepath.Ext(name)
	return extension == ".js" || extension == ".ts"
}

// Read reads all scripts of a folder and of what is below it. Links are
// followed as long as they stay in the folder. The error names every file that
// cannot be read; prefix stands in front of their names. It wraps
// fs.ErrNotExist if the folder does not exist.
func Read(folder, prefix string) (Files, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open the scripts folder: %w", err)
	}
	defer root.Close()
	r := &folderReader{root: root, prefix: prefix}
	r.folder(".", 0)
	if err := r.problems.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return r.files, nil
}

type folderReader struct {
	root     *os.Root
	prefix   string
	files    Files
	problems fault.List
}

func (r *folderReader) folder(name string, depth int) {
	if depth > maxDepth {
		r.problem(name, fmt.Errorf("more than %d folders deep", maxDepth))
		return
	}
	entries, err := fs.ReadDir(r.root.FS(), name)
	if err != nil {
		r.problem(name, err)
		return
	}
	for _, entry := range entries {
		name := path.Join(name, entry.Name())
		isLink := entry.Type()&fs.ModeSymlink != 0
		if !Match(name, entry.IsDir()) && !(isLink && Match(name, true)) {
			continue
		}
		info, err := r.root.Stat(name)
		switch {
		case err != nil:
			// What a broken link without extension means was perhaps a folder.
			if Match(name, false) || path.Ext(name) == "" {
				r.problem(name, err)
			}
		case !Match(name, info.IsDir()):
		case info.IsDir():
			r.folder(name, depth+1)
		case info.Mode().IsRegular():
			r.file(name)
		}
	}
}

func (r *folderReader) file(name string) {
	if len(r.files) == maxFiles {
		r.problem(name, fmt.Errorf("more than %d scripts", maxFiles))
	}
	if len(r.files) >= maxFiles {
		return
	}
	text, err := r.read(name)
	if err != nil {
		r.problem(name, err)
		return
	}
	r.files = append(r.files, File{name, text})
}

func (r *folderReader) read(name string) (string, error) {
	file, err := r.root.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxFileSize:
		return "", fmt.Errorf("larger than %d bytes", maxFileSize)
	case !utf8.Valid(text):
		return "", errors.New("not encoded as UTF-8")
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil
}

func (r *folderReader) problem(name string, err error) {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err // the path is in the position
	}
	r.problems = append(r.problems, &fault.Error{
		Name: "script-unreadable", Position: fault.Position{File: path.Join(r.prefix, name)}, Err: err,
	})
}

// ID returns a short name for exactly these files.
func (f Files) ID() string {
	hash := sha256.New()
	for _, file := range f {
		fmt.Fprintf(hash, "%d %s %d ", len(file.Name), file.Name, len(file.Text))
		io.WriteString(hash, file.Text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:6])
}

// snapshot is the durable form of Files.
type snapshot struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Files   Files  `json:"files"`
}

const snapshotVersion = 1

// Marshal returns the files in a form to keep; [UnmarshalFiles] reads it.
func (f Files) Marshal() ([]byte, error) {
	return json.Marshal(snapshot{snapshotVersion, f.ID(), f})
}

// UnmarshalFiles is the inverse of [Files.Marshal]. It refuses data that is not
// exactly what Marshal wrote.
func UnmarshalFiles(data []byte) (Files, error) {
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("kept scripts: %w", err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("kept scripts: unknown version %d", s.Version)
	}
	if s.ID != s.Files.ID() {
		return nil, errors.New("kept scripts: damaged")
	}
	for i, file := range s.Files {
		if !fs.ValidPath(file.Name) || i > 0 && s.Files[i-1].Name >= file.Name {
			return nil, fmt.Errorf("kept scripts: bad name %q", file.Name)
		}
	}
	return s.Files, nil
}
