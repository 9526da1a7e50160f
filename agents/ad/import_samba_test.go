//go:build unix && samba

package ad

import (
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// An object is of the type of its own class: computers, whose class is derived from
// that of users, are none, unless a type of theirs is configured.
func TestTypes(t *testing.T) {
	base, admin := place(t), administrator(t)
	ada := create(t, admin, "CN=ada,"+base, "user", "sAMAccountName", "ada-types")
	pc := create(t, admin, "CN=pc,"+base, "computer", "sAMAccountName", "pc-types$")
	create(t, admin, "CN=inet,"+base, "inetOrgPerson", "sAMAccountName", "inet-types")
	all := create(t, admin, "CN=all,"+base, "group", "sAMAccountName", "all-types")
	got, err := read(t, open(t, settings(t, base), user), agent.ImportRequest{})
	must(t, err)
	got.Expect(t, "users", "user "+ada)
	got, err = read(t, open(t, settings(t, base), user, group, computer), agent.ImportRequest{PageSize: 1})
	must(t, err)
	got.Expect(t, "users, groups and computers", "user "+ada, "group "+all, "computer "+pc)
}

// The schema is that of the server, with what the auxiliary classes of its content rules
// have; what controllers write for themselves is in it only if the configuration names it.
func TestSchema(t *testing.T) {
	base, admin := place(t), administrator(t)
	ada := create(t, admin, "CN=ada,"+base, "user", "sAMAccountName", "ada-schema", "accountExpires", "132223104000000000")
	described := user
	described.Attributes = []agent.Attribute{
		{Name: "accountExpires", Type: identity.TypeDateTime},
		{Name: "objectSid", Type: identity.TypeString},
		{Name: "lastLogonTimestamp"},
		{Name: "canonicalName"},
		{Name: "AccountDisabled", Type: identity.TypeBoolean},
	}
	d := open(t, settings(t, base), described)
	schema, err := d.Schema(t.Context())
	must(t, err)
	of := schema.Type("user")
	for name, want := range map[string]identity.AttributeType{
		"objectGUID":           {Type: identity.TypeString, ImportOnly: true},
		"sAMAccountName":       {Type: identity.TypeString},
		"manager":              {Type: identity.TypeReference},
		"url":                  {Type: identity.TypeString, Multi: true},
		"thumbnailPhoto":       {Type: identity.TypeBinary},
		"userAccountControl":   {Type: identity.TypeInteger},
		"pwdLastSet":           {Type: identity.TypeInteger},
		"accountExpires":       {Type: identity.TypeDateTime},
		"whenCreated":          {Type: identity.TypeDateTime, ImportOnly: true},
		"objectSid":            {Type: identity.TypeString, ImportOnly: true},
		"unicodePwd":           {Type: identity.TypeString, ExportOnly: true},
		"cn":                   {Type: identity.TypeString, ImportOnly: true},
		"canonicalName":        {Type: identity.TypeString, Multi: true, ImportOnly: true},
		"AccountDisabled":      {Type: identity.TypeBoolean},
		"passwordNeverExpires": {Type: identity.TypeBoolean},
		"lastLogonTimestamp":   {Type: identity.TypeInteger},
	} {
		a := of.Attribute(name)
		if a == nil {
			t.Errorf("there is no %s", name)
			continue
		}
		if want.Name = name; a.Type != want.Type || a.Multi != want.Multi || a.ImportOnly != want.ImportOnly || a.ExportOnly != want.ExportOnly || a.Required {
			t.Errorf("%+v", *a)
		}
	}
	for _, name := range []string{"lastLogon", "uSNChanged", "tokenGroups", "memberOf", "nTSecurityDescriptor", "dBCSPwd"} {
		if of.Attribute(name) != nil {
			t.Errorf("there is %s, which nobody has asked for", name)
		}
	}
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	e := got.Entry(t, ada)
	if e.Err != nil || len(e.Anchor) != 36 || strings.Count(e.Anchor, "-") != 4 || e.Attributes.First("objectGUID").Str() != e.Anchor {
		t.Errorf("%q, %v", e.Anchor, e.Err)
	}
	found, err := admin.Search(goldap.NewSearchRequest("<GUID="+e.Anchor+">", goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"cn"}, nil))
	must(t, err)
	if found.Entries[0].DN != ada {
		t.Errorf("%s is the GUID of %s", e.Anchor, found.Entries[0].DN)
	}
	if at := e.Attributes.First("accountExpires"); at != identity.DateTime(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", at)
	}
	if sid := e.Attributes.First("objectSid").Str(); !strings.HasPrefix(sid, "S-1-5-21-") {
		t.Errorf("%q", sid)
	}
	if v := e.Attributes.First("AccountDisabled"); v != identity.Boolean(true) {
		t.Errorf("%v: a user that was created so is disabled", v)
	}
}

// What keeps an agent from the directory is told in words, whatever number it bears.
func TestRefusedBinds(t *testing.T) {
	base, admin := place(t), administrator(t)
	for i, control := range []string{"512", "514"} {
		name := []string{"able", "unable"}[i]
		create(t, admin, "CN="+name+","+base, "user", "sAMAccountName", name, "userPrincipalName", name+"@ad.example.org",
			"userAccountControl", control, "unicodePwd", quoted(t, "Secret123!"))
	}
	for _, test := range []struct{ bind, password, name, hint string }{
		{"CN=able," + base, "Secret123!", "", ""},
		{"able@ad.example.org", "Secret123!", "", ""},
		{`EXAD\able`, "Secret123!", "", ""},
		{"able@ad.example.org", "wrong", "no-start-credentials", "the password of bindDN is wrong"},
		{"unable@ad.example.org", "Secret123!", "no-start-credentials", "disabled"},
	} {
		s := settings(t, base)
		s.BindDN, s.Password = test.bind, agent.Secret(test.password)
		_, err := open(t, s, user).Schema(t.Context())
		hint := ""
		if err != nil {
			hint = fault.As(err, "").Hint
		}
		if fault.Name(err) != test.name || !strings.Contains(hint, test.hint) {
			t.Errorf("%s: %v, hint %q", test.bind, err, hint)
		}
	}
	modify(t, admin, "CN=able,"+base, "pwdLastSet", "0")
	s := settings(t, base)
	s.BindDN, s.Password = "able@ad.example.org", "Secret123!"
	if _, err := open(t, s, user).Schema(t.Context()); fault.Name(err) != "no-start-credentials" || !strings.Contains(fault.As(err, "").Hint, "change the password") {
		t.Errorf("%v", err)
	}
	s = settings(t, "DC=other,DC=example")
	if _, err := read(t, open(t, s, user), agent.ImportRequest{}); fault.Name(err) != "no-start-partition-delete" {
		t.Errorf("a base of another domain: %v", err)
	}
}

// Every base is a partition with a watermark of its own.
func TestPartitions(t *testing.T) {
	a, b, admin := place(t), place(t), administrator(t)
	ada := create(t, admin, "CN=ada,"+a, "user", "sAMAccountName", "ada-parts")
	bob := create(t, admin, "CN=bob,"+b, "user", "sAMAccountName", "bob-parts")
	d := open(t, settings(t, a, b), user)
	one, err := read(t, d, agent.ImportRequest{Partition: a})
	must(t, err)
	one.Expect(t, "a", "user "+ada)
	two, err := read(t, d, agent.ImportRequest{Partition: b})
	must(t, err)
	two.Expect(t, "b", "user "+bob)
	must(t, admin.ModifyDN(goldap.NewModifyDNRequest(ada, "CN=ada", true, b)))
	one, err = read(t, d, agent.ImportRequest{Partition: a, Delta: true, Watermark: one.Watermark})
	must(t, err)
	one.Expect(t, "a after the move") // the other partition tells of it
	two, err = read(t, d, agent.ImportRequest{Partition: b, Delta: true, Watermark: two.Watermark})
	must(t, err)
	two.Expect(t, "b after the move", "user CN=ada,"+b)
}
