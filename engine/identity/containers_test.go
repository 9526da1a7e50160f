package identity

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestContainers(t *testing.T) {
	c, err := NewContainers(
		[]string{"OU=Staff,DC=corp", "ou=kept,ou=Left,OU=staff,DC=corp"},
		[]string{"OU=Left,OU=Staff,DC=corp"},
	)
	if err != nil {
		t.Fatal(err)
	}
	excluding, err := NewContainers(nil, []string{"OU=Test,DC=corp"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		of      string
		c       Containers
		dn      string
		holds   bool
		reaches bool
	}{
		{"staff", c, "OU=Staff,DC=corp", true, true},
		{"staff", c, "CN=Ann, ou=STAFF, dc=corp", true, true},
		{"staff", c, "CN=Ann,OU=Left,OU=Staff,DC=corp", false, false},
		{"staff", c, "OU=Left,OU=Staff,DC=corp", false, true},
		{"staff", c, "CN=Ann,OU=Kept,OU=Left,OU=Staff,DC=corp", true, true},
		{"staff", c, "DC=corp", false, true},
		{"staff", c, "OU=Staffing,DC=corp", false, false},
		{"staff", c, "OU=Staff,DC=corporation", false, false},
		{"staff", c, `CN=Ann\,OU=Staff,DC=corp`, false, false},
		{"staff", c, "not a name", true, true},
		{"staff", c, "", false, true},
		{"all but tests", excluding, "DC=corp", true, true},
		{"all but tests", excluding, "CN=Ann,OU=Test,DC=corp", false, false},
		{"everything", Containers{}, "not a name", true, true},
	}
	for _, tt := range tests {
		if got := tt.c.Holds(tt.dn); got != tt.holds {
			t.Errorf("%s holds %q: %t", tt.of, tt.dn, got)
		}
		if got := tt.c.Reaches(tt.dn); got != tt.reaches {
			t.Errorf("%s reaches %q: %t", tt.of, tt.dn, got)
		}
	}
}

func TestContainersErrors(t *testing.T) {
	for _, tt := range []struct {
		include, exclude []string
		want             string
	}{
		{[]string{"staff"}, nil, "dn-not-ldap-conformant"},
		{nil, []string{""}, "no name of a container"},
		{[]string{"OU=a"}, []string{"ou=A"}, "both included and excluded"},
	} {
		if _, err := NewContainers(tt.include, tt.exclude); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q, %q: %v, want %q", tt.include, tt.exclude, err, tt.want)
		}
	}
}

// TestContainersFingerprint checks that only what counts is in the fingerprint.
func TestContainersFingerprint(t *testing.T) {
	of := func(include, exclude []string) string {
		t.Helper()
		c, err := NewContainers(include, exclude)
		if err != nil {
			t.Fatal(err)
		}
		return c.Fingerprint()
	}
	if of(nil, nil) != "" {
		t.Error("everything has a fingerprint")
	}
	if of([]string{"OU=a", "OU=b"}, nil) != of([]string{"ou=B", "ou=A", "OU=b"}, nil) {
		t.Error("order and case count")
	}
	if of([]string{"OU=a"}, nil) == of(nil, []string{"OU=a"}) {
		t.Error("in and out are the same")
	}
}

// TestContainersLaw compares with a search for the longest entry.
func TestContainersLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"OU=a", "OU=b"}), 1, 4).Draw(t, "parts"), ",")
		})
		in := map[string]bool{}
		var include, exclude []string
		for _, dn := range rapid.SliceOfDistinct(name, func(s string) string { return s }).Draw(t, "entries") {
			if in[dn] = rapid.Bool().Draw(t, "in"); in[dn] {
				include = append(include, dn)
			} else {
				exclude = append(exclude, dn)
			}
		}
		c, err := NewContainers(include, exclude)
		if err != nil {
			t.Fatal(err)
		}
		dn := name.Draw(t, "name")
		want := len(include) == 0
		for above := dn; ; {
			if entry, found := in[above]; found {
				want = entry
				break
			}
			_, rest, more := strings.Cut(above, ",")
			if !more {
				break
			}
			above = rest
		}
		if got := c.Holds(dn); got != want {
			t.Fatalf("%q in %q, not %q: %t", dn, include, exclude, got)
		}
	})
}
