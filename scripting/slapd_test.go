//go:build unix && slapd

package scripting

import (
	"strings"
	"testing"

	"github.com/metasync/metasync/internal/servers"
	"github.com/metasync/metasync/scripting/modules"
)

func TestLDAP(t *testing.T) {
	s := servers.For(t, servers.OpenLDAP)
	if err := s.Load("dn: uid=ada,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nsn: Lovelace\nmail: a@x\nmail: b@x\njpegPhoto:: /wD+\n"); err != nil {
		t.Fatal(err)
	}
	const base = `base: "dc=example,dc=org"`
	for _, test := range []struct{ body, want, wantErr string }{
		{body: `const [e] = ldap.search("corp", {` + base + `, filter: "(uid=" + ldap.escapeFilter("ada") + ")", attributes: ["MAIL", "cn"]}); return [e.dn, e.attributes.MAIL.join("+"), e.attributes.cn, e.attributes.sn, Object.keys(e.attributes).sort()].join()`, want: "uid=ada,dc=example,dc=org,a@x+b@x,Ada,,MAIL,cn"},
		{body: `const e = ldap.read("corp", "uid=ada,dc=example,dc=org", {attributes: ["jpegPhoto"], binary: ["jpegphoto"]}); const v = e.attributes.jpegPhoto[0]; return (v instanceof Uint8Array) + v.join()`, want: "true255,0,254"},
		{body: `return ldap.read("corp", "uid=ada,dc=example,dc=org", {binary: ["jpegphoto"]}).attributes.jpegphoto[0].join()`, want: "255,0,254"},
		{body: `ldap.read("corp", "uid=ada,dc=example,dc=org")`, wantErr: "jpegPhoto is no text; name it in the option binary"},
		{body: `return String(ldap.read("corp", "uid=nobody,dc=example,dc=org"))`, want: "undefined"},
		{body: `return ldap.read("corp", "", {attributes: ["namingContexts"]}).attributes.namingContexts.join("+")`, want: "cn=accesslog+dc=example,dc=org"},
		{body: `const r = ldap.search("corp", {` + base + `, scope: "one", binary: ["jpegPhoto"]}); return String(r.length) + Object.isFrozen(r) + Object.isFrozen(r[0].attributes) + Object.isFrozen(r[0].attributes.mail)`, want: "1truetruetrue"},
		{body: `ldap.search("corp", {` + base + `, binary: ["jpegPhoto"], sizeLimit: 1})`, wantErr: "too many entries: more than 1; the option sizeLimit allows more"},
		{body: `ldap.search("corp", {` + base + `, filter: "(uid="})`, wantErr: "that is not a filter"},
		{body: `ldap.search("corp", {base: "dc=nowhere"})`, wantErr: `LDAP Result Code 32 "No Such Object"`},
		{body: `ldap.search("wrong", {` + base + `})`, wantErr: `LDAP Result Code 49 "Invalid Credentials"`},
		{body: `return ldap.read("secure", "uid=ada,dc=example,dc=org", {attributes: ["uid"]}).attributes.uid[0]`, want: "ada"},
		{body: `const w = {` + base + `}; const a = ldap.changes("corp", w); const b = ldap.changes("corp", {...w, cookie: a.cookie}); const c = ldap.changes("corp", {...w, filter: "(uid=ada)", cookie: b.cookie}); return [a.changed, b.changed, a.cookie === b.cookie, c.changed].join()`, want: "true,false,true,true"},
		{body: `return String(ldap.changes("corp", {` + base + `, cookie: null}).changed)`, want: "true"},
		{body: `ldap.changes("config", {base: "cn=config"})`, wantErr: "cannot say what changed"},
	} {
		l, _ := folder(t)
		l.options.Env.Directories = []modules.DirectorySpec{
			{Name: "corp", URL: s.URL, BindDN: s.Admin, Password: s.Password},
			{Name: "secure", URL: s.SecureURL, CA: s.CA, BindDN: s.Admin, Password: s.Password},
			{Name: "config", URL: s.URL, BindDN: "cn=config", Password: s.Password},
			{Name: "wrong", URL: s.URL, BindDN: s.Admin, Password: "hunter22"},
		}
		got, err := checking(t, l, test.body)
		if test.wantErr != "" {
			wantError(t, err, test.wantErr)
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%s: %v", test.body, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.body, got, test.want, err)
		}
	}
}
