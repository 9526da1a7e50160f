package modules

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// Stubs stand for what a test reaches: nothing but what it makes up. Secrets are not
// in what they get.
type Stubs struct {
	// Files holds the files, by path; nil if the test has none. Writing adds to it.
	Files map[string][]byte

	// SQL answers statements, as plain data: query and one with an array of rows, exec
	// with how many rows were changed. nil if the test has no databases.
	SQL func(function, database, statement string, parameters any) (any, error)

	// LDAP answers search, read and changes, as plain data: with what the function
	// returns. about is what it is given beside the name of the directory. nil if the
	// test has no directories.
	LDAP func(function, directory string, about any) (any, error)

	Now func() time.Time // that of the test
}

// made is the error of a test that has not made up what is asked for.
func made(function, stub string) error {
	e := fault.New(host.NameNotAllowed, "%s reaches nothing in a test", function)
	e.Hint = stub + " makes up what it finds"
	return e
}

// memoryFile is a file of a test.
type memoryFile struct {
	name string
	size int64
	mode fs.FileMode
	at   time.Time
}

// Name implements [fs.FileInfo].
func (f memoryFile) Name() string { return f.name }

// Size implements [fs.FileInfo].
func (f memoryFile) Size() int64 { return f.size }

// Mode implements [fs.FileInfo].
func (f memoryFile) Mode() fs.FileMode { return f.mode }

// ModTime implements [fs.FileInfo].
func (f memoryFile) ModTime() time.Time { return f.at }

// IsDir implements [fs.FileInfo].
func (f memoryFile) IsDir() bool { return f.mode.IsDir() }

// Sys implements [fs.FileInfo].
func (f memoryFile) Sys() any { return nil }

// inMemory returns the path of a call, if it goes to the files of a test.
func (r *arguments) inMemory() (s *Stubs, name string, err error) {
	s = envOf(r.a).Stubs
	if s == nil {
		return nil, "", nil
	}
	text := r.text(0, "a path")
	if r.err != nil {
		return s, "", r.err
	}
	if s.Files == nil {
		return s, "", made(r.function, "t.files({path: content})")
	}
	return s, path.Clean(text), nil
}

// stat returns what is under a path, nil if nothing is.
func (s *Stubs) stat(name string) fs.FileInfo {
	if data, ok := s.Files[name]; ok {
		return memoryFile{path.Base(name), int64(len(data)), 0, s.Now()}
	}
	for known := range s.Files {
		if name == "." || strings.HasPrefix(known, name+"/") {
			return memoryFile{path.Base(name), 0, fs.ModeDir, s.Now()}
		}
	}
	return nil
}

func (s *Stubs) read(r *arguments, name string) ([]byte, error) {
	data, ok := s.Files[name]
	if !ok {
		return nil, r.failed(fs.ErrNotExist)
	}
	return data, nil
}

// list returns what is in a folder, sorted by name.
func (s *Stubs) list(r *arguments, folder string) (goja.Value, error) {
	if info := s.stat(folder); info == nil || !info.IsDir() {
		return nil, r.failed(fs.ErrNotExist)
	}
	var names []string
	for known := range s.Files {
		inside := known
		if folder != "." {
			var ok bool
			if inside, ok = strings.CutPrefix(known, folder+"/"); !ok {
				continue
			}
		}
		name, _, _ := strings.Cut(inside, "/")
		names = append(names, name)
	}
	slices.Sort(names)
	var items []any
	for _, name := range slices.Compact(names) {
		item, err := r.info(s.stat(path.Join(folder, name)))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return r.a.Runtime().NewArray(items...), nil
}

// statement asks the stub of a database.
func (s *Stubs) statement(r *arguments, function string) (any, error) {
	if s.SQL == nil {
		return nil, made(r.function, "t.sql(fn)")
	}
	var parameters any
	if r.has(2) {
		var err error
		if parameters, err = r.a.Plain(r.list[2]); err != nil {
			return nil, err
		}
	}
	answer, err := s.SQL(function, r.list[0].String(), r.list[1].String(), parameters)
	if err != nil {
		return nil, fmt.Errorf("%s: %q: %s", r.function, r.list[0].String(), fault.As(err, "").Detail())
	}
	return answer, nil
}

// rows asks it for rows.
func (s *Stubs) rows(r *arguments, function string) ([]any, error) {
	answer, err := s.statement(r, function)
	if err != nil {
		return nil, err
	}
	rows, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: the test answers with no array of rows", r.function)
	}
	values := make([]any, len(rows))
	for i, row := range rows {
		if values[i], err = r.a.ToScript(row); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// question asks the stub of a directory.
func (s *Stubs) question(r *arguments, function string) (goja.Value, error) {
	if s.LDAP == nil {
		return nil, made(r.function, "t.ldap(fn)")
	}
	about, err := r.a.Plain(r.list[1])
	if err != nil {
		return nil, err
	}
	answer, err := s.LDAP(function, r.list[0].String(), about)
	if err != nil {
		return nil, fmt.Errorf("%s: %q: %s", r.function, r.list[0].String(), fault.As(err, "").Detail())
	}
	if answer == nil {
		return nil, nil
	}
	return r.a.ToScript(answer)
}
