package engine_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

// discoveryErrors are all discovery errors of sync-engine §2.7, and how each
// comes about: by a row of a file, by an entry of an agent, or why not with us.
var discoveryErrors = []struct {
	name    string
	row     string       // of the file, see rows
	entry   *agent.Entry // of an agent with names of its own
	ldap    bool         // its names are LDAP names
	profile run.StepType // "" is a full import
	elsehow string       // why neither
}{
	{name: "missing-change-type", elsehow: "an entry without an operation is an Add; agents that read files of changes say so by Entry.Err when the column is empty"},
	{name: "invalid-change-type", entry: &agent.Entry{Op: identity.DeleteAdd, ObjectType: "thing", DN: "2", Anchor: "2"}},
	{name: "multi-valued-change-type", elsehow: "an operation is one by its type; agents that read LDIF or files of changes say so by Entry.Err"},
	{name: "need-full-object", profile: run.DeltaImport, entry: &agent.Entry{Op: identity.Update, ObjectType: "thing", DN: "2", Anchor: "2"}},
	{name: "missing-dn", entry: &agent.Entry{ObjectType: "thing", Anchor: "2"}},
	{name: "dn-not-ldap-conformant", ldap: true, entry: &agent.Entry{ObjectType: "thing", DN: "two", Anchor: "2"}},
	{name: "invalid-dn", entry: &agent.Entry{ObjectType: "thing", DN: "\xff", Anchor: "2"}},
	{name: "missing-anchor-component", row: ",person"},
	{name: "multi-valued-anchor-component", entry: &agent.Entry{ObjectType: "thing", DN: "2", Anchor: "2", Attributes: agenttest.Attrs("id", []string{"2", "3"})}},
	{name: "anchor-too-long", row: strings.Repeat("x", 399) + ",person"},
	{name: "duplicate-object", row: "1,person"},
	{name: "missing-object-class", elsehow: "entries have object types; agents that map object classes to them, as for LDAP and LDIF, say so by Entry.Err"},
	{name: "missing-object-type", row: "2,"},
	{name: "unmappable-object-type", row: "2,robot"},
	{name: "parse-error", row: "2,person,too,many,cells,for,this,header"},
	{name: "read-error", entry: &agent.Entry{ObjectType: "thing", DN: "2", Anchor: "2", Err: fault.New("", "the agent does not say what")}},
	{name: "staging-error", elsehow: "what the store cannot take is a name or key too long, and has a name of its own; a store that fails stops the step"},
	{name: "invalid-modification-type", profile: run.DeltaImport, entry: &agent.Entry{
		Op: identity.Update, ObjectType: "thing", Anchor: "1", Changes: []identity.Change{{Name: "name", Op: identity.Obsolete}},
	}},
	{name: "conflicting-modification-types", profile: run.DeltaImport, entry: &agent.Entry{
		Op: identity.Update, ObjectType: "thing", Anchor: "1", Changes: []identity.Change{
			{Name: "name", Op: identity.Delete}, {Name: "name", Op: identity.Replace, Values: []identity.Value{identity.String("x")}},
		},
	}},
	{name: "multi-single-mismatch", profile: run.DeltaImport, entry: &agent.Entry{
		Op: identity.Update, ObjectType: "thing", Anchor: "1", Changes: []identity.Change{{Name: "name", Op: identity.Update, Values: []identity.Value{identity.String("second")}}},
	}},
	{name: "invalid-attribute-value", entry: &agent.Entry{ObjectType: "thing", DN: "2", Anchor: "2", Attributes: agenttest.Attrs("name", 5)}},
	{name: "invalid-base64-value", row: "2,person,,,§"},
	{name: "invalid-numeric-value", row: "2,person,seven"},
	{name: "invalid-boolean-value", row: "2,person,,perhaps"},
	{name: "reference-value-not-ldap-conformant", ldap: true, entry: &agent.Entry{
		ObjectType: "thing", DN: "CN=2", Anchor: "2", Attributes: agenttest.Attrs("peer", identity.Reference("one")),
	}},
	{name: "invalid-reference-value", entry: &agent.Entry{ObjectType: "thing", DN: "2", Anchor: "2", Attributes: agenttest.Attrs("peer", identity.Reference(""))}},
	{name: "unsupported-value-type", elsehow: "no agent can make a value of a type that does not exist; package guard tests a forged one"},
}

const discoveryWorld = `
metaverse: {person: {attributes: {name: string}}}
agents:
  File:
    type: csv
    file: %s
    objectType: type
    objects: {person: {anchor: [id], attributes: {age: integer, active: boolean, key: binary}}}
  System:
    type: memory
    names: %s
    delta: true
    objects: {thing: {anchor: [id], strings: [name], attributes: {peer: reference}}}
rules: []
`

// TestDiscoveryErrors provokes them. The error stays with its object, the one
// beside it is staged, and nothing is concluded from what the import did not show.
func TestDiscoveryErrors(t *testing.T) {
	const names = `missing-change-type invalid-change-type multi-valued-change-type need-full-object missing-dn
		dn-not-ldap-conformant invalid-dn missing-anchor-component multi-valued-anchor-component anchor-too-long
		duplicate-object missing-object-class missing-object-type unmappable-object-type parse-error read-error
		staging-error invalid-modification-type conflicting-modification-types multi-single-mismatch
		invalid-attribute-value invalid-base64-value invalid-numeric-value invalid-boolean-value
		reference-value-not-ldap-conformant invalid-reference-value unsupported-value-type`
	var listed []string
	for _, tt := range discoveryErrors {
		listed = append(listed, tt.name)
		if tt.elsehow != "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "people.csv")
			write := func(rows ...string) {
				for i := range rows {
					if n := strings.Count(rows[i], ","); n < 4 {
						rows[i] += strings.Repeat(",", 4-n)
					}
				}
				if err := os.WriteFile(path, []byte("id,type,age,active,key\n"+strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("1,person", "gone,person")
			style, prefix := "own", ""
			if tt.ldap {
				style, prefix = "ldap", "CN="
			}
			w := newWorld(t, fmt.Sprintf(discoveryWorld, path, style))
			w.edit("System", prefix+"1", "thing", "id=1", "name=first")
			w.edit("System", prefix+"gone", "thing", "id=gone")
			agentName := "File"
			if tt.entry != nil {
				agentName = "System"
			}
			if r := w.run(agentName, "full-import"); r.Result != run.Success {
				t.Fatal(showRecord(r))
			}
			if tt.entry != nil {
				h := &agenttest.Hostile{Directory: w.systems["System"].Directory, Fills: func(n int, page *agent.Page) error {
					if n > 1 {
						return io.EOF
					}
					*page.Add() = *tt.entry
					*page.Add() = agent.Entry{ObjectType: "thing", DN: prefix + "beside", Anchor: "beside"}
					return nil
				}}
				w.instead["System"] = h
				w.open()
			} else {
				write("1,person", tt.row, "beside,person")
			}
			profile := string(tt.profile)
			if profile == "" {
				profile = "full-import"
			}
			r := w.run(agentName, profile)
			step := r.Steps[0]
			if step.Result != run.CompletedDiscoveryErrors || len(step.DiscoveryErrors) != 1 || step.DiscoveryErrors[0].Type != tt.name {
				t.Fatalf("want one %s:\n%s", tt.name, showRecord(r))
			}
			if step.DiscoveryErrors[0].Line == 0 && tt.row != "" || step.DiscoveryErrors[0].Detail == "" {
				t.Errorf("the error does not say where or what: %+v", step.DiscoveryErrors[0])
			}
			if step.Staging["stage-add"] != 1 || step.Staging["stage-delete"] != 0 {
				t.Errorf("the object beside it was not staged, or one was taken for gone:\n%s", showRecord(r))
			}
			w.check()
		})
	}
	slices.Sort(listed)
	want := strings.Fields(names)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("the table lists\n%v\nwant\n%v", listed, want)
	}
}
