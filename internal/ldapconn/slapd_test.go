//go:build unix && slapd

package ldapconn

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/internal/servers"
)

// administrator is a connection that may write.
func administrator(t *testing.T, s *servers.OpenLDAPServer) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(s.URL)
	if err == nil {
		err = conn.Bind(s.Admin, s.Password)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func person(uid string) *ldap.AddRequest {
	r := ldap.NewAddRequest("uid="+uid+",dc=example,dc=org", nil)
	r.Attribute("objectClass", []string{"inetOrgPerson"})
	r.Attribute("cn", []string{uid})
	r.Attribute("sn", []string{uid})
	return r
}

func modify(uid, attribute, value string) *ldap.ModifyRequest {
	r := ldap.NewModifyRequest("uid="+uid+",dc=example,dc=org", nil)
	r.Replace(attribute, []string{value})
	return r
}

func TestSearch(t *testing.T) {
	s := servers.For(t, servers.OpenLDAP)
	admin := administrator(t, s)
	const people = pageSize + 100 // more than a page
	for i := range people {
		must(t, admin.Add(person(fmt.Sprintf("u%04d", i))))
	}
	pool := NewPool(Options{URL: s.URL, BindDN: s.Admin, Password: s.Password})
	defer pool.Close()
	for name, test := range map[string]struct {
		search  Search
		want    int
		wantErr error
	}{
		"pages":      {search: Search{Base: s.Suffix, Scope: ScopeSub, Filter: "(objectClass=person)", Attributes: []string{"uid"}, Entries: people}, want: people},
		"no limit":   {search: Search{Base: s.Suffix, Scope: ScopeOne}, want: people},
		"everything": {search: Search{Base: s.Suffix, Scope: ScopeSub}, want: people + 1},
		"the base":   {search: Search{Base: s.Suffix, Scope: ScopeBase}, want: 1},
		"one found":  {search: Search{Base: s.Suffix, Scope: ScopeSub, Filter: "(uid=u0007)"}, want: 1},
		"none":       {search: Search{Base: s.Suffix, Scope: ScopeSub, Filter: "(uid=nobody)"}},
		"too many":   {search: Search{Base: s.Suffix, Scope: ScopeSub, Entries: people}, wantErr: ErrEntries},
		"of two":     {search: Search{Base: s.Suffix, Scope: ScopeSub, Entries: 1}, wantErr: ErrEntries},
		"too much":   {search: Search{Base: s.Suffix, Scope: ScopeSub, Bytes: 10_000}, wantErr: ErrBytes},
		"bad filter": {search: Search{Base: s.Suffix, Scope: ScopeSub, Filter: "(uid=*"}, wantErr: ErrFilter},
	} {
		var got []Entry
		err := pool.Do(t.Context(), func(c *Conn) (err error) {
			got, err = c.Search(t.Context(), test.search)
			return err
		})
		if len(got) != test.want || !errors.Is(err, test.wantErr) {
			t.Errorf("%s: %d entries, want %d (%v)", name, len(got), test.want, err)
		}
	}
	if len(pool.idle) != 1 {
		t.Errorf("%d connections were kept, want one: none was spoilt", len(pool.idle))
	}
	// A connection that the server has closed is replaced.
	must(t, s.Restart())
	read := func(dn string) (entry *Entry) {
		must(t, pool.Do(t.Context(), func(c *Conn) (err error) {
			entry, err = c.Read(t.Context(), dn, []string{"namingContexts", "uid"}, 0)
			return err
		}))
		return entry
	}
	if e := read("uid=u0001,dc=example,dc=org"); e == nil || len(e.Attributes) != 1 || string(e.Attributes[0].Values[0]) != "u0001" {
		t.Errorf("%+v", e)
	}
	if e := read("uid=nobody,dc=example,dc=org"); e != nil {
		t.Errorf("%+v", e)
	}
	if e := read(""); e == nil || e.Attributes[0].Name != "namingContexts" {
		t.Errorf("the server's own entry: %+v", e)
	}
}

func TestEncryption(t *testing.T) {
	s := servers.For(t, servers.OpenLDAP)
	certificate, err := os.ReadFile(s.CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	for name, test := range map[string]struct {
		o       Options
		wantErr string
	}{
		"ldaps":                      {o: Options{URL: s.SecureURL, Roots: roots, BindDN: s.Admin, Password: s.Password}},
		"StartTLS":                   {o: Options{URL: s.URL, StartTLS: true, Roots: roots, BindDN: s.Admin, Password: s.Password}},
		"nobody":                     {o: Options{URL: s.SecureURL, Roots: roots}},
		"ldaps of a stranger":        {o: Options{URL: s.SecureURL}, wantErr: "certificate signed by unknown authority"},
		"StartTLS with a stranger":   {o: Options{URL: s.URL, StartTLS: true}, wantErr: "certificate signed by unknown authority"},
		"a password that is not his": {o: Options{URL: s.URL, BindDN: s.Admin, Password: "hunter22"}, wantErr: "Invalid Credentials"},
	} {
		pool := NewPool(test.o)
		err := pool.Do(t.Context(), func(c *Conn) error {
			_, err := c.Search(t.Context(), Search{Base: s.Suffix, Scope: ScopeBase})
			return err
		})
		pool.Close()
		if test.wantErr == "" && err != nil || test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr) || strings.Contains(err.Error(), "hunter22")) {
			t.Errorf("%s: %v, want %q", name, err, test.wantErr)
		}
	}
}

func TestChanges(t *testing.T) {
	s := servers.For(t, servers.OpenLDAP)
	admin := administrator(t, s)
	pool := NewPool(Options{URL: s.URL, BindDN: s.Admin, Password: s.Password})
	defer pool.Close()
	w := Watch{Base: s.Suffix, Scope: ScopeSub, Filter: "(employeeType=staff)"}
	look := func(what string, want bool) {
		t.Helper()
		var got Changes
		must(t, pool.Do(t.Context(), func(c *Conn) (err error) {
			got, err = c.Changes(t.Context(), w)
			return err
		}))
		if got.Changed != want {
			t.Errorf("%s: changed %v, want %v", what, got.Changed, want)
		}
		if len(got.Cookie) == 0 {
			t.Fatalf("%s: no cookie", what)
		}
		w.Cookie = got.Cookie
	}
	look("the beginning", true)
	look("nothing since", false)
	ada := person("ada")
	ada.Attribute("employeeType", []string{"staff"})
	must(t, admin.Add(ada))
	look("an entry", true)
	look("nothing since", false)
	must(t, admin.Modify(modify("ada", "title", "Countess")))
	look("a value", true)
	look("nothing since", false)
	must(t, admin.ModifyDN(ldap.NewModifyDNRequest("uid=ada,dc=example,dc=org", "uid=lovelace", true, "")))
	look("a name", true)
	must(t, admin.Modify(modify("lovelace", "employeeType", "guest")))
	look("it matches no more", true)
	must(t, admin.Modify(modify("lovelace", "employeeType", "staff")))
	look("it matches again", true)
	must(t, admin.Del(ldap.NewDelRequest("uid=lovelace,dc=example,dc=org", nil)))
	look("it is gone", true)
	look("nothing since", false)

	// The server forgets who was deleted, and says so by listing who is left.
	grace := person("grace")
	grace.Attribute("employeeType", []string{"staff"})
	must(t, admin.Add(grace))
	look("another", true)
	must(t, admin.Del(ldap.NewDelRequest("uid=grace,dc=example,dc=org", nil)))
	must(t, s.Restart())
	look("gone before a restart", true)
	look("nothing since", false)
	must(t, s.Restart())
	look("a restart is no change", false)

	// A cookie of the server's future, as after a restore, begins anew.
	w.Cookie = []byte("rid=000,csn=20991231235959.000000Z#000000#000#000000")
	look("restored", true)
	look("nothing since", false)
	w.Cookie = []byte("rid=000,csn=20200101000000.000000Z#000000#000#000000")
	look("long ago", true)
	look("nothing since", false)

	pool2 := NewPool(Options{URL: s.URL, BindDN: s.Admin, Password: s.Password})
	defer pool2.Close()
	err := pool2.Do(t.Context(), func(c *Conn) error {
		_, err := c.Changes(t.Context(), Watch{Base: "dc=elsewhere"})
		return err
	})
	if !isResult(err, ldap.LDAPResultNoSuchObject) {
		t.Errorf("%v", err)
	}
	// The server's own configuration is in no database that can tell its changes.
	err = pool2.Do(t.Context(), func(c *Conn) error {
		_, err := c.Changes(t.Context(), Watch{Base: "cn=monitor", Scope: ScopeSub})
		return err
	})
	if err == nil {
		t.Error("what cannot tell its changes told some")
	}
}
