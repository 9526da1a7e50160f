package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A process that is killed in the middle of `once`, wherever that is, loses
// nothing: the next `once` ends where an undisturbed one does.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("synchronizes a thousand people several times")
	}
	binary := buildBinary(t)
	undisturbed := newDemo(t)
	begun := time.Now()
	runOnce(t, binary, undisturbed)
	whole := time.Since(begun)
	want := population(t, undisturbed)

	// The moments are spread over the time that the whole takes here and now.
	const moments = 8
	killed := 0
	for i := range moments {
		demo := newDemo(t)
		if killOnce(t, binary, demo, whole*time.Duration(i+1)/(moments+1)) {
			killed++
		}
		runOnce(t, binary, demo)
		if diff := cmp.Diff(want, population(t, demo)); diff != "" {
			t.Errorf("after a kill at %d/%d of the way (-undisturbed +killed):\n%s", i+1, moments+1, diff)
		}
		before := digestFiles(t, demo)
		runOnce(t, binary, demo)
		if diff := cmp.Diff(before, digestFiles(t, demo)); diff != "" {
			t.Errorf("once more changed something (-before +after):\n%s", diff)
		}
	}
	if killed == 0 {
		t.Errorf("none of %d processes was killed while it was at work", moments)
	}
}

// buildBinary builds metasync as it is released.
func buildBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "metasync")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// newDemo returns a copy of the quickstart.
func newDemo(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "demo")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "examples", "quickstart"))); err != nil {
		t.Fatal(err)
	}
	return folder
}

func once(t *testing.T, binary, folder string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), binary, "once")
	cmd.Dir = folder
	return cmd
}

func runOnce(t *testing.T, binary, folder string) {
	t.Helper()
	if out, err := once(t, binary, folder).CombinedOutput(); err != nil {
		t.Fatalf("metasync once: %v\n%s", err, out)
	}
}

// killOnce starts once, kills it after some time, and reports whether it was
// still at work.
func killOnce(t *testing.T, binary, folder string, after time.Duration) bool {
	t.Helper()
	cmd := once(t, binary, folder)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill() // it may have ended
	return cmd.Wait() != nil
}

// population is what the target system holds in the end.
func population(t *testing.T, folder string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "out", "directory.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func digestFiles(t *testing.T, folder string) string {
	t.Helper()
	list, err := digestOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
