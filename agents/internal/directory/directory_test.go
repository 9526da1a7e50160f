package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

func TestSubschema(t *testing.T) {
	s := parseSubschema([]string{
		"( 2.5.4.41 NAME 'name' DESC 'a (bracket) $' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
		"( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC ')' SUP name )",
		"( 2.16.840.1.113730.3.1.3 NAME 'employeeNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
		"( 1.3.6.1.1.16.4 NAME 'entryUUID' SYNTAX 1.3.6.1.1.16.1 SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )",
		"( 9.9 NAME 'circle' SUP circle )", "", "(", "( 1.2 NAME", "( 1.2 NAME 'open", "( 1.2 NAME ( 'x'",
	}, []string{
		"( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY description )",
		"( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
		"( 2.5.6.7 NAME 'organizationalPerson' SUP person STRUCTURAL )",
	}, []string{"( 2.5.6.6 NAME 'person' AUX ( mailRecipient $ securityPrincipal ) MUST cn MAY (mail $ info) )"})
	if a := s.attribute("COMMONNAME"); a == nil || a.name != "cn" || a.single || s.syntaxOf(a) != syntaxArc+"15" {
		t.Errorf("%+v", a)
	}
	if a := s.attribute("2.16.840.1.113730.3.1.3"); a == nil || !a.single || a.readOnly {
		t.Errorf("%+v", a)
	}
	if a := s.attribute("entryuuid"); a == nil || !a.readOnly {
		t.Errorf("%+v", a)
	}
	if got := s.syntaxOf(s.attribute("circle")); got != "" {
		t.Errorf("%q", got)
	}
	classes := map[string]bool{}
	s.Superiors(classes, []string{"Person", "unknown"})
	if !classes["person"] || !classes["top"] || !classes["unknown"] || len(classes) != 3 {
		t.Errorf("%v", classes)
	}
	if got := s.subclasses("Person"); !slices.Equal(got, []string{"organizationalPerson"}) {
		t.Errorf("%q", got)
	}
	if r := s.content["person"]; !slices.Equal(r.sup, []string{"mailRecipient", "securityPrincipal"}) || !slices.Equal(r.must, []string{"cn"}) || len(r.may) != 2 {
		t.Errorf("%+v", r)
	}
	if c := s.class("person"); !slices.Equal(c.must, []string{"sn", "cn"}) || !slices.Equal(c.may, []string{"description"}) {
		t.Errorf("%+v", c)
	}
}

// Every value that is written is read again as the same.
func TestValues(t *testing.T) {
	for _, test := range []struct {
		typ  identity.Type
		wire string
		back string // if it is written in another way
	}{
		{typ: identity.TypeString, wire: "Grüße"},
		{typ: identity.TypeBinary, wire: "\x00\xff"},
		{typ: identity.TypeReference, wire: "uid=ada,dc=example,dc=org"},
		{typ: identity.TypeInteger, wire: "-7"},
		{typ: identity.TypeBoolean, wire: "TRUE"},
		{typ: identity.TypeBoolean, wire: "false", back: "FALSE"},
		{typ: identity.TypeDateTime, wire: "20260131120000Z"},
		{typ: identity.TypeDateTime, wire: "20260131120000.5Z"},
		{typ: identity.TypeDateTime, wire: "20260131130000+0100", back: "20260131120000Z"},
	} {
		v, err := parseValue(test.typ, []byte(test.wire))
		if err != nil || v.Type() != test.typ {
			t.Errorf("%s %q: %v, %v", test.typ, test.wire, v, err)
			continue
		}
		want := test.back
		if want == "" {
			want = test.wire
		}
		if got, err := formatValue(v); err != nil || got != want {
			t.Errorf("%s %q came back as %q, %v", test.typ, test.wire, got, err)
		}
	}
	if v, err := parseValue(identity.TypeReference, nil); err != nil || v.Type() != 0 {
		t.Errorf("the empty name: %v, %v", v, err)
	}
	if _, err := parseValue(identity.TypeInteger, []byte("many")); err == nil {
		t.Error("many is a number")
	}
	if _, err := formatValue(identity.ReferenceTo(7)); fault.Name(err) != "dn-attributes-failure" {
		t.Errorf("%v", err)
	}
}

// A wave ends before what needs something in it.
func TestWaves(t *testing.T) {
	add := func(dn string) agent.Change { return agent.Change{Op: identity.Add, DN: dn} }
	rename := func(dn, to string) agent.Change { return agent.Change{Op: identity.Update, DN: dn, NewDN: to} }
	gone := func(dn string) agent.Change { return agent.Change{Op: identity.Delete, DN: dn} }
	refer := func(dn, to string) agent.Change {
		return agent.Change{Op: identity.Update, DN: dn, Changes: []identity.Change{
			{Name: "member", Op: identity.Update, Values: []identity.Value{identity.Reference(to)}},
		}}
	}
	for name, test := range map[string]struct {
		changes []agent.Change
		want    string
	}{
		"apart":            {[]agent.Change{add("uid=a,ou=x"), add("uid=b,ou=x"), rename("uid=c,ou=x", "uid=c,ou=y")}, "[0 1 2]"},
		"parent and child": {[]agent.Change{add("ou=x"), add("uid=a,OU=X"), add("uid=b,ou=x")}, "[0] [1 2]"},
		"child and parent": {[]agent.Change{gone("uid=a,ou=x"), gone("uid=b,ou=x"), gone("ou=x")}, "[0 1] [2]"},
		"deepest first":    {[]agent.Change{gone("ou=x"), gone("uid=a,ou=x"), add("ou=x")}, "[1] [0] [2]"},
		"the same object":  {[]agent.Change{rename("uid=a,ou=x", "uid=b,ou=x"), rename("uid=c,ou=x", "uid=A,ou=x")}, "[0] [1]"},
		"refers to a new":  {[]agent.Change{add("uid=a,ou=x"), refer("cn=g,ou=y", "uid=a, ou=x"), refer("cn=h,ou=y", "uid=z,ou=x")}, "[0] [1 2]"},
		"no name":          {[]agent.Change{add("x"), add("x")}, "[0 1]"},
	} {
		var got []string
		for order := ordered(test.changes); len(order) > 0; {
			n := wave(test.changes, order)
			if n == 0 {
				t.Fatalf("%s: a wave of nothing", name)
			}
			got = append(got, fmt.Sprint(order[:n]))
			order = order[n:]
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", name, text, test.want)
		}
	}
}

// An attribute that is delivered in part is never taken for the whole.
func TestRanges(t *testing.T) {
	d := &Directory{name: "Directory"}
	a := &identity.AttributeType{Name: "member", Type: identity.TypeReference, Multi: true}
	k := &Kind{columns: map[string]*Column{"member": {AttributeType: a, wire: "member"}}}
	for name, want := range map[string]string{
		"member": "", "member;range=0-1499": "read-error", "MEMBER;RANGE=1500-2999": "read-error", "member;range=0-*": "", "member;lang-de": "",
	} {
		page := new(agent.Page)
		d.fill(&Server{Anchor: Anchor{Attribute: "entryUUID"}}, k, page, &ldapconn.Entry{DN: "cn=all", Attributes: []ldapconn.Attribute{{Name: name, Values: [][]byte{[]byte("uid=ada")}}}})
		e, got := page.Entries[0], ""
		if e.Err != nil {
			got = e.Err.Name
		}
		if read := len(e.Attributes.Get("member")) == 1; got != want || read != (want == "" && name != "member;lang-de") {
			t.Errorf("%s: %q, want %q; %v", name, got, want, e.Attributes)
		}
	}
}

// Values can be taken away one by one where there is a rule to compare them; a server that
// tells of no rules has them.
func TestComparable(t *testing.T) {
	photo, cn := "( 1.2 NAME 'jpegPhoto' SYNTAX 1.3.6.1.4.1.1466.115.121.1.28 )", "( 2.5.4.3 NAME 'cn' SUP name )"
	name := "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
	s := parseSubschema([]string{photo, name, cn}, nil, nil)
	if s.comparable(s.attribute("jpegPhoto")) || !s.comparable(s.attribute("cn")) {
		t.Errorf("%+v", s.attributes)
	}
	if s := parseSubschema([]string{photo}, nil, nil); !s.comparable(s.attribute("jpegPhoto")) {
		t.Error("nothing can be compared where no rule is told")
	}
}
