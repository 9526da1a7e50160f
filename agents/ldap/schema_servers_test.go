//go:build unix && (slapd || ds389)

package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
)

// The schema is the server's: what has one value and what several, what is a name, a number
// or bytes, what only the server writes; and what the configuration says otherwise.
func TestSchema(t *testing.T) { onEach(t, schema) }

func schema(t *testing.T) {
	base := place(t)
	posix := agent.Object{
		Name:     "account",
		Settings: &ObjectSettings{Class: "inetOrgPerson", Auxiliary: []string{"posixAccount"}, RDN: "uid"},
		Attributes: []agent.Attribute{
			{Name: "cn", Type: identity.TypeString},
			{Name: "createTimestamp", Type: identity.TypeDateTime},
			{Name: "memberOf", Type: identity.TypeReference, Multi: true},
		},
	}
	d := open(t, settings(base), posix, group)
	got, err := d.Schema(t.Context())
	must(t, err)
	for name, want := range map[string]identity.AttributeType{
		"account cn":              {Type: identity.TypeString, Required: true},
		"account sn":              {Type: identity.TypeString, Multi: true, Required: true},
		"account uid":             {Type: identity.TypeString, Multi: true},
		"account employeeNumber":  {Type: identity.TypeString},
		"account mail":            {Type: identity.TypeString, Multi: true},
		"account manager":         {Type: identity.TypeReference, Multi: true},
		"account uidNumber":       {Type: identity.TypeInteger, Required: true},
		"account jpegPhoto":       {Type: identity.TypeBinary, Multi: true},
		"account userCertificate": {Type: identity.TypeBinary, Multi: true},
		"account userPassword":    {Type: identity.TypeString, ExportOnly: true},
		"account createTimestamp": {Type: identity.TypeDateTime, ImportOnly: true},
		"account memberOf":        {Type: identity.TypeReference, Multi: true},
		"group member":            {Type: identity.TypeReference, Multi: true},
		"group businessCategory":  {Type: identity.TypeString, Multi: true},
	} {
		object, attribute, _ := strings.Cut(name, " ")
		a := got.Type(object).Attribute(attribute)
		if a == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		is := *a
		is.Name, is.Confirm = "", want.Confirm
		if attribute == "memberOf" {
			is.ImportOnly = false // whether anybody may write it is the server's to say
		}
		if is != want {
			t.Errorf("%s: %+v, want %+v", name, is, want)
		}
	}
	if a := got.Type("group").Attribute("mail"); a != nil {
		t.Errorf("%+v is of no class of a group", a)
	}
	for _, wrong := range []agent.Object{
		{Name: "nobody", Settings: &ObjectSettings{Class: "noSuchClass"}},
		{Name: "person", Settings: &ObjectSettings{Class: "inetOrgPerson"}, Attributes: []agent.Attribute{{Name: "noSuchAttribute", Type: identity.TypeString}}},
	} {
		if _, err := open(t, settings(base), wrong).Schema(t.Context()); err == nil || !strings.Contains(err.Error(), "the server has no") {
			t.Errorf("%s: %v", wrong.Name, err)
		}
	}
}

// Values that are no text arrive as they were sent.
func TestValuesOfServers(t *testing.T) { onEach(t, valuesOfServers) }

func valuesOfServers(t *testing.T) {
	base := place(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certificate := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	must(t, err)
	account := agent.Object{
		Name: "account", Settings: &ObjectSettings{Class: "inetOrgPerson", Auxiliary: []string{"posixAccount"}, RDN: "uid"},
		Attributes: []agent.Attribute{{Name: "createTimestamp", Type: identity.TypeDateTime}},
	}
	d := open(t, settings(base), account)
	add := addition("uid=ada,"+base, "homeDirectory", "/home/ada", "description", " Grüße, + \"x\" ")
	add.ObjectType = "account"
	for name, values := range map[string][]identity.Value{
		"uidNumber": {identity.Integer(70)}, "gidNumber": {identity.Integer(7)},
		"jpegPhoto": {identity.Binary([]byte{0, 0xff, '\n'})}, "userCertificate": {identity.Binary(der)},
		"manager": references("uid=ada,"+base, "uid=nobody,"+base),
	} {
		add.Image = add.Image.Set(name, values...)
	}
	add.Changes = identity.Diff(nil, add.Image)
	names, results := put(t, d, add)
	expectNames(t, names, "")
	got, err := read(t, d, agent.ImportRequest{})
	must(t, err)
	got.Expect(t, "full", "account uid=ada,"+base)
	is := got.Entries[0].Attributes
	for _, a := range add.Image {
		if a.Name != "description" && !slices.Equal(is.Get(a.Name), a.Values) {
			t.Errorf("%s: %v, want %v", a.Name, is.Get(a.Name), a.Values)
		}
	}
	if created := is.First("createTimestamp").Time(); time.Since(created).Abs() > time.Minute {
		t.Errorf("created at %s", created)
	}
	names, _ = put(t, d, agent.Change{
		Op: identity.Update, ObjectType: "account", DN: "uid=ada," + base, Anchor: results[0].Anchor,
		Changes: []identity.Change{
			{Name: "jpegPhoto", Op: identity.Update, Values: []identity.Value{identity.Binary([]byte{1})}, Removed: add.Image.Get("jpegPhoto")},
			{Name: "uidNumber", Op: identity.Replace, Values: []identity.Value{identity.Integer(71)}},
			{Name: "userCertificate", Op: identity.Delete},
		},
	})
	expectNames(t, names, "")
	got, err = read(t, d, agent.ImportRequest{})
	must(t, err)
	is = got.Entries[0].Attributes
	if photo := is.Get("jpegPhoto"); len(photo) != 1 || photo[0].Str() != "\x01" || is.First("uidNumber") != identity.Integer(71) || len(is.Get("userCertificate")) != 0 {
		t.Errorf("%v", is)
	}
}
