package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/metasync/metasync"

// A layer is a folder of the house. A package may import packages of lower
// layers and of its own.
type layer struct {
	folder string
	tree   bool // the folders below belong to the layer too
	why    string
}

// house lists the layers from the roof down (docs/architecture.md).
var house = []layer{
	{"cmd", true, "a binary only wires"},
	{"internal/bench", true, "the benchmark drives the product as a user does"},
	{"console", true, "pages and requests stand on everything else and nothing stands on them"},
	{"daemon", true, "the daemon composes engine, scheduler, triggers and scripts"},
	{"triggers", true, "triggers wake the scheduler; what they wake must not know them"},
	{"scripting", true, "the engine knows no JavaScript; scripting implements interfaces that the engine declares"},
	{"agents", true, "the engine knows no kind of connected system; agents implement engine/agent"},
	{"engine", false, "the facade is for embedding programs; what it is made of must not know it"},
	{"engine/config", true, "only the configuration knows its textual form; the engine takes typed definitions"},
	{"engine/autosync", true, "the scheduler decides on facts and requests, without knowing where they come from"},
	{"engine/notify", true, "messages tell of events, whoever has them happen"},
	{"engine/workflow", true, "workflows look at runs that have ended; runs must not know what is done about them"},
	{"engine/run", true, "runs drive the synchronization of objects, which knows no runs"},
	{"engine/sync", true, "the synchronization of one object is a function over records and rules"},
	{"engine/rules", true, "rules are compiled before there is anything to synchronize"},
	{"engine/expr", true, "expressions are values in, value out"},
	{"engine/space", true, "records know neither rules nor runs"},
	{"engine/hold", true, "the ledger remembers what was found and decided; runs find, and administrators decide"},
	{"engine/store", true, "the store knows keys and bytes, not what they mean"},
	{"engine/dropfile", true, "a drop file holds what an agent delivers or is sent, not what becomes of it"},
	{"engine/agent", true, "an agent knows entries and changes, not what becomes of them"},
	{"engine/identity", true, "values stand on the standard library alone"},
	{"engine/fault", true, "errors stand on the standard library alone"},
}

// helpers are packages that stand beside the house: any layer may import them,
// and they import nothing of the module.
var helpers = map[string]string{
	"internal/filewatch": "notices changed files",
	"internal/heap":      "bounds the memory of a process",
	"internal/hostlist":  "decides which hosts may be reached",
	"internal/layers":    "these tests",
	"internal/logging":   "writes the log, which may be a file that is rotated",
	"internal/sdnotify":  "tells the service manager how the process is",
	"internal/ldapconn":  "talks to directory servers",
	"internal/servers":   "starts real servers for tests",
	"internal/spill":     "keeps bytes, in a file when they are many",
	"internal/sqlconn":   "opens databases and makes their values alike",
	"packaging":          "the packages and the unit of systemd",
	"examples":           "programs to read and run, which use the product or its sample data",
}

// libraries names the only layers that may import a library.
var libraries = []struct {
	path   string // the import path, or the start of one
	layers []string
	why    string
}{
	{"github.com/dop251/goja", []string{"scripting"}, "one package isolates, bounds and times JavaScript"},
	{"github.com/evanw/esbuild", []string{"scripting"}, "compiling scripts is part of loading them"},
	{"github.com/go-sourcemap/sourcemap", []string{"scripting"}, "positions in scripts are mapped where they are compiled"},
	{"github.com/dlclark/regexp2", []string{"scripting"}, "it is the engine under the regular expressions of scripts, to bound their time"},
	{"go.etcd.io/bbolt", []string{"engine/store", "internal/bench"}, "the engine can do without a file, and with another store; the benchmark compares with the bare store"},
	{"github.com/tidwall/btree", []string{"engine/store"}, "the tree is how the memory store orders its keys"},
	{"github.com/goccy/go-yaml", []string{"engine/config"}, "only the configuration knows its textual form"},
	{"github.com/alecthomas/kong", []string{"cmd"}, "the command line is parsed in one place"},
	{"github.com/fsnotify/fsnotify", []string{"internal/filewatch"}, "what a changed file means is decided in one place"},
	{"golang.org/x/oauth2", []string{"engine/notify"}, "tokens are for the log-in of mail"},
	{"github.com/wneessen/go-mail", []string{"engine/notify"}, "mail is written and sent in one place"},
	{"github.com/go-ldap/ldap", []string{"internal/ldapconn", "agents"}, "connections are opened, bounded and kept in one place; the agents for directories write over them"},
	{"github.com/jackc/pgx", []string{"internal/sqlconn"}, "what drivers do differently is made alike in one place"},
	{"github.com/go-sql-driver/mysql", []string{"internal/sqlconn"}, "what drivers do differently is made alike in one place"},
	{"github.com/microsoft/go-mssqldb", []string{"internal/sqlconn"}, "what drivers do differently is made alike in one place"},
	{"modernc.org/sqlite", []string{"internal/sqlconn"}, "what drivers do differently is made alike in one place"},
	{"github.com/prometheus/client_golang", []string{"daemon"}, "what monitoring is told is decided in one place"},
	{"github.com/robfig/cron", []string{"triggers", "engine/autosync", "engine/config"}, "schedules belong to the scheduler"},
}

// pure names the layers that import only the standard library.
var pure = map[string]string{
	"engine/identity": "values are shared by everything, so they must drag nothing along",
	"engine/fault":    "errors are shared by everything, so they must drag nothing along",
}

// A pkg is what go list says about a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// folder returns the package's folder in the module, and whether it has one.
func folder(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// place returns the layer of a folder: its depth in the house and its name. The
// depth of helpers is -1.
func place(dir string) (depth int, name string, ok bool) {
	for i, l := range house {
		if dir == l.folder || l.tree && strings.HasPrefix(dir, l.folder+"/") {
			return i, l.folder, true
		}
	}
	for name := range helpers {
		if dir == name || strings.HasPrefix(dir, name+"/") {
			return -1, name, true
		}
	}
	return 0, "", false
}

// violations returns what is wrong with the imports of a package.
func violations(p pkg) []string {
	dir, ours := folder(p.ImportPath)
	if !ours {
		return nil
	}
	depth, name, ok := place(dir)
	if !ok {
		return []string{fmt.Sprintf("%s is in no layer: give the new package its place in internal/layers and in docs/architecture.md", dir)}
	}
	var wrong []string
	for _, imported := range p.Imports {
		if target, ours := folder(imported); ours {
			if why := arrow(dir, depth, name, target); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", dir, target, why))
			}
			continue
		}
		if why := library(name, imported); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", dir, imported, why))
		}
	}
	return wrong
}

// arrow returns why a package may not import another one of the module, "" if
// it may.
func arrow(dir string, depth int, name, target string) string {
	targetDepth, targetName, ok := place(target)
	switch {
	case !ok:
		return "" // reported as the target's own violation
	case name == targetName:
		return ""
	case pure[name] != "":
		return pure[name]
	case name == "examples":
		return ""
	case targetName == "examples":
		return "examples use the product, never the other way round"
	case depth < 0:
		return "a helper imports nothing of the module, so that every layer may use it"
	case targetDepth >= 0 && targetDepth < depth:
		return fmt.Sprintf("%s stands above %s: %s", targetName, name, house[targetDepth].why)
	}
	return ""
}

// library returns why a layer may not import a package from outside the module,
// "" if it may.
func library(name, imported string) string {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	if why := pure[name]; why != "" {
		return "only the standard library is allowed here: " + why
	}
	for _, l := range libraries {
		if imported != l.path && !strings.HasPrefix(imported, l.path+"/") {
			continue
		}
		for _, allowed := range l.layers {
			if name == allowed {
				return ""
			}
		}
		return fmt.Sprintf("only %s may: %s", strings.Join(l.layers, " and "), l.why)
	}
	return ""
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		for _, wrong := range violations(p) {
			t.Error(wrong)
		}
	}
}

// The table is the house as it stands, and the documentation has the same one.
func TestHouseStands(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, l := range house {
		if _, err := os.Stat(filepath.Join(root, l.folder)); err != nil {
			t.Errorf("the layer %s has no folder: %v", l.folder, err)
		}
		if strings.HasPrefix(l.folder, "internal/") {
			continue
		}
		row := regexp.MustCompile("(?m)^\\| `" + l.folder + "[`/]").FindIndex(page)
		switch {
		case row == nil:
			t.Errorf("docs/architecture.md has no row for the layer %s", l.folder)
		case row[0] < at:
			t.Errorf("docs/architecture.md has the layer %s too far up", l.folder)
		default:
			at = row[0]
		}
	}
	for name := range helpers {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Errorf("the helper %s has no folder: %v", name, err)
		}
	}
}

// The facade's promise to embedding programs: what they get is the engine, not
// the daemon around it.
func TestEngineStandsAlone(t *testing.T) {
	for _, p := range list(t) {
		dir, ours := folder(p.ImportPath)
		if !ours || dir != "engine" && !strings.HasPrefix(dir, "engine/") {
			continue
		}
		for _, imported := range p.Imports {
			target, ours := folder(imported)
			if !ours || target == "engine" || strings.HasPrefix(target, "engine/") {
				continue
			}
			if _, name, _ := place(target); helpers[name] == "" || name == "examples" {
				t.Errorf("%s imports %s: nothing in the engine imports what stands above it", dir, target)
			}
		}
	}
}

// The script host's promise to embedding programs: it knows nothing of identities, and
// the example needs nothing else.
func TestScriptHostStandsAlone(t *testing.T) {
	packages := list(t)
	for dir, allowed := range map[string][]string{
		"scripting/host":           {"engine/fault"},
		"examples/embed-scripting": {"engine/fault", "scripting/host"},
	} {
		i := slices.IndexFunc(packages, func(p pkg) bool { return p.ImportPath == module+"/"+dir })
		if i < 0 {
			t.Fatalf("there is no package %s", dir)
		}
		for _, imported := range packages[i].Imports {
			target, ours := folder(imported)
			if !ours || slices.Contains(allowed, target) {
				continue
			}
			if _, name, _ := place(target); helpers[name] == "" || name == "examples" {
				t.Errorf("%s imports %s: the script host is for programs that know no identities", dir, target)
			}
		}
	}
}

func TestViolations(t *testing.T) {
	for _, tt := range []struct {
		name, pkg string
		imports   []string
		want      string // part of the only violation, "" for none
	}{
		{"down", "engine/rules", []string{"engine/expr", "engine/identity", "fmt"}, ""},
		{"up", "engine/space", []string{"engine/sync"}, "engine/sync stands above engine/space"},
		{"facade from inside", "engine/run", []string{"engine"}, "engine stands above engine/run"},
		{"facade from outside", "daemon", []string{"engine", "agents/csv"}, ""},
		{"within a layer", "engine/store/storetest", []string{"engine/store"}, ""},
		{"agents are below scripting", "agents/csv", []string{"scripting"}, "scripting stands above agents"},
		{"agents do not know the facade's users", "agents/csv", []string{"engine/agent", "engine/identity"}, ""},
		{"goja", "engine/expr", []string{"github.com/dop251/goja/parser"}, "only scripting may"},
		{"goja at home", "scripting/host", []string{"github.com/dop251/goja"}, ""},
		{"a longer name is another library", "engine/expr", []string{"github.com/dop251/goja_nodejs"}, ""},
		{"bbolt", "engine/space", []string{"go.etcd.io/bbolt"}, "only engine/store and internal/bench may"},
		{"identity is pure", "engine/identity", []string{"golang.org/x/text/cases"}, "only the standard library"},
		{"identity and fault do not know each other", "engine/identity", []string{"engine/fault"}, "must drag nothing along"},
		{"helper for everybody", "engine/config", []string{"internal/filewatch"}, ""},
		{"helper on the house", "internal/filewatch", []string{"engine/fault"}, "a helper imports nothing of the module"},
		{"example", "examples/embed", []string{"engine"}, ""},
		{"on an example", "cmd/metasync", []string{"examples/gen"}, "never the other way round"},
		{"homeless", "tools/x", nil, "give the new package its place"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := pkg{ImportPath: module + "/" + tt.pkg}
			for _, i := range tt.imports {
				if first, _, _ := strings.Cut(i, "/"); !strings.Contains(first, ".") && i != "fmt" {
					i = module + "/" + i
				}
				p.Imports = append(p.Imports, i)
			}
			got := violations(p)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("violations: %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("violations: %q, want one with %q", got, tt.want)
			}
		})
	}
}

// list returns all packages of the module and what they import.
func list(t *testing.T) []pkg {
	t.Helper()
	out := run(t, "go", "list", "-e", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	var packages []pkg
	decoder := json.NewDecoder(strings.NewReader(out))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ours := folder(p.ImportPath); ours {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		t.Fatal("go list knows no package of this module")
	}
	return packages
}

// run returns the standard output of a command in the root of the module.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}

var root = filepath.Join("..", "..")
