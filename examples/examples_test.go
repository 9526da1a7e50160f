// Package examples tests the scripts that ship: those of the quickstart and
// those in the repository's scripts folder.
package examples

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/scripting"
)

const (
	quickstart = "quickstart"
	shipped    = ".." // its folder scripts
)

// load loads the scripts folder below a folder.
func load(t *testing.T, base string) *scripting.Generation {
	t.Helper()
	base, err := filepath.Abs(base)
	if err != nil {
		t.Fatal(err)
	}
	loader := scripting.NewLoader(scripting.Options{Folder: filepath.Join(base, "scripts"), Base: base, Workers: 1})
	g, err := loader.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// The scripts' own tests pass, and each script has some.
func TestOwnTests(t *testing.T) {
	for folder, want := range map[string][]string{
		quickstart: {"scripts/names.test.js"},
		shipped:    {"scripts/account-names.test.js", "scripts/nightly-import.test.js", "scripts/phone-numbers.test.js"},
	} {
		results := load(t, folder).Test(t.Context(), scripting.TestOptions{})
		if err := scripting.TestError(results); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		tested := map[string]bool{}
		for _, r := range results {
			tested[r.Position.File] = true
		}
		for _, file := range want {
			if !tested[file] {
				t.Errorf("%s: %s has no tests", folder, file)
			}
		}
	}
}

func TestFlowFunctions(t *testing.T) {
	loaded := map[string]*scripting.Generation{quickstart: load(t, quickstart), shipped: load(t, shipped)}
	for _, tt := range []struct {
		folder, function string
		args             []string // "" is an absent value
		want             string
	}{
		{quickstart, "accountName", []string{"Zoë", "von der Heide", "100028"}, "zvonder0028"},
		{quickstart, "accountName", []string{"Łukasz", "O'Brien", "100042"}, "lobrien0042"},
		{quickstart, "accountName", []string{"", "O'Brien", "100042"}, ""},
		{quickstart, "mailAddress", []string{"Zoë", "von der Heide", "100028"}, "zoe.von-der-heide.0028@example.com"},
		{quickstart, "mailAddress", []string{"İsmail", "Işık-Größe", "100028"}, "ismail.isik-grosse.0028@example.com"},
		{quickstart, "mailAddress", []string{"Þóra", "Ærø", ""}, ""},

		{shipped, "initials", []string{"Hans-Jürgen", "von der Heide"}, "HJVDH"},
		{shipped, "initials", []string{"Łukasz", ""}, "L"},
		{shipped, "initials", []string{"", ""}, ""},
		{shipped, "accountName", []string{"Łukasz", "O'Brien", "100042"}, "lobrien0042"},
		{shipped, "accountName", []string{"Jürgen", "Größe", ""}, ""},
		{shipped, "phoneNumber", []string{"030 / 1234-56", "49"}, "+4930123456"},
		{shipped, "phoneNumber", []string{"0049 (30) 123456", "49"}, "+4930123456"},
		{shipped, "phoneNumber", []string{"+49 (0) 30 123456", "49"}, "+4930123456"},
		{shipped, "phoneNumber", []string{"+48 58 555 2563", "49"}, "+48585552563"},
		{shipped, "phoneNumber", []string{"extension 5", "49"}, ""},
		{shipped, "phoneNumber", []string{"", "49"}, ""},
	} {
		function, ok := loaded[tt.folder].Functions()[tt.function]
		if !ok {
			t.Errorf("%s: there is no function %s", tt.folder, tt.function)
			continue
		}
		args := make([]expr.Value, len(tt.args))
		for i, text := range tt.args {
			if text != "" {
				args[i] = expr.Str(text)
			}
		}
		got, err := function.Call(&expr.Context{Context: context.Background()}, args)
		if err != nil {
			t.Errorf("%s: %s%q: %v", tt.folder, tt.function, tt.args, err)
			continue
		}
		text := ""
		if single, ok := got.Single(); ok {
			text = single.Text()
		}
		if text != tt.want || tt.want == "" && !got.IsNull() {
			t.Errorf("%s: %s%q = %q, want %q", tt.folder, tt.function, tt.args, text, tt.want)
		}
	}
}

func TestTriggers(t *testing.T) {
	absolute, err := filepath.Abs(quickstart)
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]autosync.TriggerSpec{
		quickstart: {
			Name: "HR file", Agent: "HR", Run: []autosync.Request{{Agent: "HR", Profile: "full-import"}},
			Watch: filepath.Join(absolute, "data", "hr.csv"), Settle: 2 * time.Second,
		},
		shipped: {
			Name: "nightly import of HR", Agent: "HR", Run: []autosync.Request{{Agent: "HR", Profile: "full-import"}},
			Cron: "0 2 * * *", TimeZone: berlin,
		},
	} {
		got := slices.DeleteFunc(slices.Clone(load(t, folder).Triggers()), func(spec autosync.TriggerSpec) bool {
			return folder == shipped && spec.Name != want.Name // the others have tests of their own
		})
		if diff := cmp.Diff([]autosync.TriggerSpec{want}, got,
			cmpopts.IgnoreFields(autosync.TriggerSpec{}, "Position", "Version"), cmp.Comparer(sameLocation)); diff != "" {
			t.Errorf("%s: triggers (-want +got):\n%s", folder, diff)
		}
	}
}

func sameLocation(a, b *time.Location) bool {
	return a == b || a != nil && b != nil && a.String() == b.String()
}
