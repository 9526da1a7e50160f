package config_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/internal/hostlist"
)

func in(name string) string { return filepath.Join(folder, filepath.FromSlash(name)) }

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "valid", file))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(in("metasync.yaml"), options(archive))
	if err != nil {
		t.Fatal(errorLines(err))
	}
	return c
}

// same compares configurations without the places of their parts, which have
// tests of their own.
func same(t *testing.T, want, got any) {
	t.Helper()
	diff := cmp.Diff(want, got,
		cmpopts.IgnoreTypes(fault.Position{}, &expr.Marks{}), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(autosync.TriggerSpec{}, "Check"), cmpopts.IgnoreFields(config.Agent{}, "Fingerprint"),
		cmp.Comparer(func(a, b *agent.Kind) bool { return a.Name == b.Name }),
		cmp.Comparer(func(a, b hostlist.Entry) bool { return a == b }),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
		cmp.AllowUnexported(ldapSettings{}))
	if diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestModel(t *testing.T) {
	str := identity.TypeString
	want := rules.Model{
		Dialect: "fim", Precedence: rules.ByAgent, Provisioning: rules.ByBoth,
		Types: []rules.MetaverseType{{
			Name: "person",
			Attributes: []rules.MetaverseAttribute{
				{Name: "employeeID", Type: str, Indexed: true},
				{Name: "accountName", Type: str, Precedence: rules.Precedence{Mode: rules.Ranked, Agents: []string{"HR", "AD"}}},
				{Name: "displayName", Type: str},
				{Name: "phones", Type: str, Multi: true},
				{Name: "manager", Type: identity.TypeReference},
				{Name: "title", Type: str},
				{Name: "mail", Type: str, Precedence: rules.Precedence{Mode: rules.Equal}},
				{Name: "country", Type: str, Precedence: rules.Precedence{Mode: rules.Manual}},
				{Name: "initials", Type: str},
				{Name: "employeeType", Type: str},
			},
			Delete: rules.DeletionRule{When: rules.LastConnector},
		}},
		Agents: []rules.Agent{
			{
				Name: "HR", Deprovision: rules.Disconnect, Orphans: rules.KeepLineage, MaxConnectors: 1,
				Filter: map[string]rules.Scope{"employee": {{{Attribute: "status", Operator: "equal", Value: "test"}}}},
			},
			{Name: "AD", Deprovision: rules.Disconnect, DeprovisionByDefault: true, Orphans: rules.KeepLineage, MaxConnectors: 1},
		},
		Rules: []rules.Rule{
			{
				Name: "HR people", Agent: "HR", Object: "employee", Metaverse: "person", Precedence: 100,
				Join: []rules.JoinCriterion{{Pairs: []rules.JoinPair{{Connector: "id", Metaverse: "employeeID"}}}},
				Inbound: &rules.Inbound{
					Scope:   rules.Scope{{{Attribute: "employeeType", Operator: "not-equal", Value: "Robot"}}},
					Project: true,
					Flows: []rules.Flow{
						{Target: "employeeID", Source: rules.Source{Attribute: "id"}},
						{Target: "displayName", Source: rules.Source{Expression: `givenName + " " + sn`}},
						{Target: "accountName", Source: rules.Source{Expression: `LowerCase(Left(givenName, 1) + sn)`}},
						{Target: "initials", Source: rules.Source{Expression: `initials(givenName, sn)`}},
						{Target: "manager", Source: rules.Source{Attribute: "managerId"}},
						{Target: "country", Source: rules.Source{Constant: true, Value: "DE"}, Merge: rules.Update},
					},
				},
			},
			{
				Name: "AD accounts", Agent: "AD", Object: "user", Metaverse: "person", Precedence: 10, DependsOn: "HR people",
				Join: []rules.JoinCriterion{{Pairs: []rules.JoinPair{{Connector: "employeeID", Metaverse: "employeeID"}}}},
				Outbound: &rules.Outbound{
					Scope:     rules.Scope{{{Attribute: "employeeType", Operator: "equal", Value: "Contractor"}}},
					Provision: true, Deprovision: true, Parameters: []string{"initialPassword"},
					Flows: []rules.Flow{
						{Target: "dn", Source: rules.Source{Expression: `"CN=" + EscapeDNComponent(displayName) + ",OU=Staff,DC=corp,DC=example"`}},
						{Target: "sAMAccountName", Source: rules.Source{Attribute: "accountName"}},
						{Target: "unicodePwd", Source: rules.Source{Expression: "$initialPassword"}, Initial: true},
						{Target: "description", Source: rules.Source{Attribute: "title"}, AllowNull: true},
						{Target: "mail", Source: rules.Source{Attribute: "mail"}, ExistenceTest: true},
					},
				},
			},
		},
	}
	same(t, want, load(t, "people.txtar").Model)
}

func TestAgents(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	standard := run.DefaultProfiles()
	adjusted := append(slices.Clone(standard[:5]),
		run.Profile{Name: "export", Steps: []run.Step{{Type: run.Export}, {Type: run.DeltaImport}}},
		run.Profile{Name: "both", Steps: []run.Step{{Type: run.FullImport}, {Type: run.FullSync}}})
	adjusted = append(adjusted,
		run.Profile{Name: "careful", Steps: []run.Step{
			{
				Type: run.FullImport, Partition: "north", Page: 100, TimeLimit: 90 * time.Minute, Objects: 500,
				Deletes: run.Limit{Percent: 5, IsSet: true}, Errors: run.Limit{Count: 10, IsSet: true},
				Audit: in("log/import.jsonl"),
			},
			{Type: run.FullSync, Batch: 10},
			{Type: run.Export, Batch: 20, Full: true, Deletes: run.Limit{IsSet: true}, Drop: in("out/export.jsonl")},
			{Type: run.FullSync, JoinAll: true},
		}},
		run.Profile{Name: "later", Steps: []run.Step{{Type: run.FullImportDeltaSync, Resume: "/in/import.jsonl", SyncUnchanged: true}}})
	no := false
	want := []config.Agent{
		{
			Name: "HR", Kind: &agent.Kind{Name: "csv"}, Strict: true,
			Settings: &csvSettings{
				File: agent.Path(in("data/hr.csv")), Columns: []string{"id", "mail"}, Connections: 4, Ratio: 0.5,
				Timeout: 90 * time.Second, Header: &no, TLS: tlsSettings{CA: agent.Path(in("certs/ca.pem"))},
				Extra: map[string]string{"a": "x", "b": "y"}, Speed: "fast",
			},
			Objects: []agent.Object{
				{
					Name: "employee", Anchor: []string{"id", "branch"},
					Attributes: []agent.Attribute{
						{Name: "mail", Type: identity.TypeString, Multi: true, Separator: ";", Confirm: identity.IgnoreCase},
						{Name: "born", Type: identity.TypeDateTime},
					},
					Settings: &csvObject{Table: "employees", Multi: map[string]multi{"phones": {Table: "phones", Key: "employee_id"}}},
				},
				{Name: "robot", Settings: &csvObject{}},
			},
			Profiles: adjusted,
			Thresholds: run.Thresholds{
				ImportDeletes: run.Limit{Percent: 10, IsSet: true},
				ImportObjects: 100000,
				ImportErrors:  run.Limit{Count: 100, IsSet: true},
				ExportDeletes: run.Limit{Percent: 100, IsSet: true},
				ExportErrors:  run.Limit{IsSet: true},

				SuppressDeletesOnly: true,
				Limits: run.Limits{
					{Step: hold.Import, Kind: hold.Adds}:           {Percent: 5, AtLeast: 20, IsSet: true},
					{Step: hold.Import, Kind: hold.Updates}:        run.AtMost(1000),
					{Step: hold.Import, Kind: hold.Renames}:        run.AtMost(10),
					{Step: hold.Import, Kind: hold.Changes}:        run.AtMostPercent(50),
					{Step: hold.Sync, Kind: hold.Deletes}:          run.AtMost(20),
					{Step: hold.Sync, Kind: hold.Disconnects}:      run.AtMost(40),
					{Step: hold.Export, Kind: hold.Adds}:           run.AtMost(100),
					{Step: hold.Export, Kind: hold.Updates}:        run.AtMost(1000),
					{Step: hold.Export, Kind: hold.Renames}:        run.AtMost(10),
					{Step: hold.Export, Kind: hold.Changes}:        run.AtMost(2000),
					{Step: hold.Export, Kind: hold.MemberRemovals}: run.AtMost(500),
				},
				Window: run.Window{Length: 12 * time.Hour, Limits: run.Limits{
					{Step: hold.Import, Kind: hold.Deletes}:        run.AtMost(100),
					{Step: hold.Sync, Kind: hold.Deletes}:          run.AtMost(30),
					{Step: hold.Sync, Kind: hold.Disconnects}:      run.AtMost(60),
					{Step: hold.Export, Kind: hold.Deletes}:        run.AtMost(1000),
					{Step: hold.Export, Kind: hold.MemberRemovals}: run.AtMost(2000),
				}},
			},
			Import: config.Import{Every: 15 * time.Minute},
			Triggers: []autosync.TriggerSpec{
				{Name: "night", Agent: "HR", Run: asking("full-import"), Cron: "0 2 * * *", TimeZone: berlin},
				{Name: "HR cron @daily", Agent: "HR", Run: asking("both"), Cron: "@daily"},
				{Name: "HR watch data/*.csv", Agent: "HR", Run: asking("delta-import"), Watch: in("data/*.csv"), Settle: 10 * time.Second},
				{Name: "HR every 1h30m", Agent: "HR", Run: asking("export"), Every: 90 * time.Minute},
				{
					Name: "HR schedule 2026-01-31T02:00", Agent: "HR",
					Run: []autosync.Request{
						{Profile: "both"},
						{Profile: "careful", Partition: "south"},
						{Agent: "AD", Profile: "delta-import", Exclusive: true, Immediate: true},
					},
					Partition: "north", Exclusive: true, Immediate: true,
					Schedule: &autosync.Period{Start: time.Date(2026, 1, 31, 2, 0, 0, 0, berlin), Every: 7 * 24 * time.Hour},
					TimeZone: berlin, MinInterval: 5 * time.Minute, Jitter: 30 * time.Second, SkipMissed: true,
					During:      []calendar.Window{{Cron: "0 8 * * 1-5", For: 9 * time.Hour}},
					Exclusions:  []calendar.Window{{Cron: "0 12 * * *", For: time.Hour}},
					DropOutside: true, TerminateOnError: true, Disabled: true,
				},
				{
					Name: "HR webhook hr.changed", Agent: "HR", Run: asking("delta-import"),
					Webhook: &autosync.Webhook{Name: "hr.changed", Token: "s3cret", PerMinute: 10},
				},
				{Name: "HR changes", Agent: "HR", Run: asking("delta-import"), Changes: true},
				{
					Name: "HR sql payroll", Agent: "HR", Run: asking("delta-import"),
					SQL: &autosync.SQLWatch{Connection: "payroll", Query: "select 1 as n", Listen: "staff", Every: 5 * time.Minute},
				},
				{Name: "HR after AD", Agent: "HR", Run: asking("export"), After: &autosync.After{Agent: "AD", Result: "success"}},
				{
					Name: "retried", Agent: "HR", Run: []autosync.Request{{Agent: "AD", Profile: "delta-import"}},
					After: &autosync.After{Agent: "AD", Run: "export", Result: "failed"},
				},
			},
		},
		{
			Name: "AD", Kind: &agent.Kind{Name: "ldap"}, Settings: &ldapSettings{server{URL: "ldap://localhost"}},
			Profiles:   standard,
			Thresholds: run.Thresholds{ExportDeletes: run.Limit{Count: 500, IsSet: true}},
			Export:     true,
		},
	}
	got := load(t, "every-key.txtar")
	same(t, want, got.Agents)
	staff, err := identity.NewContainers([]string{"OU=Staff,DC=corp"}, []string{"OU=Left,OU=Staff,DC=corp"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, []rules.Agent{
		{
			Name: "HR", Deprovision: rules.DeprovisionScript, NoRecall: true, RequireParent: true, Orphans: rules.LowestLineage,
			ProjectOnAmbiguous: true, MaxConnectors: 2, Containers: staff, ImportView: rules.ExportedView,
			Filter: map[string]rules.Scope{"employee": {
				{{Attribute: "status", Operator: "equal", Value: "test"}, {Attribute: "level", Operator: "less-than", Value: "3"}},
				{{Attribute: "left", Operator: "is-not-null"}},
			}},
		},
		{Name: "AD", Deprovision: rules.ExplicitDisconnect, Orphans: rules.KeepLineage, MaxConnectors: 1},
	}, got.Model.Agents)
}

func TestNotify(t *testing.T) {
	same(t, notify.Settings{
		Mail: &notify.Mail{
			Server: "smtp.example.org:2525", TLS: notify.StartTLS, CA: []byte(certificate), Username: "sync",
			OAuth: &notify.OAuth{
				TokenURL: "https://login.example.org/token", ClientID: "metasync", ClientSecret: "s3cret", RefreshToken: "let-monitoring-in",
				Scopes: []string{"https://outlook.office365.com/.default"}, CA: []byte(certificate),
			},
			From: "metasync <metasync@example.org>", To: []string{"idm@example.org", "Ada <ada@example.org>"},
		},
		Webhooks: []notify.Webhook{
			{URL: "https://chat.example.org/hook", Secret: "hunter2", CA: []byte(certificate)},
			{URL: "http://localhost:8080/"},
		},
		Policy: notify.Policy{
			Ignore: []string{"success", "completed-warnings"}, MaxErrors: 5, Repeat: 12 * time.Hour, Digest: 5 * time.Minute, All: true,
		},
		Routes: map[string][]string{"HR": {"hr@example.org"}},
	}, load(t, "every-key.txtar").Notify)
	same(t, notify.Settings{Policy: notify.DefaultPolicy()}, load(t, "people.txtar").Notify)
	c, err := loadText(`
agents: {A: {type: csv, file: a.csv}}
notify: {mail: {server: localhost, tls: none, from: a@example.org, to: [b@example.org]}}
`)
	if err != nil {
		t.Fatal(errorLines(err))
	}
	same(t, notify.Settings{
		Mail:   &notify.Mail{Server: "localhost", TLS: notify.NoTLS, From: "a@example.org", To: []string{"b@example.org"}},
		Policy: notify.DefaultPolicy(),
	}, c.Notify)
}

func asking(profile string) []autosync.Request { return []autosync.Request{{Profile: profile}} }

func TestOtherParts(t *testing.T) {
	got := load(t, "every-key.txtar")
	if got.Model.Dialect != "entra" {
		t.Errorf("dialect %q", got.Model.Dialect)
	}
	var deletions []rules.DeletionRule
	for _, typ := range got.Model.Types {
		deletions = append(deletions, typ.Delete)
	}
	same(t, []rules.DeletionRule{
		{When: rules.LastConnector, Ignore: []string{"AD"}},
		{When: rules.AnyOf, Agents: []string{"HR", "AD"}},
		{Script: true},
		{},
	}, deletions)
	inbound := got.Model.Rules[0].Inbound
	same(t, rules.Scope{
		{{Attribute: "dept", Operator: "STARTSWITH", Value: "R"}},
		{{Attribute: "dept", Operator: "is-null"}, {Attribute: "flags", Operator: "is-bit-set", Value: "2"}},
	}, inbound.Scope)
	same(t, []rules.Source{
		{Attribute: "id"},
		{Expression: "Lower(mail)"},
		{Constant: true, Value: "7"},
		{Constant: true, Value: "true"},
		{Script: "born"},
		{Attribute: "picture"},
		{DNPart: 2},
	}, sources(inbound.Flows))
	outbound := got.Model.Rules[1].Outbound
	if !outbound.ByPolicy || len(outbound.Scope) != 0 {
		t.Errorf("outbound: %+v", outbound)
	}
	same(t, &rules.Inbound{Sticky: true}, got.Model.Rules[2].Inbound)
	same(t, &rules.Outbound{}, got.Model.Rules[2].Outbound)
	same(t, &rules.Inbound{}, got.Model.Rules[3].Inbound)
	first := got.Model.Rules[0]
	same(t, rules.Rule{ID: "4a11c1", Description: "People as HR knows them", Tag: "core"},
		rules.Rule{ID: first.ID, Description: first.Description, Tag: first.Tag, Disabled: first.Disabled})
	if last := inbound.Flows[len(inbound.Flows)-1]; last.Merge != rules.MergeCaseInsensitive {
		t.Errorf("merge type %q", last.Merge)
	}
	hosts, err := hostlist.ParseAll([]string{"api.example.org", "*.corp.example:8443", "10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Scripting{
		Timeout: 2 * time.Second, Workers: 4, Memory: 2 << 30,
		Allow: config.Allow{
			HTTP: config.Hosts{List: hosts}, Read: []agent.Path{agent.Path(in("data"))}, Write: []agent.Path{agent.Path(in("out"))},
		},
		Guard:   config.Guard{Off: true, Deletes: 3, Sample: 200, Timeout: 10 * time.Second},
		Secrets: config.Secrets{"badges": "s3cret"},
		SQL: config.Databases{
			{Name: "payroll", Driver: "postgres", DSN: "postgres://sync:s3cret@db.corp.example/payroll"},
			{Name: "badges", Driver: "sqlite", DSN: "data/badges.db", Write: true},
		},
		LDAP: config.Directories{
			{Name: "corp", URL: "ldap://ldap.corp.example", CA: in("certs/ca.pem"), StartTLS: true, BindDN: "cn=sync,dc=corp", Password: "s3cret"},
			{Name: "old", URL: "ldap://old.corp.example:1389", Insecure: true},
		},
	}, got.Scripting, cmp.Comparer(func(a, b hostlist.Entry) bool { return a == b }), cmpopts.IgnoreTypes(fault.Position{})); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(got.Secrets, "s3cret") {
		t.Error("the secret of scripts is not among those that are redacted")
	}
	same(t, []config.Lookup{{Name: "departments", File: in("data/departments.csv"), Key: "code", Delimiter: ';'}}, got.Lookups)
	same(t, config.Autosync{
		Mode: "exclusive", Export: "off", Stagger: 250 * time.Millisecond,
		NeverTogether: [][]string{{"HR", "AD"}}, FullSyncOnRuleChange: "off",
		Exclusions: []config.Exclusion{{Window: calendar.Window{Cron: "0 8 * * 1-5", For: 9 * time.Hour}, TimeZone: time.UTC, Agents: []string{"AD"}}},
		Coalesce:   20 * time.Second, StuckAfter: 2 * time.Hour,
		Retry: config.Retry{Results: []string{"stopped-server"}, Times: -1, Wait: time.Second},
	}, got.Autosync)
	same(t, config.Console{
		Listen: ":8443", Certificate: in("certs/console.pem"), Key: in("certs/console.key"), Metrics: config.Metrics{On: true, Token: "let-monitoring-in"},
	}, got.Console)
	same(t, []config.Workflow{
		{
			Name: "welcome", On: "export-add", Agent: "HR", Object: "employee", Where: "=IsPresent(mail)", Activity: "welcome letter",
			Timeout: 5 * time.Second, Wait: time.Hour,
		},
		{Name: "goodbye", On: "stage-delete", Agent: "AD", Activity: "goodbye letter", Timeout: 10 * time.Second, Retries: 5, Wait: time.Minute},
	}, got.Workflows)
	same(t, config.History{Keep: 365 * 24 * time.Hour, Count: 100, SaveTo: agent.Path(in("history")), DetailsLimit: 500}, got.History)
	same(t, config.Log{
		File: agent.Path(in("log/metasync.log")), Format: "json", Level: "warn",
		MaxSize: 10 << 20, MaxAge: 12 * time.Hour, Keep: 14,
	}, got.Log)
}

func sources(flows []rules.Flow) []rules.Source {
	var out []rules.Source
	for _, f := range flows {
		out = append(out, f.Source)
	}
	return out
}

func TestDefaults(t *testing.T) {
	want := &config.Config{
		File: in("metasync.yaml"), Dir: folder, Files: []string{in("metasync.yaml")}, Sources: []string{in("metasync.yaml")},
		State: in(".metasync"), Scripts: in("scripts"),
		Model: rules.Model{
			Dialect: "fim", Precedence: rules.ByAgent, Provisioning: rules.ByBoth,
			Agents: []rules.Agent{{Name: "HR", Deprovision: rules.Disconnect, DeprovisionByDefault: true, Orphans: rules.KeepLineage, MaxConnectors: 1}},
		},
		Agents: []config.Agent{{
			Name: "HR", Kind: &agent.Kind{Name: "csv"}, Settings: &csvSettings{File: agent.Path(in("hr.csv")), Connections: 1},
			Profiles:   run.DefaultProfiles(),
			Thresholds: run.Thresholds{ExportDeletes: run.Limit{Count: 500, IsSet: true}},
			Export:     true,
		}},
		Autosync:  config.Autosync{Mode: "overlap", Export: "auto", FullSyncOnRuleChange: "auto", StuckAfter: time.Hour, Retry: config.Retry{Times: 5, Wait: 5 * time.Second}},
		Notify:    notify.Settings{Policy: notify.DefaultPolicy()},
		History:   config.History{Keep: 30 * 24 * time.Hour, Details: true, DetailsLimit: 100_000},
		Log:       config.Log{Level: "info", MaxSize: 100 << 20, MaxAge: 24 * time.Hour, Keep: 7},
		Scripting: config.Scripting{Timeout: time.Second, Memory: 512 << 20, Guard: config.Guard{Deletes: 10, Sample: 1000, Timeout: time.Minute}},
	}
	same(t, want, load(t, "minimal.txtar"))
}

func TestPlaces(t *testing.T) {
	c := load(t, "people.txtar")
	place := func(p fault.Position) string {
		p.File = filepath.Base(p.File)
		return p.String()
	}
	flows := c.Model.Rules[0].Inbound.Flows
	for _, test := range []struct {
		what string
		got  fault.Position
		want string
	}{
		{"type", c.Model.Types[0].Position, "metasync.yaml:5:3"},
		{"attribute", c.Model.Types[0].Attributes[1].Position, "metasync.yaml:8:7"},
		{"deletion rule", c.Model.Types[0].Delete.Position, "metasync.yaml:17:13"},
		{"agent", c.Agents[0].Position, "metasync.yaml:20:3"},
		{"agent in the model", c.Model.Agents[1].Position, "metasync.yaml:39:3"},
		{"object type", c.Agents[0].Objects[0].Position, "metasync.yaml:24:7"},
		{"object attribute", c.Agents[0].Objects[0].Attributes[0].Position, "metasync.yaml:27:11"},
		{"filter condition", c.Model.Agents[0].Filter["employee"][0][0].Position, "metasync.yaml:31:12"},
		{"trigger", c.Agents[0].Triggers[1].Position, "metasync.yaml:38:9"},
		{"rule", c.Model.Rules[0].Position, "metasync.yaml:46:5"},
		{"join", c.Model.Rules[0].Join[0].Pairs[0].Position, "metasync.yaml:50:13"},
		{"flow", flows[1].Position, "metasync.yaml:56:9"},
		{"direct source", flows[0].Source.Position, "metasync.yaml:55:21"},
		{"expression", flows[1].Source.Position, "metasync.yaml:56:23"},
		{"constant", flows[5].Source.Position, "metasync.yaml:60:26"},
	} {
		if got := place(test.got); got != test.want {
			t.Errorf("%s: got %s, want %s", test.what, got, test.want)
		}
	}
}

// The place of an expression is that of the character after the =, however the
// text is written.
func TestExpressionPlaces(t *testing.T) {
	const before = `metaverse: {person: {attributes: {ä: string}}}
agents: {HR: {type: csv, file: x}}
rules:
  - name: r
    agent: HR
    object: o
    metaverse: person
    inbound:
      flows:
        ä:    `
	for _, test := range []struct{ written, place, expression string }{
		{"=sn", "10:16", "sn"},
		{"'=sn'", "10:17", "sn"},
		{`"=\"a\" + sn"`, "10:17", `"a" + sn`},
		{`{from: =sn}`, "10:23", "sn"},
		{`{from: "=sn"}`, "10:24", "sn"},
		{`&a =sn`, "10:19", "sn"},
		{"|\n          =sn", "11:12", "sn\n"},
		{">- # a comment\n            =sn\n            + x", "11:14", "sn + x"},
		{"=sn\n          + x", "10:16", "sn + x"},
		{"\n          =sn", "11:12", "sn"},
	} {
		c, err := loadText(before + test.written + "\n")
		if err != nil {
			t.Errorf("%s: %s", test.written, errorLines(err))
			continue
		}
		source := c.Model.Rules[0].Inbound.Flows[0].Source
		place := source.Position
		place.File = ""
		if got := strings.TrimPrefix(place.String(), ":"); got != test.place || source.Expression != test.expression {
			t.Errorf("%s: got %q at %s, want %q at %s", test.written, source.Expression, got, test.expression, test.place)
		}
	}
}
