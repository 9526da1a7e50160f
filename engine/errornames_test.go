package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

const twoSystems = `
metaverse:
  person: {attributes: {number: string}}
agents:
  HR: {type: memory, alone: true, objects: {employee: {anchor: [id]}}}
  App: {type: memory, alone: true, objects: {user: {anchor: [id]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id}}}
  - {name: users, agent: App, object: user, metaverse: person, join: [{id: number}], outbound: {provision: true, flows: {id: number}}}
`

// TestErrorNames checks that an agent can report every error of the reference, and
// that it lands in the record and with the object as it was reported.
func TestErrorNames(t *testing.T) {
	discovery := strings.Fields(`missing-change-type invalid-change-type multi-valued-change-type need-full-object
		missing-dn dn-not-ldap-conformant invalid-dn missing-anchor-component multi-valued-anchor-component anchor-too-long
		duplicate-object missing-object-class missing-object-type unmappable-object-type parse-error read-error staging-error
		invalid-modification-type conflicting-modification-types multi-single-mismatch invalid-attribute-value
		invalid-base64-value invalid-numeric-value invalid-boolean-value reference-value-not-ldap-conformant
		invalid-reference-value unsupported-value-type`)
	export := strings.Fields(`ambiguous-update anchor-too-long cd-connectivity-error cd-error cd-existing-attribute-or-value
		cd-existing-object cd-missing-object code-page-conversion constraint-violation dn-attributes-failure duplicate-anchor
		encrypted-attributes encryption-not-enabled insufficient-columns insufficient-field-width invalid-attribute-value
		invalid-dn invalid-provisioning-attribute-value kerberos-no-logon-server kerberos-time-skew
		locking-error-needs-retry missing-anchor-component missing-provisioning-attribute modify-naming-attribute
		multi-valued-anchor-component no-export-to-this-object-type non-existent-parent partial-success
		password-policy-violation password-set-disallowed permission-issue readonly-attribute rename-to-existing-dn
		schema-violation syntax-violation type-mismatch unexpected-error unexpected-provisioning-attribute`)
	told := func(name string) *fault.Error {
		err := fault.New(name, "what the system says")
		err.Attribute = "id"
		return err
	}
	w := newWorld(t, twoSystems)
	s := &script{world: w}
	if err := s.put(w.systems["HR"], "1", nil, false); err != nil {
		t.Fatal(err)
	}
	check := func(name string, list []run.ErrorRecord) {
		t.Helper()
		if len(list) != 1 || list[0].Type != name || list[0].Detail != "what the system says" || list[0].Attribute != "id" || list[0].Anchor != "1" && list[0].DN != "1" {
			t.Errorf("%s: the record holds %+v", name, list)
		}
	}
	for _, name := range discovery {
		w.systems["HR"].FailImport("1", told(name))
		record := w.run("HR", "full-import")
		if record.Result != run.CompletedDiscoveryErrors {
			t.Errorf("%s: %s", name, record.Result)
		}
		check(name, record.Steps[0].DiscoveryErrors)
	}
	w.systems["HR"].FailImport("1", nil)
	w.run("HR", "full-import")
	w.run("HR", "full-sync")
	for _, name := range export {
		w.systems["App"].FailExport("1", told(name))
		record := w.run("App", "export")
		if record.Result != run.CompletedExportErrors {
			t.Errorf("%s: %s", name, record.Result)
		}
		check(name, record.Steps[0].ExportErrors)
		views, err := w.engine.Connectors(engine.ConnectorQuery{Agent: "App"})
		if err != nil {
			t.Fatal(err)
		}
		if len(views) != 1 || views[0].Error == nil || views[0].Error.Name != name {
			t.Errorf("%s: the object has %+v", name, views)
		}
	}
}

// TestNoConcurrency checks that two agents which take one user do not run beside
// each other, and that one of them does beside any other agent.
func TestNoConcurrency(t *testing.T) {
	for _, tt := range []struct {
		text string
		busy bool
	}{
		{twoSystems, true},
		{strings.Replace(twoSystems, "alone: true", "alone: false", 1), false},
	} {
		w := newWorld(t, tt.text)
		var other error
		ran := 0
		w.systems["HR"].OnCall(func(call agenttest.Call) {
			if call == agenttest.CallOpenImport {
				_, other = w.tryRun(t.Context(), "App", "full-import")
				ran++
			}
		})
		w.run("HR", "full-import")
		if ran != 1 || errors.Is(other, run.ErrBusy) != tt.busy || !tt.busy && other != nil {
			t.Errorf("ran %d times beside it: %v", ran, other)
		}
		w.systems["HR"].OnCall(nil)
		w.run("App", "full-import")
		w.run("HR", "full-import")
	}
}
