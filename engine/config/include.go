package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// readAll reads a configuration and everything that it includes. The keys of a
// file come before those that it includes.
func (l *loader) readAll(path string) *keys {
	l.includes = map[string]fault.Position{}
	merged := &keys{}
	l.preset(reflect.ValueOf(merged).Elem())
	given := map[string]fault.Position{}
	l.read(path, fault.Position{File: path}, func(root *node, own *keys) {
		l.merge(merged, given, root, own)
		l.tree.graft(root)
	})
	return merged
}

// read reads one file and calls add with it, then with each file that it
// includes. Problems with the file itself are problems at the given place.
func (l *loader) read(path string, at fault.Position, add func(*node, *keys)) {
	absolute := path
	if !filepath.IsAbs(path) {
		absolute = l.path(l.relative(path))
	}
	if i := slices.Index(l.open, absolute); i >= 0 {
		names := append(slices.Clone(l.open[i:]), absolute)
		for j := range names {
			names[j] = filepath.Base(names[j])
		}
		l.fail(at, "files include each other: %s", strings.Join(names, " -> "))
		return
	}
	if first, again := l.includes[absolute]; again {
		l.fail(at, "%s is already included at %s", filepath.Base(path), first)
		return
	}
	l.includes[absolute] = at
	data, err := l.ReadFile(absolute)
	if err != nil {
		l.fail(at, "cannot read the configuration").Err = err
		return
	}
	addOnce(&l.files, absolute)
	addOnce(&l.sources, absolute)
	root := l.parse(path, data)
	if root == nil {
		return
	}
	own := &keys{}
	noted := len(l.problems)
	l.decode(root, reflect.ValueOf(own).Elem(), nil)
	if l.Overrides != nil {
		l.problems = l.problems[:noted] // what is wrong in the end counts
	}
	add(root, own)
	l.open = append(l.open, absolute)
	for _, pattern := range own.Include {
		if pattern.text == "" {
			continue // not a text: already a problem
		}
		if pattern.text != pattern.written {
			// Its name would be in every message about the file.
			l.fail(pattern.at, "the name of an included file must be written out")
			continue
		}
		for _, name := range l.match(filepath.Dir(path), pattern) {
			l.read(name, pattern.at, add)
		}
	}
	l.open = l.open[:len(l.open)-1]
}

// relative takes the folder of the configuration, as the user wrote it, off a
// path that begins with it.
func (l *loader) relative(path string) string {
	if relative, err := filepath.Rel(l.base, path); err == nil {
		return relative
	}
	return path
}

// match returns the files of an include, sorted. A pattern without a wildcard
// is the name of a file that must exist.
func (l *loader) match(dir string, pattern word) []string {
	path := pattern.text
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if !strings.ContainsAny(pattern.text, "*?[") {
		return []string{path}
	}
	absolute := path
	if !filepath.IsAbs(path) {
		absolute = l.path(l.relative(path))
	}
	found, err := l.Glob(absolute)
	if err != nil {
		l.fail(pattern.at, "bad pattern %q", pattern.written).Err = err
		return nil
	}
	addOnce(&l.patterns, absolute)
	slices.Sort(found)
	for i, name := range found {
		if !filepath.IsAbs(path) {
			if relative, err := filepath.Rel(l.dir, name); err == nil {
				found[i] = filepath.Join(l.base, relative)
			}
		}
	}
	return found
}

// merge adds the keys of one file: maps and lists grow, any other key may only
// be given once.
func (l *loader) merge(all *keys, given map[string]fault.Position, root *node, own *keys) {
	target, source := reflect.ValueOf(all).Elem(), reflect.ValueOf(own).Elem()
	fields := fieldsOf(target.Type())
	for _, p := range root.pairs {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == p.key })
		if i < 0 {
			continue
		}
		to, from := target.FieldByIndex(fields[i].index), source.FieldByIndex(fields[i].index)
		first, again := given[p.key]
		switch {
		case to.Kind() == reflect.Slice:
			to.Set(reflect.AppendSlice(to, from))
		case again:
			l.fail(p.at, "key %q is already given at %s", p.key, first)
		default:
			to.Set(from)
		}
		if !again {
			given[p.key] = p.at
		}
	}
}

// graft adds the pairs of another mapping: those of one key become one.
func (n *node) graft(other *node) {
	n.kind = mappingNode
	for _, p := range other.pairs {
		known := n.get(p.key)
		if known == nil {
			own := *p.value
			own.pairs, own.items = slices.Clone(own.pairs), slices.Clone(own.items)
			n.pairs = append(n.pairs, pair{p.key, p.at, &own})
			continue
		}
		known.pairs, known.items = append(known.pairs, p.value.pairs...), append(known.items, p.value.items...)
	}
}
