package main

import (
	"fmt"
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
	t.Parallel()
	binary := buildBinary(t)
	undisturbed := newDemo(t)
	begun := time.Now()
	runOnce(t, binary, undisturbed)
	whole := time.Since(begun)
	want := population(t, undisturbed)

	// The export is the moment that matters most; the others are spread over the
	// time that the whole takes here and now.
	moments := map[string]func(demo string, ended <-chan struct{}){"during the export": untilExport}
	const spread = 7
	for i := range spread {
		moments[fmt.Sprintf("after %d/%d of the time", i+1, spread+1)] = func(string, <-chan struct{}) {
			time.Sleep(whole * time.Duration(i+1) / (spread + 1))
		}
	}
	killed := 0
	for name, moment := range moments {
		demo := newDemo(t)
		if killOnce(t, binary, demo, moment) {
			killed++
		}
		runOnce(t, binary, demo)
		if diff := cmp.Diff(want, population(t, demo)); diff != "" {
			t.Errorf("killed %s (-undisturbed +killed):\n%s", name, diff)
		}
		before := digestFiles(t, demo)
		runOnce(t, binary, demo)
		if diff := cmp.Diff(before, digestFiles(t, demo)); diff != "" {
			t.Errorf("killed %s: once more changed something (-before +after):\n%s", name, diff)
		}
	}
	if killed == 0 {
		t.Errorf("none of %d processes was killed while it was at work", len(moments))
	}
}

// untilExport waits until the new target file is being written, or the process
// has ended.
func untilExport(demo string, ended <-chan struct{}) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if info, err := os.Stat(filepath.Join(demo, "out", ".directory.csv.new")); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
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

// killOnce starts once, kills it at some moment, and reports whether it was still
// at work.
func killOnce(t *testing.T, binary, folder string, moment func(demo string, ended <-chan struct{})) bool {
	t.Helper()
	cmd := once(t, binary, folder)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	moment(folder, ended)
	_ = cmd.Process.Kill() // it may have ended
	<-ended
	return err != nil
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
