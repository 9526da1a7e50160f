package identity_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/identity"
)

func TestSplitAnchorInvertsJoinAnchor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[a+\\ü ]{0,4}`), 1, 4).Draw(t, "parts")
		anchor := identity.JoinAnchor(parts...)
		got, ok := identity.SplitAnchor(anchor, len(parts))
		if !ok || !slices.Equal(got, parts) {
			t.Fatalf("SplitAnchor(%q) = %q, %v; want %q", anchor, got, ok, parts)
		}
	})
}

func TestSplitAnchorRefuses(t *testing.T) {
	for _, anchor := range []string{"", "a", "a+b+c", `a\+b`, `a+b\`, `a\b+c`} {
		if parts, ok := identity.SplitAnchor(anchor, 2); ok {
			t.Errorf("SplitAnchor(%q, 2) = %q", anchor, parts)
		}
	}
}
