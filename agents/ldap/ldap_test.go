package ldap

import (
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

func TestSettings(t *testing.T) {
	right := Settings{Settings: directory.Settings{URL: "ldaps://ldap.example.org", Base: []string{"dc=example,dc=org"}}}
	object := agent.Object{Name: "person"}
	for want, change := range map[string]func(s *Settings, o *agent.Object){
		"": func(*Settings, *agent.Object) {},
		"would send names, passwords and answers in clear": func(s *Settings, _ *agent.Object) { s.URL = "ldap://ldap.example.org" },
		"is not a URL":                            func(s *Settings, _ *agent.Object) { s.URL = "ldap.example.org" },
		"bindDN and password belong together":     func(s *Settings, _ *agent.Object) { s.BindDN = "cn=x" },
		"base is missing":                         func(s *Settings, _ *agent.Object) { s.Base = nil },
		"is not a distinguished name":             func(s *Settings, _ *agent.Object) { s.Base = []string{"example.org"} },
		"overlap, so an object would be in both":  func(s *Settings, _ *agent.Object) { s.Base = append(s.Base, "OU=x, dc=Example,dc=org") },
		"connections: 65 is not between 1 and 64": func(s *Settings, _ *agent.Object) { s.Connections = 65 },
		"is not a filter":                         func(_ *Settings, o *agent.Object) { o.Settings = &ObjectSettings{Filter: "(uid=*"} },
		"the anchor is what the server gives":     func(_ *Settings, o *agent.Object) { o.Anchor = []string{"uid"} },
	} {
		s, o := right, object
		s.Base = slices.Clone(right.Base)
		change(&s, &o)
		_, err := s.Open(agent.Env{Name: "Directory", Objects: []agent.Object{o}})
		switch {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.Contains(err.Error(), want) || fault.Name(err) != "no-start-bad-ma-configuration":
			t.Errorf("%v, want %q", err, want)
		}
	}
}
