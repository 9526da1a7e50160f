package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/autosync"
)

// shippedFolder makes a folder with all scripts that ship and a configuration as they
// assume it.
func shippedFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	copyFolder(t, filepath.FromSlash("testdata/types/shipped"), folder)
	copyFolder(t, filepath.FromSlash("../../scripts"), folder)
	return folder
}

// copyFolder copies a folder into another; one of scripts into the scripts there.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if filepath.Base(from) == "scripts" {
		to = filepath.Join(to, "scripts")
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edit replaces a text in a file, where it must be.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text := readText(t, path)
	if !strings.Contains(text, from) {
		t.Fatalf("%s does not hold %q", path, from)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func commandOutput(t *testing.T, want exitCode, args ...string) string {
	t.Helper()
	var out, errors bytes.Buffer
	if code := execute(t.Context(), args, &out, &errors); code != want {
		t.Fatalf("%q: exit code %d: %s%s", args, code, out.String(), errors.String())
	}
	return out.String()
}

// All scripts that ship load together, and each has tests, which pass.
func TestShippedScriptsLoad(t *testing.T) {
	t.Parallel()
	folder := shippedFolder(t)
	file := filepath.Join(folder, "metasync.yaml")
	if out := commandOutput(t, exitDone, "validate", "-c", file); !strings.Contains(out, "ok: 4 agents") {
		t.Error(out)
	}
	var result testsResult
	if err := json.Unmarshal([]byte(commandOutput(t, exitDone, "test", "--json", "-c", file)), &result); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, test := range result.Tests {
		tested[test.File] = true
	}
	scripts, err := filepath.Glob(filepath.FromSlash("../../scripts/*.js"))
	if err != nil || len(scripts) < 30 {
		t.Fatal(scripts, err)
	}
	for _, script := range scripts {
		name := filepath.Base(script)
		if own, isTest := strings.CutSuffix(name, ".test.js"); isTest {
			if !tested["scripts/"+name] {
				t.Errorf("%s has no test", name)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(script), own+".js")); err != nil {
				t.Error(err)
			}
			continue
		}
		if !tested["scripts/"+strings.TrimSuffix(name, ".js")+".test.js"] {
			t.Errorf("%s has no tests", name)
		}
		if text := readText(t, script); !strings.Contains(text, "\n// When to use: ") {
			t.Errorf("%s does not say when to use it", name)
		}
	}
}

// openAt opens a daemon on a folder at a time.
func openAt(t *testing.T, folder string, at time.Time) *daemon.Daemon {
	t.Helper()
	d, err := daemon.Open(t.Context(), daemon.Options{
		File: filepath.Join(folder, "metasync.yaml"), Kinds: kinds, Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// onceAt synchronizes everything at a time, fully if wanted.
func onceAt(t *testing.T, folder, date string, fully bool) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	d := openAt(t, folder, at.Add(12*time.Hour))
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	if fully {
		if _, err := d.Exec(t.Context(), "HR", "full-sync", "test", nil); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := d.Once(t.Context(), autosync.Changes, nil); err != nil || s.Failed || s.Errors {
		t.Fatalf("%s: %+v, %v", date, s, err)
	}
}

func lines(t *testing.T, what, got string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// The scripts that take part in the synchronization do what they say: names and
// addresses are unique, also beside those that nobody knows, entries are where they
// belong, phone numbers have one form, and leavers go after their grace period.
func TestShippedScriptsWork(t *testing.T) {
	t.Parallel()
	folder := shippedFolder(t)
	data := func(name string) string { return filepath.Join(folder, "data", name) }
	onceAt(t, folder, "2026-03-01", false)
	foreign := []string{"root,,System,yes", "root2,,System,yes", "aberg2,,Nobody knows,yes"}
	accounts := func(more ...string) []string {
		return append(append([]string{"accountName,employeeID,fullName,enabled"}, foreign...), more...)
	}
	people := []string{"aberg,1001,Anna Berg,yes", "aberg3,1002,Åke Berg,yes", "aberg4,1003,Arne Berg,yes", "aberg5,1004,Anna Berg,yes"}
	lines(t, "accounts", readText(t, data("accounts.csv")), accounts(append(people, "root3,1005,Rosa Oot,yes")...)...)
	lines(t, "mailboxes", readText(t, data("mailboxes.csv")),
		"address,employeeID,fullName", "info@corp.example,,Information", "anna.berg2@corp.example,,An old one",
		"anna.berg@corp.example,1001,Anna Berg", "ake.berg@corp.example,1002,Åke Berg", "arne.berg@corp.example,1003,Arne Berg",
		"anna.berg3@corp.example,1004,Anna Berg", "rosa.oot@corp.example,1005,Rosa Oot")
	entries := []string{
		"dn,employeeID,uid,mail,phone",
		`"CN=Anna Berg (1004),OU=Unsorted,DC=corp,DC=example",1004,aberg5,anna.berg3@corp.example,`,
		`"CN=Anna Berg (1001),OU=IT,OU=Berlin,DC=corp,DC=example",1001,aberg,anna.berg@corp.example,+4930123456`,
		`"CN=Åke Berg (1002),OU=Staff,OU=Stockholm,DC=corp,DC=example",1002,aberg3,ake.berg@corp.example,+4930123457`,
		`"CN=Arne Berg (1003),OU=Staff,OU=Berlin,DC=corp,DC=example",1003,aberg4,arne.berg@corp.example,+4930123458`,
		`"CN=Rosa Oot (1005),OU=IT,OU=Berlin,DC=corp,DC=example",1005,root3,rosa.oot@corp.example,`,
	}
	lines(t, "entries", readText(t, data("directory.csv")), entries...)

	// Nothing is left to do, nobody changes names, and who moves is elsewhere.
	onceAt(t, folder, "2026-03-02", true)
	lines(t, "accounts of the next day", readText(t, data("accounts.csv")), accounts(append(people, "root3,1005,Rosa Oot,yes")...)...)
	edit(t, data("hr.csv"), "1002,Åke,Berg,0049 (30) 123457,SE", "1002,Åke,Bergman,0049 (30) 123457,DE")
	onceAt(t, folder, "2026-03-03", false)
	if text := readText(t, data("directory.csv")); !strings.Contains(text, `"CN=Åke Bergman (1002),OU=Staff,OU=Berlin,DC=corp,DC=example",1002,aberg3,ake.berg@corp.example,`) {
		t.Error(text)
	}
	people[1] = "aberg3,1002,Åke Bergman,yes"

	// Rosa leaves at the end of March. Time alone does it, once everything is looked at.
	onceAt(t, folder, "2026-03-31", true)
	lines(t, "accounts on the last day", readText(t, data("accounts.csv")), accounts(append(people, "root3,1005,Rosa Oot,yes")...)...)
	onceAt(t, folder, "2026-04-01", true)
	lines(t, "accounts on the day after", readText(t, data("accounts.csv")), accounts(append(people, "root3,1005,Rosa Oot,no")...)...)
	onceAt(t, folder, "2026-04-30", true)
	lines(t, "accounts on the thirtieth day", readText(t, data("accounts.csv")), accounts(append(people, "root3,1005,Rosa Oot,no")...)...)
	onceAt(t, folder, "2026-05-01", true)
	lines(t, "accounts after the grace period", readText(t, data("accounts.csv")), accounts(people...)...)
	onceAt(t, folder, "2026-05-02", true)
	lines(t, "accounts at last", readText(t, data("accounts.csv")), accounts(people...)...)
}

// The welcome letter and the ticket reach a service over HTTP, a letter once for each
// account.
func TestShippedScriptsReachOut(t *testing.T) {
	t.Parallel()
	folder := shippedFolder(t)
	var letters []map[string]any
	var keys []string
	down := true
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if got := r.Header.Get("Authorization"); got != "Bearer the token for letters" {
			t.Errorf("authorization %q", got)
		}
		letter := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&letter); err != nil {
			t.Error(err)
		}
		letters, keys = append(letters, letter), append(keys, r.Header.Get("Idempotency-Key"))
	}))
	defer service.Close()
	edit(t, filepath.Join(folder, "scripts", "welcome-letter.js"), "https://letters.corp.example", service.URL)
	edit(t, filepath.Join(folder, "metasync.yaml"), "letters.corp.example", strings.TrimPrefix(service.URL, "http://"))

	d := openAt(t, folder, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if _, err := d.Once(t.Context(), autosync.Changes, nil); err != nil {
		t.Fatal(err)
	}
	status, err := d.Status(t.Context())
	if err != nil || status.Workflows.Waiting != 5 || len(status.Workflows.Failures) != 5 || !strings.Contains(status.Workflows.Failures[0].Error, "the letter service said 503") {
		t.Fatalf("%+v, %v", status.Workflows, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	down = false
	onceAt(t, folder, "2026-03-02", false)
	onceAt(t, folder, "2026-03-03", false)
	if len(letters) != 5 || letters[0]["account"] != "aberg" || letters[0]["to"] != "Anna Berg" || keys[0] != "welcome 1" || keys[4] != "welcome 5" {
		t.Errorf("%v %v", letters, keys)
	}
}
