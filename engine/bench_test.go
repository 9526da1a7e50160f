package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/metasync/metasync/engine/run"
)

// BenchmarkImport reads a file of 100,000 rows, whose rows are all new, or all as
// they were. The guard of agents costs an unchanged import nothing that can be
// measured, because it looks only at what is staged, and a first one a few hundredths.
func BenchmarkImport(b *testing.B) {
	const rows = 100_000
	var buf bytes.Buffer
	buf.WriteString("id,givenName,sn,mail,department,title,phone,manager\n")
	for i := range rows {
		fmt.Fprintf(&buf, "%07d,Given%d,Family%d,given.family%d@example.org,Department %d,Engineer,+49 30 %d,%07d\n", i, i%500, i%9000, i, i%60, i, i/20)
	}
	path := filepath.Join(b.TempDir(), "people.csv")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	configuration := fmt.Sprintf(`
metaverse: {person: {attributes: {name: string}}}
agents:
  HR:
    type: csv
    file: %s
    objects: {person: {anchor: [id], attributes: {manager: reference}}}
rules: []
`, path)
	report := func(b *testing.B) {
		b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "entries/s")
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			w := newWorld(b, configuration)
			if r := w.run("HR", "full-import"); r.Result != run.Success {
				b.Fatal(showRecord(r))
			}
		}
		report(b)
	})
	b.Run("unchanged", func(b *testing.B) {
		w := newWorld(b, configuration)
		w.run("HR", "full-import")
		for b.Loop() {
			if r := w.run("HR", "full-import"); r.Steps[0].Staging["stage-no-change"] != rows {
				b.Fatal(showRecord(r))
			}
		}
		report(b)
	})
}
