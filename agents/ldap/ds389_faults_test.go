//go:build unix && ds389

package ldap

import (
	"fmt"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// An account that is locked is told as one that the server does not let in.
func Test389LockedAccount(t *testing.T) {
	use389(t)
	base, admin := place(t), administrator(t)
	reader := someone(t, admin, "reader", base, "userPassword", "secret", "nsAccountLock", "true")
	s := settings(base)
	s.BindDN, s.Password = reader, "secret"
	d := open(t, s, person)
	if _, err := read(t, d, agent.ImportRequest{}); fault.Name(err) != "no-start-credentials" {
		t.Errorf("%v", err)
	}
	if _, err := d.OpenExport(t.Context(), agent.ExportRequest{}); fault.Name(err) != "no-start-credentials" {
		t.Errorf("%v", err)
	}
}

// A size limit of the server ends an import with an error, also where it pages.
func Test389SizeLimits(t *testing.T) {
	use389(t)
	base, admin := place(t), administrator(t)
	reader := someone(t, admin, "reader", base, "userPassword", "secret")
	may := goldap.NewModifyRequest(target.Suffix, nil)
	may.Add("aci", []string{`(targetattr="*")(version 3.0; acl "reader"; allow (read,search,compare) userdn="ldap:///` + reader + `";)`})
	must(t, admin.Modify(may))
	for i := range 60 {
		someone(t, admin, fmt.Sprintf("u%03d", i), base)
	}
	s := settings(base)
	s.BindDN, s.Password = reader, "secret"
	d := open(t, s, person)
	full, err := read(t, d, agent.ImportRequest{PageSize: 10})
	must(t, err)
	if len(full.Lines) != 61 {
		t.Fatalf("%d entries", len(full.Lines))
	}
	for _, limit := range []string{"nsSizeLimit", "nsPagedSizeLimit"} {
		modify(t, admin, reader, limit, "30")
		got, err := read(t, d, agent.ImportRequest{PageSize: 100})
		if fault.Name(err) != "stopped-import-read" {
			t.Errorf("%s: %d entries and %v", limit, len(got.Lines), err)
		}
		got, err = read(t, d, agent.ImportRequest{PageSize: 10}) // it counts pages
		if err != nil || len(got.Lines) != 61 {
			t.Errorf("%s, in small pages: %d entries and %v", limit, len(got.Lines), err)
		}
	}
}
