package scripting

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

func TestTry(t *testing.T) {
	g := loadTests(t, 1, "")
	cs := func(agent, objectType, sn string) rules.Entry {
		c := &plainConnector{agent: agent, dn: "CN=" + sn, target: &plainObject{}}
		c.id, c.objectType, c.attributes = identity.NewID(1, 1), objectType, identity.Attributes{}.Set("sn", identity.String(sn)).Set("dept", identity.String(sn))
		return c
	}
	mv := func(sn string) rules.Entry {
		o := &plainObject{}
		o.id, o.objectType, o.attributes = identity.NewID(0, 1), "person", identity.Attributes{}.Set("sn", identity.String(sn))
		return o
	}
	for _, test := range []struct {
		trial   Trial
		want    any
		wantErr string // of the function
		refused string // the name of the error about the trial
	}{
		{trial: Trial{Kind: "flowFunction", Name: []string{"initials", `"Ada"`, "sn"}, Object: mv("Berg")}, want: "AB"},
		{trial: Trial{Kind: "flowFunction", Name: []string{"year"}, Object: mv("Berg")}, want: int64(1999)},
		{trial: Trial{Kind: "flowFunction", Name: []string{"initials", "sn"}, Object: mv("Berg")}, refused: "sync-rule-invalid-expression"},
		{trial: Trial{Kind: "flowFunction", Name: []string{"initial"}, Object: mv("Berg")}, refused: "script-registration-invalid"},
		{trial: Trial{Kind: "flowFunction", Object: mv("Berg")}, refused: "unknown-function"},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee", "department"}, Object: cs("HR", "employee", "none")}, want: map[string]any{"$literal": "AuthoritativeNull"}},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee", "department"}, Object: cs("HR", "employee", "keep")}, want: map[string]any{"$literal": "IgnoreThisFlow"}},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee", "department"}, Object: cs("HR", "employee", "bad")}, wantErr: "extension-unexpected-attribute-value: the script returned the number NaN"},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee", "department"}, Object: cs("HR", "robot", "x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee", "department"}, Object: mv("x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "flow", Name: []string{"HR.employee"}, Object: mv("x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "filter"}, Object: cs("AD", "user", "robot")}, want: true},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "filter"}, Object: cs("HR", "user", "robot")}, refused: "unknown-function"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "project"}, Object: cs("AD", "user", "x")}, want: "person"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "deprovision"}, Object: cs("AD", "user", "x")}, want: rules.Disconnect},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "deprovision"}, Object: cs("AD", "user", "odd")}, wantErr: "extension-deprovisioning-invalid-result"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "joinValues", "by"}, Object: cs("AD", "user", "x")}, want: []any{"x", "by"}},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "resolveJoin"}, Object: cs("AD", "user", "x"), With: []rules.Entry{mv("y"), mv("x")}}, want: 1},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "resolveJoin", "retype"}, Object: cs("AD", "user", "x"), With: []rules.Entry{mv("y")}}, want: map[string]any{"join": 0, "type": "guest"}},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "resolveJoin"}, Object: cs("AD", "user", "x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "resolveJoin"}, Object: cs("AD", "user", "x"), With: []rules.Entry{cs("HR", "e", "x")}}, refused: "unknown-function"},
		{trial: Trial{Kind: "extension", Name: []string{"AD", "provision"}, Object: cs("AD", "user", "x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "metaverse", Name: []string{"person", "provision"}, Object: mv("x")}, want: []any{map[string]any{"create": map[string]any{
			"agent": "AD", "object": "user", "attributes": map[string]any{"dn": "CN=x", "mail": []any{"a", "b"}, "n": int64(7)},
		}}}},
		{trial: Trial{Kind: "metaverse", Name: []string{"person", "shouldDelete"}, Object: mv("x"), With: []rules.Entry{cs("HR", "employee", "x")}}, want: true},
		{trial: Trial{Kind: "metaverse", Name: []string{"person", "shouldDelete"}, Object: mv("x")}, refused: "unknown-function"},
		{trial: Trial{Kind: "metaverse", Name: []string{"group", "provision"}, Object: mv("x")}, refused: "script-registration-invalid"},
		{trial: Trial{Kind: "trigger", Name: []string{"badges"}, Object: mv("x")}, refused: "unknown-function"},
	} {
		ctx := rules.WithNow(context.Background(), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
		got, called, err := g.Try(ctx, test.trial)
		switch {
		case test.refused != "":
			if called || fault.Name(err) != test.refused {
				t.Errorf("%s %q: %v, want %s", test.trial.Kind, test.trial.Name, err, test.refused)
			}
		case test.wantErr != "":
			if !called {
				t.Errorf("%s %q was not called", test.trial.Kind, test.trial.Name)
			}
			wantError(t, err, test.wantErr)
		default:
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil || !called {
				t.Errorf("%s %q: %v %s", test.trial.Kind, test.trial.Name, err, diff)
			}
		}
	}
}
