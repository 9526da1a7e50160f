package run

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/store"
)

// saved returns the numbers of the runs in the files of a folder, by name.
func saved(t *testing.T, folder string) map[string][]uint64 {
	t.Helper()
	files := map[string][]uint64{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var r Record
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = append(files[e.Name()], r.Run)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestPruneSaves(t *testing.T) {
	h := history(t, store.NewMemory(), 10)
	folder := filepath.Join(t.TempDir(), "history")
	now := start.Add(12 * time.Hour)
	removed, file, err := h.PruneTo(folder, start.Add(3*time.Hour+30*time.Minute), 0, now)
	if removed != 4 || err != nil {
		t.Fatalf("removed %d, %v", removed, err)
	}
	if removed, again, err := h.PruneTo(folder, start.Add(3*time.Hour+30*time.Minute), 0, now); removed != 0 || again != "" || err != nil {
		t.Errorf("nothing to remove: %d, %q, %v", removed, again, err)
	}
	if removed, _, err := h.PruneTo(folder, time.Time{}, 4, now); removed != 2 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	stamp := now.UTC().Format("20060102T150405Z")
	want := map[string][]uint64{
		"runs-" + stamp + "-0000000001-0000000004.jsonl": {1, 2, 3, 4},
		"runs-" + stamp + "-0000000005-0000000006.jsonl": {5, 6},
	}
	if diff := cmp.Diff(want, saved(t, folder)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", file, info, err)
	}
}

// What cannot be saved is not removed.
func TestPruneKeepsWhatItCannotSave(t *testing.T) {
	h := history(t, store.NewMemory(), 10)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if removed, _, err := h.PruneTo(filepath.Join(file, "folder"), start.Add(1000*time.Hour), 0, start); removed != 0 || err == nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if got := numbers(t, h); len(got) != 10 {
		t.Errorf("left: %v", got)
	}
}

// The record of a run that goes on stays, however many are kept.
func TestPruneLeavesWhatRuns(t *testing.T) {
	h := history(t, store.NewMemory(), 0)
	running := &Record{Agent: "HR", Profile: "export", Result: InProgress, Started: start}
	if _, err := h.begin(running); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := &Record{Agent: "AD", Profile: "export", Result: InProgress, Started: start}
		if _, err := h.begin(r); err != nil {
			t.Fatal(err)
		}
		r.Result, r.Ended = Success, start.Add(time.Minute)
		if err := h.end(r); err != nil {
			t.Fatal(err)
		}
	}
	if removed, err := h.Prune(start.Add(time.Hour), 1); removed != 0 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
}
