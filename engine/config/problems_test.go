package config_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

func TestRedact(t *testing.T) {
	for _, test := range []struct {
		secrets    []string
		text, want string
	}{
		{nil, "as it is", "as it is"},
		{[]string{""}, "as it is", "as it is"},
		{[]string{"abc"}, "xabcx abc", "x[redacted]x [redacted]"},
		{[]string{"abc", "abcdef"}, "abcdef abc", "[redacted] [redacted]"},
		{[]string{"red"}, "red is red", "[redacted] is [redacted]"},
		{[]string{"a\nb"}, "a\nb and " + strconv.Quote("a\nb"), `[redacted] and "[redacted]"`},
	} {
		if got := config.Redact(test.secrets, test.text); got != test.want {
			t.Errorf("Redact(%q, %q) = %q, want %q", test.secrets, test.text, got, test.want)
		}
	}
}

func TestRedactLeavesNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Letters that the replacement itself is not made of.
		secrets := rapid.SliceOfN(rapid.StringMatching(`[XYZ"\n]{1,6}`), 1, 4).Draw(t, "secrets")
		pieces := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(secrets), rapid.StringMatching(`[a-z ]{1,4}`))).Draw(t, "pieces")
		text := strings.Join(pieces, "-")
		got := config.Redact(secrets, text)
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Fatalf("Redact(%q, %q) = %q", secrets, text, got)
			}
		}
	})
}

func TestLoadJoinsErrors(t *testing.T) {
	_, err := loadText("stat: x\nagnts: {}\n")
	var first *fault.Error
	if !errors.As(err, &first) || first.Name != "invalid-configuration" || first.Position.Line != 1 {
		t.Errorf("errors.As finds %v", first)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 {
		t.Errorf("want a line for each of 2 errors: %q", lines)
	}
	if list := fault.All(fmt.Errorf("while loading: %w", err)); len(list) != 2 {
		t.Errorf("Errors finds %v behind another error", list)
	}
}
