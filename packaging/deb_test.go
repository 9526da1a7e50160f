//go:build deb

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// command runs a program in the folder of the repository and returns what it prints.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestDeb builds the packages, looks into that of Debian, installs it into a folder,
// and has the binary in it check the configuration in it.
func TestDeb(t *testing.T) {
	folder := t.TempDir()
	command(t, nil, "make", "--no-print-directory", "package", "PACKAGES="+folder, "PACKAGE_VERSION=1.2.3")
	packages, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(packages) != 2 {
		t.Fatalf("packages: %v, %v", packages, err)
	}
	deb := packages[slices.IndexFunc(packages, func(name string) bool { return filepath.Ext(name) == ".deb" })]
	if name := filepath.Base(deb); !regexp.MustCompile(`^metasync_1\.2\.3-1_[a-z0-9]+\.deb$`).MatchString(name) {
		t.Errorf("the package is %s", name)
	}

	t.Run("control", func(t *testing.T) {
		fields := command(t, nil, "dpkg-deb", "--field", deb, "Package", "Version", "Section", "Depends", "Recommends", "Maintainer")
		want := "Package: metasync\nVersion: 1.2.3-1\nSection: admin\nRecommends: ca-certificates, systemd\nMaintainer: metasync maintainers <maintainers@metasync.invalid>\n"
		if diff := cmp.Diff(sorted(want), sorted(fields)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		control := t.TempDir()
		command(t, nil, "dpkg-deb", "--control", deb, control)
		conffiles, err := os.ReadFile(filepath.Join(control, "conffiles"))
		if err != nil {
			t.Fatal(err)
		}
		files := "/etc/metasync/data/hr.csv\n/etc/metasync/metasync.yaml\n/etc/metasync/scripts/names.js\n"
		if diff := cmp.Diff(sorted(files), sorted(string(conffiles))); diff != "" {
			t.Errorf("conffiles (-want +got):\n%s", diff)
		}
		for _, name := range []string{"postinst", "prerm", "postrm"} {
			command(t, nil, "sh", "-n", filepath.Join(control, name))
		}
	})

	t.Run("contents", func(t *testing.T) {
		contents := command(t, nil, "dpkg-deb", "--contents", deb)
		for _, line := range []string{
			`-rwxr-xr-x root/root .* \./usr/bin/metasync`,
			`drwxr-x--- root/root .* \./etc/metasync/`,
			`-rw-r--r-- root/root .* \./etc/metasync/metasync\.yaml`,
			`-rw-r--r-- root/root .* \./usr/lib/systemd/system/metasync\.service`,
			`-rw-r--r-- root/root .* \./usr/lib/sysusers\.d/metasync\.conf`,
			`-rw-r--r-- root/root .* \./usr/lib/tmpfiles\.d/metasync\.conf`,
			`-rw-r--r-- root/root .* \./usr/share/doc/metasync/operations\.md`,
			`-rw-r--r-- root/root .* \./usr/share/metasync/scripts/account-names\.js`,
		} {
			if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(contents) {
				t.Errorf("nothing matches %s in\n%s", line, contents)
			}
		}
	})

	// dpkg unpacks and configures it: conffiles are in its database. The scripts of the
	// package would change the machine, and do so in a real installation only.
	t.Run("installed", func(t *testing.T) {
		root, admin := t.TempDir(), t.TempDir()
		for _, name := range []string{"info", "updates", "triggers"} {
			if err := os.Mkdir(filepath.Join(admin, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"status", "available"} {
			if err := os.WriteFile(filepath.Join(admin, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dpkg := []string{"--instdir=" + root, "--admindir=" + admin, "--force-not-root", "--force-script-chrootless", "--log=" + filepath.Join(admin, "log")}
		command(t, nil, "dpkg", append(dpkg, "--unpack", deb)...)
		status := command(t, nil, "dpkg-query", "--admindir="+admin, "--show", "--showformat=${Status}|${Conffiles}", "metasync")
		if !strings.HasPrefix(status, "install ok unpacked|") || strings.Count(status, "/etc/metasync/") != 3 {
			t.Errorf("status: %s", status)
		}
		// An administrator's changes stay when the package is unpacked again.
		binary := filepath.Join(root, "usr", "bin", "metasync")
		if version := command(t, nil, binary, "version"); !strings.Contains(version, "1.2.3") {
			t.Errorf("version: %s", version)
		}
		etc := filepath.Join(root, "etc", "metasync")
		configuration := filepath.Join(etc, "metasync.yaml.dpkg-new") // so until it is configured
		text, err := os.ReadFile(configuration)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"\nstate: /var/lib/metasync/state ", "\n    file: /var/lib/metasync/accounts.csv "} {
			if !strings.Contains(string(text), line) {
				t.Errorf("the configuration does not say %q", line)
			}
		}
		for _, name := range []string{"metasync.yaml", "data/hr.csv", "scripts/names.js"} {
			if err := os.Rename(filepath.Join(etc, name+".dpkg-new"), filepath.Join(etc, name)); err != nil {
				t.Fatal(err)
			}
		}
		command(t, nil, binary, "validate", "-c", filepath.Join(etc, "metasync.yaml"))
	})
}

// sorted returns the lines of a text in their order.
func sorted(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return lines
}
