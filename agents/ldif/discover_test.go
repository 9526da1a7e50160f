package ldif

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/fault"
)

// summary writes down what was discovered, a line for each type, container and warning.
func summary(d *discover.Discovery) string {
	var b strings.Builder
	for i := range d.Types {
		t := &d.Types[i]
		fmt.Fprintf(&b, "%s %d %v %v:", t.Name, t.Objects, t.Configured, t.Keys)
		for _, a := range t.Attributes {
			if t.Configured && t.Use[a.Name].Objects == 0 {
				continue
			}
			fmt.Fprintf(&b, " %s %s", a.Name, a.Type)
			if a.Multi {
				b.WriteString("[]")
			}
		}
		fmt.Fprintf(&b, " describe %q\n", t.Describe)
	}
	for _, c := range d.Containers {
		fmt.Fprintf(&b, "%d %s in %s\n", c.Objects, c.Type, c.Name)
	}
	for _, w := range d.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}

const entries = `dn: ou=p,dc=x
objectClass: organizationalUnit

dn: cn=a,ou=p,dc=x
objectClass: inetOrgPerson
objectClass: top
objectClass: posixAccount
cn: a
cn;lang-de: A
age: 7
userCertificate;binary:: AAEC

dn: cn=b,ou=p,dc=x
objectClass: top
objectClass: person
objectClass: inetOrgPerson
cn: b
cn: bb
friend: cn=a,ou=p,dc=x
age: 7

dn: cn=c,dc=x
objectClass: robot
structuralObjectClass: machine
cn: c

`

func TestDiscover(t *testing.T) {
	file := agent.Path(writeFile(t, "people.ldif", entries))
	s := Settings{File: file}
	for _, tt := range []struct {
		name    string
		objects []agent.Object
		want    string
	}{
		{"nothing is described", nil, `inetOrgPerson 2 false [{auxiliary [top] true}]: age integer cn string[] cn;lang-de string friend reference userCertificate binary[] describe ["age" "cn;lang-de" "friend"]
machine 1 false [{auxiliary [robot] true}]: cn string describe ["cn"]
organizationalUnit 1 false []: describe []
1 machine in dc=x
1 organizationalUnit in dc=x
2 inetOrgPerson in ou=p,dc=x
`},
		{"one type is", []agent.Object{{Name: "unit", Settings: &ObjectSettings{Class: "organizationalUnit"}}, person}, `machine 1 false [{auxiliary [robot] true}]: cn string describe ["cn"]
person 2 true []: age integer cn string[] cn;lang-de string userCertificate binary[] describe []
unit 1 true []: describe []
1 machine in dc=x
1 unit in dc=x
2 person in ou=p,dc=x
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := s.Discover(t.Context(), agent.Env{Name: "Dir", Objects: tt.objects})
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(d); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}

	// What a log of changes lays over the file counts.
	s.Changes = agent.Path(writeFile(t, "changes.ldif", "dn: cn=c,dc=x\nchangetype: delete\n\ndn: cn=d,dc=x\nchangetype: add\nobjectClass: device\ncn: d\n\n"))
	d, err := s.Discover(t.Context(), agent.Env{Name: "Dir"})
	if err != nil || !strings.Contains(summary(d), "1 device in dc=x") || strings.Contains(summary(d), "machine") {
		t.Errorf("%v\n%s", err, summary(d))
	}
}

func TestDiscoverErrors(t *testing.T) {
	for want, s := range map[string]Settings{
		"no-start-bad-ma-configuration": {},
		"no-start-file-not-found":       {File: agent.Path(filepath.Join(t.TempDir(), "absent"))},
		"stopped-parsing-errors":        {File: agent.Path(writeFile(t, "torn", strings.TrimSuffix(entries, "\n\n")))},
	} {
		if d, err := s.Discover(t.Context(), agent.Env{Name: "Dir"}); d != nil || fault.Name(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := Settings{File: agent.Path(writeFile(t, "people.ldif", entries))}
	if _, err := s.Discover(ctx, agent.Env{Name: "Dir"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
