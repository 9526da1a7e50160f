package modules

import (
	"crypto/rand"
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

	"github.com/dop251/goja"

	"github.com/metasync/metasync/scripting/host"
)

const (
	maxFile    = 16 << 20
	maxEntries = 100_000
)

var fileTypes = host.Type{
	Name: "Files",
	Doc:  "What `files` tells of a file.",
	Text: `interface FileInfo { name: string; folder: boolean; size: number; modified: Date }`,
}

var filesObject = &host.Object{
	Name:    "Files",
	Globals: []string{"files"},
	Doc: "The folders in scripting.allow.read and scripting.allow.write of the configuration. Paths are relative to the\n" +
		"folder of the configuration. For triggers and agents; rules cannot use it.",
	Members: []host.Member{
		{
			Name: "read", Signature: "(path: string): string",
			Doc: "The text of a file in UTF-8, of 16 MiB at most.",
			Call: filesCall("files.read", func(r *arguments) (goja.Value, error) {
				data, err := readFile(r)
				if err != nil {
					return nil, err
				}
				if !utf8.Valid(data) {
					return nil, fmt.Errorf("%s is not encoded as UTF-8; files.bytes reads it", r.list[0])
				}
				return r.a.Runtime().ToValue(strings.TrimPrefix(string(data), "\ufeff")), nil
			}),
		},
		{
			Name: "bytes", Signature: "(path: string): Uint8Array",
			Doc: "The bytes of a file, of 16 MiB at most.",
			Call: filesCall("files.bytes", func(r *arguments) (goja.Value, error) {
				data, err := readFile(r)
				if err != nil {
					return nil, err
				}
				return r.a.Bytes(data)
			}),
		},
		{
			Name: "list", Signature: "(folder: string): FileInfo[]",
			Doc:  "What is in a folder, sorted by name.",
			Call: filesCall("files.list", listFolder),
		},
		{
			Name: "stat", Signature: "(path: string): FileInfo | undefined",
			Doc: "What there is under a path, undefined if nothing is.",
			Call: filesCall("files.stat", func(r *arguments) (goja.Value, error) {
				info, err := statFile(r)
				if info == nil || err != nil {
					return nil, err
				}
				return r.info(info)
			}),
		},
		{
			Name: "exists", Signature: "(path: string): boolean",
			Doc: "Whether there is anything under a path.",
			Call: filesCall("files.exists", func(r *arguments) (goja.Value, error) {
				info, err := statFile(r)
				return r.a.Runtime().ToValue(info != nil), err
			}),
		},
		{
			Name: "write", Signature: "(path: string, content: string | Uint8Array): void",
			Doc: "Writes a file as a whole, in place of one of that name: others see the old or the new one, never a part.\n" +
				"The folder must exist.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) { return nil, writeFile(a, args) },
		},
	},
}

// filesCall is a function of one path that reads.
func filesCall(name string, f func(*arguments) (goja.Value, error)) func(*host.Active, []goja.Value) (goja.Value, error) {
	return func(a *host.Active, args []goja.Value) (goja.Value, error) {
		if err := a.ReachOut(name); err != nil {
			return nil, err
		}
		return f(read(a, name, args, 1))
	}
}

// granted opens the folder that grants a path; rest is the path in it. Links that
// lead out of the folder are refused by whoever uses the root.
func (r *arguments) granted(folders []string, key string) (root *os.Root, rest string, err error) {
	text := r.text(0, "a path")
	if r.err != nil {
		return nil, "", r.err
	}
	if err := r.a.Context().Err(); err != nil {
		return nil, "", err
	}
	name := filepath.FromSlash(text)
	if !filepath.IsAbs(name) {
		name = filepath.Join(envOf(r.a).Base, name)
	}
	name = filepath.Clean(name)
	best := ""
	for _, folder := range folders {
		inside, err := filepath.Rel(folder, name)
		if err == nil && filepath.IsLocal(inside) && (best == "" || len(folder) < len(best)) {
			best, rest = folder, inside
		}
	}
	if best == "" {
		return nil, "", refused("grant its folder in scripting.allow."+key+" of the configuration", "%s: %q is in no folder that scripts may %s", r.function, text, key)
	}
	root, err = os.OpenRoot(best)
	return root, rest, r.failed(err)
}

// failed names the path as the script gave it.
func (r *arguments) failed(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %q: %w", r.function, r.list[0].String(), err)
}

func readFile(r *arguments) ([]byte, error) {
	if s, name, err := r.inMemory(); s != nil {
		if err != nil {
			return nil, err
		}
		return s.read(r, name)
	}
	root, name, err := r.granted(envOf(r.a).Read, "read")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, r.failed(err)
	case !info.Mode().IsRegular():
		return nil, r.failed(errors.New("not a file"))
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, r.failed(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return data, r.failed(err)
}

func statFile(r *arguments) (fs.FileInfo, error) {
	if s, name, err := r.inMemory(); s != nil {
		if err != nil {
			return nil, err
		}
		return s.stat(name), nil
	}
	root, name, err := r.granted(envOf(r.a).Read, "read")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, r.failed(err)
}

func listFolder(r *arguments) (goja.Value, error) {
	if s, name, err := r.inMemory(); s != nil {
		if err != nil {
			return nil, err
		}
		return s.list(r, name)
	}
	root, name, err := r.granted(envOf(r.a).Read, "read")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder, err := root.Open(name)
	if err != nil {
		return nil, r.failed(err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(maxEntries + 1)
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, r.failed(err)
	case len(names) > maxEntries:
		return nil, r.failed(fmt.Errorf("more than %d files", maxEntries))
	}
	slices.Sort(names)
	items := make([]any, 0, len(names))
	for _, entry := range names {
		info, err := root.Lstat(path.Join(filepath.ToSlash(name), entry))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is gone meanwhile
		}
		if err != nil {
			return nil, r.failed(err)
		}
		item, err := r.info(info)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return r.a.Runtime().NewArray(items...), nil
}

func (r *arguments) info(info fs.FileInfo) (goja.Value, error) {
	modified, err := r.a.Date(info.ModTime())
	if err != nil {
		return nil, err
	}
	obj := r.a.Runtime().NewObject()
	_ = obj.Set("name", info.Name()) // a new object takes every property
	_ = obj.Set("folder", info.IsDir())
	_ = obj.Set("size", info.Size())
	_ = obj.Set("modified", modified)
	return obj, nil
}

// writeFile writes a new file and puts it in place of the old one.
func writeFile(a *host.Active, args []goja.Value) error {
	if err := a.ReachOut("files.write"); err != nil {
		return err
	}
	r := read(a, "files.write", args, 2)
	data := r.data(1, "a content")
	if r.err == nil && holdsSecret(string(data)) {
		r.fail("writes no secrets")
	}
	if s, name, err := r.inMemory(); s != nil {
		if err == nil {
			s.Files[name] = data
		}
		return err
	}
	root, name, err := r.granted(envOf(a).Write, "write")
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return r.failed(errors.New("not a file"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.failed(err)
	}
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:8]+".tmp")
	file, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return r.failed(err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary) // the error that matters is the other
	}
	return r.failed(err)
}
