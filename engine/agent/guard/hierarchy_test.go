package guard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
)

// lister answers whatever it is told to.
type lister struct {
	*agenttest.Directory
	answer []agent.Container
}

func (l lister) Hierarchy(context.Context, string) ([]agent.Container, error) { return l.answer, nil }

func TestHierarchy(t *testing.T) {
	directory := agenttest.NewDirectory(things, agent.Capabilities{LDAPNames: true})
	for _, tt := range []struct {
		what   string
		answer []agent.Container
		want   string
	}{
		{"right below", []agent.Container{{DN: "OU=a,DC=corp"}, {DN: "OU=b, dc=CORP"}}, ""},
		{"none", nil, ""},
		{"no name", []agent.Container{{}}, "stopped-ma"},
		{"no LDAP name", []agent.Container{{DN: "a"}}, "stopped-ma"},
		{"twice", []agent.Container{{DN: "OU=a,DC=corp"}, {DN: "ou=A,DC=corp"}}, "stopped-ma"},
		{"itself, for ever", []agent.Container{{DN: "DC=corp"}}, "stopped-ma"},
		{"further below", []agent.Container{{DN: "OU=a,OU=b,DC=corp"}}, "stopped-ma"},
	} {
		kept := new(guard.Keeper).Wrap("AD", lister{directory, tt.answer})
		got, err := kept.(agent.Hierarchical).Hierarchy(t.Context(), "DC=corp")
		if fault.Name(err) != tt.want || err == nil && len(got) != len(tt.answer) {
			t.Errorf("%s: %v, %v", tt.what, got, err)
		}
	}
	unable := new(guard.Keeper).Wrap("AD", struct{ agent.Agent }{directory})
	if _, err := unable.(agent.Hierarchical).Hierarchy(t.Context(), ""); !errors.Is(err, agent.ErrNoHierarchy) {
		t.Errorf("an agent that cannot: %v", err)
	}
}
