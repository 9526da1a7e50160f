package daemon_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/daemon"
)

// What triggers of scripts name is checked as it is for those of the configuration.
func TestTriggersAreChecked(t *testing.T) {
	for script, want := range map[string]string{
		`trigger("x", {agent: "HRX", every: "1h", run: "full-import"});`:                                         `there is no agent "HRX"`,
		`trigger("x", {agent: "HR", every: "1h", run: "full"});`:                                                 `agent "HR" has no run profile "full"`,
		`trigger("x", {agent: "HR", every: "1h", run: ["export", {agent: "HRX", run: "export"}]});`:              `there is no agent "HRX"`,
		`trigger("x", {agent: "HR", after: {agent: "HR", run: "exprt"}, run: "export"});`:                        `agent "HR" has no run profile "exprt"`,
		`trigger("x", {agent: "HR", after: "HR", run: "export"});`:                                               `it would start itself again and again`,
		`trigger("x", {agent: "HR", webhook: "x", token: secret("long"), run: "export"});`:                       `a webhook needs console.listen`,
		`trigger("x", {agent: "HR", webhook: "x", token: secret("short"), run: "export"});`:                      `the token of a webhook needs 16 characters`,
		`trigger("x", {agent: "HR", every: "1h", jitter: "1h", run: "export"});`:                                 `jitter 1h0m0s is not shorter`,
		`trigger("x", {agent: "HR", every: "1h", exclusions: [{cron: "* * * * *", for: "1h"}], run: "export"});`: `leave no time`,
		`trigger("x", {every: "1h", check: () => ({agent: "HR", run: "export"})});`:                              ``,
	} {
		t.Setenv("LONG", "0123456789abcdef")
		t.Setenv("SHORT", "0123")
		text := strings.Replace(configuration, "rules:", "scripting: {secrets: {long: \"${env:LONG}\", short: \"${env:SHORT}\"}}\nrules:", 1)
		o, _, _ := folder(t, map[string]string{"metasync.yaml": text, "scripts/triggers.js": script})
		_, err := daemon.Check(t.Context(), o)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "triggers.js:1:1")) {
			t.Errorf("%s: got %v", script, err)
		}
	}
}

// A webhook makes a run, the run makes another trigger due, and what fails is
// logged and shown, and so is its recovery.
func TestTriggersAtWork(t *testing.T) {
	t.Setenv("TOKEN", "0123456789abcdef")
	text := strings.Replace(configuration, "    import: off\n", `    import: off
    triggers:
      - {webhook: hr, token: "${env:TOKEN}", run: full-import}
`, 1) + "\nconsole: {listen: \"127.0.0.1:0\"}\n"
	o, dir, log := folder(t, map[string]string{"metasync.yaml": text, "scripts/triggers.js": `
trigger("follows", {agent: "HR", after: {agent: "HR", run: "full-import"}, check(ctx) {
	if (files.exists("broken")) throw new Error("it is broken, " + ctx.run.profile);
	return "full-sync";
}});`})
	d := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	call := func() int {
		r := httptest.NewRequest(http.MethodPost, "/hooks/hr", nil)
		r.Header.Set("Authorization", "Bearer 0123456789abcdef")
		w := httptest.NewRecorder()
		d.Web().ServeHTTP(w, r)
		return w.Code
	}
	await := func(what string, done func(daemon.Status) bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			status, err := d.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if done(status) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v\n%s", what, status.Triggers, log)
			}
		}
	}
	await("it works", func(daemon.Status) bool { return call() == http.StatusAccepted })
	await("the call", func(s daemon.Status) bool {
		return s.Triggers[1].LastResult == "requested HR full-import"
	})
	await("the failure", func(s daemon.Status) bool {
		return s.Triggers[0].Failures > 0 && strings.Contains(log.String(), "a trigger failed, and will try again")
	})
	write(t, filepath.Join(dir, "scripts/triggers.js"), `trigger("follows", {agent: "HR", after: {agent: "HR", run: "full-import"}, run: "full-sync"});`)
	await("the recovery", func(s daemon.Status) bool {
		return s.Triggers[0].LastResult == "requested HR full-sync" && strings.Contains(log.String(), "a trigger works again")
	})
	if strings.Contains(log.String(), "0123456789abcdef") {
		t.Error("the log shows the token")
	}

	// The address stays what it is until a restart.
	write(t, filepath.Join(dir, "metasync.yaml"), strings.Replace(text, "127.0.0.1:0", "127.0.0.1:1", 1))
	await("the refusal", func(s daemon.Status) bool {
		return s.Rejected != nil && strings.Contains(s.Rejected.Errors[0].Text, "console.listen cannot change")
	})
}
