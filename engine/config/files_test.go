package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

func TestIncludes(t *testing.T) {
	archive := txtar.Parse([]byte(`
-- metasync.yaml --
include: [parts/*.yaml, systems.yaml]
agents: {First: {type: csv, file: x}}
-- systems.yaml --
agents: {Last: {type: csv, file: x}}
state: elsewhere
-- parts/b.yaml --
agents: {C: {type: csv, file: x}}
-- parts/a.yaml --
include: [deep/*.yml]
agents: {A: {type: csv, file: x}}
-- parts/deep/x.yml --
agents: {B: {type: csv, file: x}}
`))
	c, err := config.Load(in("metasync.yaml"), options(archive))
	if err != nil {
		t.Fatal(errorLines(err))
	}
	var names []string
	for _, a := range c.Agents {
		names = append(names, a.Name)
	}
	same(t, []string{"First", "A", "B", "C", "Last"}, names)
	same(t, []string{
		in("metasync.yaml"), in("parts/a.yaml"), in("parts/deep/x.yml"), in("parts/b.yaml"), in("systems.yaml"),
	}, c.Files)
	same(t, []string{in("parts/*.yaml"), in("parts/deep/*.yml")}, c.Patterns)
	if c.State != in("elsewhere") {
		t.Errorf("state %s", c.State)
	}
	if got := c.Agents[1].Position.File; got != in("parts/a.yaml") {
		t.Errorf("place of an included agent: %s", got)
	}
}

// Without a seam, files and the environment are those of the process; messages
// name files as the user did.
func TestRealFiles(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("METASYNC_TEST_URL", "ldap://example.org")
	for name, text := range map[string]string{
		"conf/metasync.yaml":  "include: [rules/*.yaml]\nagents: {AD: {type: ldap, url: \"${env:METASYNC_TEST_URL}/${file:tail}\"}}\n",
		"conf/tail":           "dc=x\r\n",
		"conf/rules/one.yaml": "metaverse: {person: }\n",
		"conf/rules/two.txt":  "nonsense",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join("conf", "metasync.yaml")
	c, err := config.Load(path, config.Options{Kinds: kinds()})
	if err != nil {
		t.Fatal(errorLines(err))
	}
	working, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(working, "conf")
	same(t, []string{
		filepath.Join(conf, "tail"), filepath.Join(conf, "metasync.yaml"), filepath.Join(conf, "rules", "one.yaml"),
	}, sorted(c.Files, "tail"))
	same(t, []string{"ldap://example.org", "dc=x"}, c.Secrets)
	same(t, &ldapSettings{server{URL: "ldap://example.org/dc=x"}}, c.Agents[0].Settings)
	if got, want := c.Model.Types[0].Position.String(), filepath.Join("conf", "rules", "one.yaml")+":1:13"; got != want {
		t.Errorf("place %s, want %s", got, want)
	}

	_, err = config.Load(filepath.Join("conf", "absent.yaml"), config.Options{Kinds: kinds()})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if list := fault.All(err); len(list) != 1 || list[0].Position.File != filepath.Join("conf", "absent.yaml") {
		t.Errorf("a missing file: %v", list)
	}
}

// sorted puts the files that end in a name first: it is not promised whether a
// file comes before those that it refers to.
func sorted(files []string, first string) []string {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b string) int {
		switch {
		case strings.HasSuffix(a, first):
			return -1
		case strings.HasSuffix(b, first):
			return 1
		}
		return 0
	})
	return files
}

func TestReferences(t *testing.T) {
	c := load(t, "references.txtar")
	settings := c.Agents[0].Settings.(*csvSettings)
	same(t, []string{"hunter2", "${env:X}", "$${", "$x {y} $", "datadata"}, settings.Columns)
	if settings.File != agent.Path(in("data/hr.csv")) || settings.Timeout != 15*time.Minute {
		t.Errorf("settings: %+v", settings)
	}
	same(t, run.Thresholds{
		ImportDeletes: run.Limit{Count: 50, IsSet: true}, ExportDeletes: run.Limit{Percent: 50, IsSet: true},
	}, c.Agents[0].Thresholds)
	same(t, []string{in("metasync.yaml"), in("secret.txt")}, sorted(c.Files, "metasync.yaml"))
	for _, secret := range []string{"hunter2", "data", "15m", "50"} {
		if !slices.Contains(c.Secrets, secret) {
			t.Errorf("%q is not among the secrets %q", secret, c.Secrets)
		}
	}
}

// What would take the parser down, or for ever, is refused.
func TestAbsurdInput(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += strings.NewReplacer("N", string(rune('1'+i)), "M", string(rune('0'+i))).Replace(
			"aN: &aN [*aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM]\n")
	}
	for name, test := range map[string]struct{ text, want string }{
		"aliases":   {bomb, "stands for more than"},
		"brackets":  {"a: " + strings.Repeat("[", 100000), "too deeply nested"},
		"braces":    {"a: " + strings.Repeat("{a: ", 100000), "too deeply nested"},
		"dashes":    {strings.Repeat("- ", 100000) + "x", "too deeply nested"},
		"size":      {strings.Repeat("#", 9<<20), "larger than"},
		"not UTF-8": {"a: b\nc: \xff", "metasync.yaml:2:4: the file is not UTF-8 text"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadText(test.text)
			if err == nil || !strings.Contains(errorLines(err), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestByteOrderMark(t *testing.T) {
	if _, err := loadText("\ufeffagents: {HR: {type: csv, file: x}}\r\nstate: x\r\n"); err != nil {
		t.Error(errorLines(err))
	}
}

// Every kind of limit finds its place, with its least number.
func TestLimits(t *testing.T) {
	c, err := loadText(`
agents:
  A:
    type: ldap
    url: x
    thresholds:
      import: {deletes: 5, adds: {percent: 2.5%, atLeast: 20}, renames: 0}
      sync: {deletes: 7}
      export: {memberRemovals: 30}
      window: {import: {deletes: 8}, export: {deletes: 9, memberRemovals: 10%}}
`)
	if err != nil {
		t.Fatal(errorLines(err))
	}
	same(t, run.Thresholds{
		ImportDeletes: run.AtMost(5), ExportDeletes: run.AtMost(500),
		Limits: run.Limits{
			{Step: hold.Import, Kind: hold.Adds}:           {Percent: 2.5, AtLeast: 20, IsSet: true},
			{Step: hold.Import, Kind: hold.Renames}:        run.AtMost(0),
			{Step: hold.Sync, Kind: hold.Deletes}:          run.AtMost(7),
			{Step: hold.Export, Kind: hold.MemberRemovals}: run.AtMost(30),
		},
		Window: run.Window{Length: 24 * time.Hour, Limits: run.Limits{
			{Step: hold.Import, Kind: hold.Deletes}:        run.AtMost(8),
			{Step: hold.Export, Kind: hold.Deletes}:        run.AtMost(9),
			{Step: hold.Export, Kind: hold.MemberRemovals}: run.AtMostPercent(10),
		}},
	}, c.Agents[0].Thresholds)
}
