package daemon_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

const twoSources = configuration + `
  - name: guests
    agent: Guests
    object: guest
    metaverse: person
    inbound: {project: true, flows: {employeeID: id, displayName: "=shown(name)"}}
`

// Scripts that were replaced serve a forecast that began with them to its end.
func TestForecastDuringReload(t *testing.T) {
	o, dir, log := folder(t, map[string]string{
		"guests.csv":    "id,name\n2,Bob\n",
		"metasync.yaml": strings.Replace(twoSources, "rules:", "  Guests: {type: csv, file: guests.csv, import: off, objects: {guest: {anchor: [id]}}}\nrules:", 1),
	})
	d := open(t, o)
	for _, agent := range []string{"HR", "Guests"} {
		if _, err := d.Exec(t.Context(), agent, "full-import", "tester", nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	loaded := func() bool { return strings.Contains(log.String(), "configuration and scripts loaded") }
	replace := sync.OnceFunc(func() {
		write(t, filepath.Join(dir, "scripts/names.js"), strings.ReplaceAll(script, "!", "?"))
		eventually(t, "the changed script", loaded)
	})
	f, err := d.Forecast(t.Context(), daemon.ForecastQuery{}, func(agent string, _ run.StepType, _, _ int) {
		if agent == "HR" {
			replace()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !loaded() {
		t.Error("the scripts were not replaced meanwhile")
	}
	if len(f.Errors) != 0 {
		t.Errorf("the forecast has errors: %+v", f.Errors)
	}
}

// What is wrong with another configuration has its place there.
func TestForecastOfBrokenConfiguration(t *testing.T) {
	o, dir, _ := folder(t, map[string]string{
		"new/metasync.yaml":    strings.Replace(configuration, "hr.csv", "../hr.csv", 1),
		"new/scripts/names.js": "flowFunction(",
		"odd/metasync.yaml":    strings.NewReplacer("hr.csv", "../hr.csv", "shown(name)", "shwn(name)").Replace(configuration),
	})
	d := open(t, o)
	for name, want := range map[string]string{"new": "new/scripts/names.js", "odd": "odd/metasync.yaml"} {
		_, err := d.Forecast(t.Context(), daemon.ForecastQuery{With: filepath.Join(dir, name, "metasync.yaml")}, nil)
		list := fault.All(err)
		if len(list) == 0 || list[0].Position.File != filepath.Join(dir, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
