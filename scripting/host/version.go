package host

import (
	"maps"
	"regexp"
	"slices"
)

// outside finds what lets a file depend on others, or act on them, in ways that
// loading it does not show. What an import() becomes is in the compiled text, where
// no function that is called import can be taken for it.
var (
	outside       = regexp.MustCompile(`\b(globalThis|require|eval|prototype|__proto__)\b|\bFunction\s*\(`)
	dynamicImport = regexp.MustCompile(`\.then\(\(\w*\) => (__toESM\()?require\(`)
)

// setVersions gives every registration the name of the sources that it depends
// on: those of the file that registered it and of all that this imports. A folder
// in which a file may reach further than its imports is taken as one.
func (g *Generation) setVersions(modules map[string]*module) {
	whole := slices.ContainsFunc(g.files, func(f File) bool { return outside.MatchString(f.Text) }) ||
		slices.ContainsFunc(g.programs, func(p *program) bool { return p.importsLater })
	versions := map[string]string{}
	for _, r := range g.registrations {
		if versions[r.file] == "" {
			versions[r.file] = g.id
			sources := g.files
			if !whole {
				sources = g.imported(modules[r.file])
				versions[r.file] = sources.ID()
			}
			versions[r.file] += g.meanings(sources)
		}
		r.Version = versions[r.file]
	}
}

// meanings returns the versions of the names that the files mention.
func (g *Generation) meanings(files Files) string {
	var out string
	for _, name := range slices.Sorted(maps.Keys(g.options.Meanings)) {
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
		if slices.ContainsFunc(files, func(f File) bool { return word.MatchString(f.Text) }) {
			out += "+" + g.options.Meanings[name]
		}
	}
	return out
}

// imported returns a file with all that it imports.
func (g *Generation) imported(m *module) Files {
	names := map[string]bool{}
	var visit func(m *module)
	visit = func(m *module) {
		if names[m.program.name] {
			return
		}
		names[m.program.name] = true
		for _, needed := range m.needs {
			visit(needed)
		}
	}
	visit(m)
	var files Files
	for _, f := range g.files {
		if names[f.Name] {
			files = append(files, f)
		}
	}
	return files
}
