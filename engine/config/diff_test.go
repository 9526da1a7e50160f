package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
)

const diffed = `
metaverse:
  person:
    attributes: {name: string, title: {type: string}, room: {type: string, indexed: true}}
agents:
  HR: {type: csv, file: hr.csv, objects: {employee: {anchor: [id], attributes: {boss: reference}}}}
  AD: {type: csv, file: "${env:PLACE}", objects: {user: {anchor: [id]}}, thresholds: {export: {deletes: 5}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {name: name, title: {from: title}}}}
  - {name: accounts, agent: AD, object: user, metaverse: person, outbound: {scope: [{attribute: title, operator: is-not-null}], flows: {name: name}}}
`

// diff compares two configurations; those are files by path.
func diff(t *testing.T, before, after map[string]string) []config.Difference {
	t.Helper()
	found, err := config.Diff("/before/metasync.yaml", "/after/metasync.yaml", config.Options{
		Kinds:  []agent.Kind{csv.Kind},
		Getenv: func(string) (string, bool) { return "secret.csv", true },
		ReadFile: func(path string) ([]byte, error) {
			files := before
			if strings.HasPrefix(path, "/after/") {
				files = after
			}
			text, found := files[filepath.Base(path)]
			if !found {
				return nil, os.ErrNotExist
			}
			return []byte(text), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestDiff: differences are named by what they are about; forms of the same meaning,
// and files into which a configuration is cut, are no difference.
func TestDiff(t *testing.T) {
	before := map[string]string{"metasync.yaml": diffed}
	same := map[string]string{
		"metasync.yaml": `
include: [rules.yaml]
agents:
  HR: {objects: {employee: {attributes: {boss: {type: reference}}, anchor: [id]}}, file: hr.csv, type: csv}
  AD: {type: csv, file: "${env:PLACE}", objects: {user: {anchor: [id]}}, thresholds: {export: {deletes: 5}}}
metaverse:
  person:
    attributes: {name: string, title: string, room: {indexed: true, type: string}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {title: title, name: {from: name}}}}
`,
		"rules.yaml": `
rules:
  - {name: accounts, agent: AD, object: user, metaverse: person, outbound: {scope: [{operator: is-not-null, attribute: title}], flows: {name: name}}}
`,
	}
	if found := diff(t, before, same); len(found) > 0 {
		t.Errorf("other forms of the same: %+v", found)
	}
	after := map[string]string{"metasync.yaml": `
state: elsewhere
metaverse:
  person:
    attributes: {name: string, title: "string[]", phone: string}
  group:
    attributes: {name: string}
agents:
  Portal: {type: csv, file: p.csv, objects: {page: {anchor: [id]}}}
  AD: {type: csv, file: "${env:OTHER}", objects: {user: {anchor: [id, site]}}}
  HR: {type: csv, file: hr.csv, objects: {employee: {anchor: [id], attributes: {boss: reference}}}}
rules:
  - {name: accounts, agent: AD, object: user, metaverse: person, outbound: {scope: [], flows: {name: =UpperCase(name)}}}
  - {name: groups, agent: AD, object: user, metaverse: group, inbound: {flows: {name: name}}}
`}
	want := []config.Difference{
		{Section: "settings", Part: "state", Change: "added", New: "elsewhere"},
		{Section: "metaverse", Name: "person", Part: "attributes.title", Change: "changed", Old: "string", New: "string[]"},
		{Section: "metaverse", Name: "person", Part: "attributes.phone", Change: "added", New: "string"},
		{Section: "metaverse", Name: "person", Part: "attributes.room", Change: "removed", Old: "{indexed: true, type: string}"},
		{Section: "metaverse", Name: "group", Change: "added"},
		{Section: "agent", Name: "Portal", Change: "added"},
		{Section: "agent", Name: "AD", Part: "file", Change: "changed", Old: "${env:PLACE}", New: "${env:OTHER}"},
		{Section: "agent", Name: "AD", Part: "objects.user.anchor", Change: "changed", Old: "[id]", New: "[id, site]"},
		{Section: "agent", Name: "AD", Part: "thresholds.export.deletes", Change: "removed", Old: "5"},
		{Section: "agent", Part: "order", Change: "changed", Old: "HR, AD", New: "AD, HR"},
		{
			Section: "rule", Name: "accounts", Part: "outbound.scope", Change: "changed",
			Old: "[{attribute: title, operator: is-not-null}]", New: "[]",
		},
		{Section: "rule", Name: "accounts", Part: "outbound.flows.name", Change: "changed", Old: "name", New: "=UpperCase(name)"},
		{Section: "rule", Name: "groups", Change: "added"},
		{Section: "rule", Name: "people", Change: "removed"},
	}
	if text := cmp.Diff(want, diff(t, before, after)); text != "" {
		t.Errorf("-want +got\n%s", text)
	}
}
