package config_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestErrors(t *testing.T) {
	at := func(file string, line, column int) *fault.Error {
		return &fault.Error{Name: "x", Position: fault.Position{File: file, Line: line, Column: column}}
	}
	a, b, c := at("a", 2, 1), at("a", 10, 1), at("b", 1, 1)
	plain := errors.New("plain")
	got := config.Errors(fmt.Errorf("outer: %w", errors.Join(c, errors.Join(b, a), plain)))
	var lines []string
	for _, e := range got {
		lines = append(lines, e.Error())
	}
	want := []string{"invalid-configuration: plain", "a:2:1: x", "a:10:1: x", "b:1:1: x"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := config.Errors(nil); list != nil {
		t.Errorf("Errors(nil) = %v", list)
	}
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
	if list := config.Errors(fmt.Errorf("while loading: %w", err)); len(list) != 2 {
		t.Errorf("Errors finds %v behind another error", list)
	}
}
