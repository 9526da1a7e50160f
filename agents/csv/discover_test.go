package csv

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/fault"
)

// summary writes down what was discovered, a line for each type and warning.
func summary(d *discover.Discovery) string {
	var b strings.Builder
	for _, s := range d.Settings {
		fmt.Fprintf(&b, "set %s %q\n", s.Name, s.Value)
	}
	for i := range d.Types {
		t := &d.Types[i]
		fmt.Fprintf(&b, "%s %d %v anchor %q unique %q:", t.Name, t.Objects, t.Configured, t.Anchor, t.Candidates)
		for _, a := range t.Attributes {
			fmt.Fprintf(&b, " %s %s", a.Name, a.Type)
			if a.Multi {
				b.WriteString("[]")
			}
		}
		b.WriteByte('\n')
	}
	for _, w := range d.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}

func TestDiscover(t *testing.T) {
	var kinds strings.Builder
	for i := range 150 {
		fmt.Fprintf(&kinds, "k%d,%d\n", i, i)
	}
	tests := []struct {
		name, content string
		settings      Settings
		objects       []agent.Object
		want          string
	}{
		{"rows", "name,id,boss\nAda,1,\nBob,2,1\nCy,3,2\n", Settings{}, nil, `people 3 false anchor ["id"] unique ["name" "id"]: name string id string boss reference` + "\n"},
		{"an empty line between", "id,mail\n\n1,a@x\n\n2,a@x\n", Settings{}, nil, `person 2 false anchor ["id"] unique ["id"]: id string mail string` + "\n"},
		{
			"another delimiter", "id\tfirst name\n1\tAda\n2\tAda\n",
			Settings{},
			nil,
			"set delimiter \"\\\\t\"\n" + `person 2 false anchor ["id"] unique ["id"]: id string first name string` + "\n",
		},
		{
			"one column of its own", "id\n1\n2\n",
			Settings{},
			nil,
			`people 2 false anchor ["id"] unique ["id"]: id string` + "\n",
		},
		{
			"nothing that identifies rows", "a,b\n1,x\n1,x\n", Settings{}, nil, `people 2 false anchor ["a"] unique []: a string b string` + "\n" +
				`warning: no column has a value of its own in each row; the draft takes "a" for the anchor, which has to be put right` + "\n",
		},
		{
			"no rows", "id,b\n", Settings{}, nil, `people 0 false anchor ["id"] unique []: id string b string` + "\n" +
				`warning: no column has a value of its own in each row; the draft takes "id" for the anchor, which has to be put right` + "\n",
		},
		{
			"rows that cannot be read", "id,b\n1\n2,x\n\xff,x\n",
			Settings{},
			nil,
			`people 1 false anchor ["id"] unique ["id" "b"]: id string b string` + "\nwarning: 2 rows cannot be read, the first in line 2\n",
		},
		{
			"types", "t,id,of\na,1,\nb,x,1\nb,y,1|2\na,2,\n,z,\n",
			Settings{ObjectType: "t"},
			nil,
			`a 2 false anchor ["id"] unique ["id"]: id string of string` + "\n" + `b 2 false anchor ["id"] unique ["id"]: id string of reference[]` + "\nwarning: 1 row has no object type\n",
		},
		{
			"names", "dn,id\n\"cn=a,dc=x\",1\n\"cn=b,dc=x\",2\n",
			Settings{DN: "dn"},
			nil,
			`people 2 false anchor ["id"] unique ["id"]: id string` + "\n",
		},
		{
			"what is described", "id,name,age,phones,manager,more\n1,a,7,1|2,,5\n2,b,8,3,1,6\n",
			Settings{},
			[]agent.Object{person},
			`person 2 true anchor ["id"] unique ["id" "name" "age" "more"]: id string name string age integer phones string[] manager reference more string` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.settings.File = agent.Path(writeFile(t, tt.content))
			d, err := tt.settings.Discover(t.Context(), agent.Env{Name: "HR", Objects: tt.objects})
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(d); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
			if tt.content != readFile(t, string(tt.settings.File)) {
				t.Error("the file has changed")
			}
		})
	}

	s := Settings{File: agent.Path(writeFile(t, "kind,id\n"+kinds.String())), ObjectType: "kind"}
	d, err := s.Discover(t.Context(), agent.Env{Name: "HR"})
	if err != nil || len(d.Types) != maxTypes || !slices.ContainsFunc(d.Warnings, func(w string) bool { return strings.Contains(w, "it may not be that of the object type") }) {
		t.Errorf("%v, %d types, %q", err, len(d.Types), d.Warnings)
	}
}

func TestDiscoverErrors(t *testing.T) {
	absent := agent.Path(filepath.Join(t.TempDir(), "absent.csv"))
	for want, s := range map[string]Settings{
		"no-start-bad-ma-configuration": {},
		"no-start-file-not-found":       {File: absent},
		"no-start-header-row-mismatch":  {File: agent.Path(writeFile(t, "id,id\n1,2\n"))},
		"stopped-parsing-errors":        {File: agent.Path(writeFile(t, "id\n\"1\n"))},
	} {
		if d, err := s.Discover(t.Context(), agent.Env{Name: "HR"}); d != nil || fault.Name(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	s := Settings{File: absent, Columns: []string{"id", "mail"}}
	d, err := s.Discover(t.Context(), agent.Env{Name: "HR"})
	if err != nil || len(d.Types) != 1 || d.Types[0].Name != "person" || d.Types[0].Objects != 0 {
		t.Errorf("%v, %+v", err, d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s = Settings{File: agent.Path(writeFile(t, "id\n"+strings.Repeat("1\n", 2*checkInterval)))}
	if _, err := s.Discover(ctx, agent.Env{Name: "HR"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
