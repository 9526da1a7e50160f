package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/identity"
)

// expected returns the blocks of output in README.md.
func expected(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(match[1]))
	}
	return blocks
}

func TestOutput(t *testing.T) {
	want := expected(t)
	if len(want) != 2 {
		t.Fatalf("README.md shows %d outputs", len(want))
	}
	folder := t.TempDir()
	for _, tt := range []struct{ name, folder, want string }{
		{"in memory", "", want[0]},
		{"with files", folder, want[0]},
		{"with the same files", folder, want[1]},
	} {
		var out strings.Builder
		if err := embed(t.Context(), &out, tt.folder); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(strings.TrimSpace(tt.want), strings.TrimSpace(out.String())); diff != "" {
			t.Errorf("%s: -README.md +program\n%s", tt.name, diff)
		}
	}
}

// TestAccounts holds the system to the contract of package agent, as every
// implementation of it should be.
func TestAccounts(t *testing.T) {
	logins := []string{"", "one", "two", "three"}
	login := func(n int) string {
		if n < len(logins) {
			return logins[n]
		}
		return "more" + strings.Repeat("e", n)
	}
	agenttest.Run(t, agenttest.Subject{
		Agent: func(*testing.T) agent.Agent { return &Accounts{byLogin: map[string]Account{}} },
		Type:  "account",
		DN:    login,
		Attributes: func(n int) identity.Attributes {
			return agenttest.Attrs("login", login(n), "number", strings.Repeat("7", n), "name", "Somebody")
		},
		Text:      "name",
		Reference: "manager",
		NoRename:  true,
	})
}
