//go:build systemd

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// systemd accepts the unit without a word, and finds little that it exposes.
func TestUnit(t *testing.T) {
	root := t.TempDir()
	unit, err := os.ReadFile("metasync.service")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"usr/lib/systemd/system/metasync.service":      string(unit),
		"usr/lib/systemd/system/network-online.target": "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/multi-user.target":     "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/sysinit.target":        "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/basic.target":          "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/shutdown.target":       "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/system.slice":          "[Unit]\nDescription=x\n",
		"usr/lib/systemd/system/-.mount":               "[Mount]\nWhat=x\nWhere=/\n",
		"usr/bin/metasync":                             "#!/bin/sh\n",
		"bin/kill":                                     "#!/bin/sh\n",
		"usr/share/doc/metasync/operations.md":         "x",
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--recursive-errors=one", "--root="+root, "metasync.service").CombinedOutput()
	if err != nil || strings.Contains(string(out), "metasync.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "--root="+root, "metasync.service").CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	match := regexp.MustCompile(`Overall exposure level for metasync.service: ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		t.Fatalf("no exposure level in\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(match[1]), 64); err != nil || level > 2 {
		t.Errorf("exposure level %s\n%s", match[1], out)
	}
}
