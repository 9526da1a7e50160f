package notify

import (
	"errors"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/run"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// What a series of events tells, and what is open afterwards.
func TestDecide(t *testing.T) {
	type event struct {
		state string
		after time.Duration // since the one before
		want  change
	}
	const minute, day = time.Minute, 24 * time.Hour
	for _, tt := range []struct {
		name   string
		policy func(*Policy)
		events []event
		open   string // the state of the incident in the end, "" for none
	}{
		{"success tells nothing", nil, []event{{"success", 0, ""}, {"completed-no-objects", minute, ""}}, ""},
		{"once per state", nil, []event{
			{"stopped-server", 0, opened},
			{"stopped-server", minute, ""},
			{"stopped-connectivity", minute, changed},
			{"stopped-connectivity", minute, ""},
			{"stopped-server", minute, changed},
		}, "stopped-server"},
		{"a recovery, and the same error again", nil, []event{
			{"stopped-server", 0, opened}, {"success", minute, resolved}, {"success", minute, ""}, {"stopped-server", minute, opened},
		}, "stopped-server"},
		{"an ignored result resolves", func(p *Policy) { p.Ignore = []string{"Completed-Warnings"} }, []event{
			{"completed-warnings", 0, ""},
			{"stopped-server", minute, opened},
			{"completed-warnings", minute, resolved},
			{"stopped-server", minute, opened},
			{"success", minute, resolved},
		}, ""},
		{"again after a while", nil, []event{
			{"stopped-server", 0, opened},
			{"stopped-server", day - minute, ""},
			{"stopped-server", minute, ongoing},
			{"stopped-server", minute, ""},
			{"stopped-server", day, ongoing},
		}, "stopped-server"},
		{"never again", func(p *Policy) { p.Repeat = 0 }, []event{{"stopped-server", 0, opened}, {"stopped-server", 30 * day, ""}}, "stopped-server"},
		{"a change counts from anew", nil, []event{
			{"a", 0, opened}, {"b", day - minute, changed}, {"b", day - minute, ""}, {"b", minute, ongoing},
		}, "b"},
		{"all", func(p *Policy) { p.All = true }, []event{
			{"success", 0, ""},
			{"completed-warnings", minute, opened},
			{"completed-warnings", minute, ongoing},
			{"success", minute, resolved},
			{"success", minute, ""},
		}, ""},
		{"all, successes too", func(p *Policy) { p.All, p.Ignore = true, nil }, []event{
			{"success", 0, occurred}, {"completed-no-objects", minute, occurred}, {"stopped-server", minute, opened}, {"success", minute, resolved},
		}, ""},
		{"what a threshold held is never ignored", func(p *Policy) { p.Ignore = []string{"stopped-deletion-limit"} }, []event{
			{"stopped-deletion-limit", 0, opened}, {"stopped-deletion-limit", minute, ""},
		}, "stopped-deletion-limit"},
		{"the end of the daemon says nothing", nil, []event{
			{"stopped-service-shutdown", 0, ""}, {"stopped-server", minute, opened}, {"stopped-service-shutdown", minute, ""},
		}, "stopped-server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			policy := DefaultPolicy()
			if tt.policy != nil {
				tt.policy(&policy)
			}
			var open *Incident
			now := noon
			for i, e := range tt.events {
				now = now.Add(e.after)
				event := RunEnded(&run.Record{Run: uint64(i + 1), Agent: "HR", Profile: "full-import", Result: run.Result(e.state), Ended: now})
				next, tell := policy.decide(open, &event, now)
				if tell != e.want {
					t.Errorf("event %d, %s: tells %q, want %q", i+1, e.state, tell, e.want)
				}
				open = next
			}
			got := ""
			if open != nil {
				got = open.State
			}
			if got != tt.open {
				t.Errorf("open: %q, want %q", got, tt.open)
			}
		})
	}
}

// A run that is told again, or late, changes nothing; run numbers that begin anew do.
func TestDecideKnownRuns(t *testing.T) {
	policy := DefaultPolicy()
	ended := func(number uint64, result run.Result, at time.Time) *Event {
		e := RunEnded(&run.Record{Run: number, Agent: "HR", Profile: "full-import", Result: result, Ended: at})
		return &e
	}
	open, _ := policy.decide(nil, ended(7, "stopped-server", noon), noon.Add(time.Second))
	for name, e := range map[string]*Event{
		"the same": ended(7, "stopped-server", noon), "an older one": ended(6, "success", noon.Add(-time.Minute)),
	} {
		if next, tell := policy.decide(open, e, noon.Add(time.Hour)); next != open || tell != "" {
			t.Errorf("%s: tells %q", name, tell)
		}
	}
	if next, tell := policy.decide(open, ended(1, "success", noon.Add(time.Minute)), noon.Add(time.Hour)); next != nil || tell != resolved {
		t.Errorf("a new history: tells %q", tell)
	}
}

func TestSubjects(t *testing.T) {
	record := func(result run.Result) Event {
		return RunEnded(&run.Record{Agent: "HR", Profile: "full-import", Result: result})
	}
	for _, tt := range []struct {
		tell   change
		event  Event
		before string
		want   string
	}{
		{opened, record("stopped-server"), "", "HR full-import: stopped-server"},
		{changed, record("stopped-server"), "completed-warnings", "HR full-import: stopped-server (was completed-warnings)"},
		{resolved, record("success"), "stopped-server", "HR full-import: success (was stopped-server)"},
		{opened, record("stopped-deletion-limit"), "", "HR full-import: held: stopped-deletion-limit"},
		{opened, Held(Hold{Agent: "AD", Profile: "export"}), "", "AD export: held"},
		{resolved, Released("AD", "export", "approved by ada", noon), "held", "AD export: approved by ada (was held)"},
		{opened, Stopped("HR", "no", noon), "", "HR: stopped"},
		{opened, Stopped("", "no", noon), "", "all agents: stopped"},
		{opened, TriggerFailed("HR", "watch hr.csv", "watch", errors.New("x"), true, noon), "", "HR trigger watch hr.csv: terminated"},
		{opened, RunStuck("HR", "export", "waits", noon), "", "HR export: stuck"},
		{opened, ObjectParked("HR", "CN=Ada", "x", noon), "", "HR CN=Ada: parked"},
		{opened, Refused(errors.New("x"), noon), "", "configuration: refused"},
		{resolved, Recovered(Configuration, "", "", noon), "refused", "configuration: resolved (was refused)"},
		{opened, Event{Kind: Runs, Agent: "HR\r\nBcc: eve@example.org", Name: "x\u2028y", State: "z\x00"}, "", "HR  Bcc: eve@example.org x y: z "},
	} {
		if got := subject(tt.tell, &tt.event, tt.before, noon); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
