package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/sync"
)

// inUTC shows times in UTC.
func inUTC(t *testing.T) {
	before := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = before })
}

// failing is a run with something of everything.
func failing() *run.Record {
	return &run.Record{
		Run: 12, Agent: "HR", Profile: "nightly", Result: run.CompletedDiscoveryErrors, Started: noon, Ended: noon.Add(time.Minute),
		Cause: run.Cause{Kind: "manual", User: "ada", Parent: 11},
		Steps: []*run.Report{
			{
				Type: run.FullImport, Result: run.CompletedDiscoveryErrors,
				Staging: map[string]int{"stage-add": 3, "stage-delete": 0, "stage-failure": 3},
				DiscoveryErrors: []run.ErrorRecord{
					{
						Type: "parse-error", DN: "<b>Zoë</b>", Anchor: "1", Attribute: "born", File: "hr.csv", Line: 4, Column: 2,
						Detail: "no date: \"<script>\"\nsecond line", First: noon.Add(-time.Hour), Last: noon, Retries: 2,
					},
					{Type: "missing-anchor", Anchor: "2", Last: noon, First: noon},
					{Type: "missing-anchor", ID: identity.NewID(1, 3), Last: noon, First: noon, Warning: true},
				},
			},
			{
				Type: run.FullSync, Result: run.StoppedServer, Error: "the disk is hunter2", Hint: "buy one", Agent: "AD",
				Inbound:  map[sync.Counter]int{"connector-flow": 2},
				Outbound: map[string]map[sync.Counter]int{"B": {"provisioned-add-flow": 1}, "A": {"export-flow": 2, "other": 0}},
				Warnings: []run.StepWarning{{Type: "full-sync-required", Detail: "rules have changed", Hint: "resync"}},
			},
		},
	}
}

func TestRunReportAsText(t *testing.T) {
	inUTC(t)
	d := runReport(failing())
	d.limit(2)
	clean := d.clean(func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") })
	want := `Management agent: HR
Run profile:      nightly
Result:           completed-discovery-errors
Start time:       2026-01-05 12:00:00 UTC
End time:         2026-01-05 12:01:00 UTC
User:             ada
Cause:            manual, after run 11
Run number:       12
Step 2:           the disk is [redacted]
                  hint: buy one
Warning:          full-sync-required: rules have changed
                  hint: resync

Steps

  Step:      1
  Type:      full-import
  Result:    completed-discovery-errors
  Direction: import
  Details:   stage-add 3
             stage-failure 3

  Step:      2
  Type:      full-sync of AD
  Result:    stopped-server
  Direction: inbound
  Details:   connector-flow 2

  Direction: outbound to A
  Details:   export-flow 2

  Direction: outbound to B
  Details:   provisioned-add-flow 1

Staging errors of step 1

- <b>Zoë</b>
  Error type:     parse-error
  Anchor:         1
  Detail:         no date: "<script>"
                  second line
  Attribute name: born
  Place:          hr.csv:4:2
  Date occurred:  2026-01-05 12:00:00 UTC
  First occurred: 2026-01-05 11:00:00 UTC
  Retry count:    2

- 2
  Error type:    missing-anchor
  Date occurred: 2026-01-05 12:00:00 UTC

There is 1 more that is not shown here.
`
	if diff := cmp.Diff(want, clean.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing that comes from a system is taken for HTML.
func TestHTMLIsEscaped(t *testing.T) {
	inUTC(t)
	d := runReport(failing())
	page, err := d.html(`HR <img src=x onerror=alert(1)>`)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<b>Zoë", "<script", "<img"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s is in the page:\n%s", bad, page)
		}
	}
	for _, good := range []string{"&lt;b&gt;Zoë&lt;/b&gt;", "&lt;script&gt;", "<h2 style=", "stage-add 3", "outbound to A", "missing-anchor (warning)"} {
		if !strings.Contains(page, good) {
			t.Errorf("%s is not in the page:\n%s", good, page)
		}
	}
	for _, outside := range []string{"<style", "<link", "class="} {
		if strings.Contains(page, outside) {
			t.Errorf("the page relies on %s", outside)
		}
	}
}

// Of a list that the record itself has cut, nobody knows how much is missing.
func TestMore(t *testing.T) {
	r := &run.Record{Steps: []*run.Report{{Type: run.Export, ExportErrors: make([]run.ErrorRecord, run.MaxListed)}}}
	d := runReport(r)
	d.limit(10)
	if got, want := d.Sections[0].moreText(), "There are 990 more, at least, that are not shown here."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := len(d.Sections[0].Items); n != 10 {
		t.Errorf("%d items", n)
	}
	d = runReport(r)
	if d.limit(0); len(d.Sections[0].Items) != run.MaxListed {
		t.Errorf("without a limit %d items", len(d.Sections[0].Items))
	}
}

func TestTextsAreCut(t *testing.T) {
	d := Document{Rows: []Row{{"x\r\nBcc: eve", strings.Repeat("é", maxCell+1) + "\x1b[31m"}}}
	got := d.clean(nil).Rows[0]
	if got.Text != strings.Repeat("é", maxCell)+"..." || strings.ContainsAny(got.Label, "\r") {
		t.Errorf("got %.20q, %d bytes", got.Label, len(got.Text))
	}
}
