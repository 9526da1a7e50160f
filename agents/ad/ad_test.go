package ad

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestSettings(t *testing.T) {
	right := directory.Settings{URL: "ldaps://dc1.corp.example", Base: []string{"DC=corp,DC=example"}}
	for want, s := range map[string]Settings{
		"": {Settings: right},
		"would send names, passwords and answers in clear": {Settings: directory.Settings{URL: "ldap://dc1.corp.example", Base: right.Base}},
		"base is missing":                {Settings: directory.Settings{URL: right.URL}},
		"fullImportEvery: -1h0m0s is no": {Settings: right, FullImportEvery: -time.Hour},
	} {
		_, err := s.Open(agent.Env{Name: "AD", Objects: []agent.Object{{Name: "user"}}})
		switch {
		case want == "" && err == nil:
		case err == nil || want == "" || !strings.Contains(err.Error(), want) || fault.Name(err) != "no-start-bad-ma-configuration":
			t.Errorf("%v, want %q", err, want)
		}
	}
	for changes, delta := range map[string]bool{"": true, "dirsync": true, "usn": true, "notify": false, "none": false} {
		s := Settings{Settings: right, Changes: changes}
		a, err := s.Open(agent.Env{Name: "AD", Objects: []agent.Object{{Name: "user"}}})
		if err != nil || a.Capabilities().DeltaImport != delta {
			t.Errorf("%q: %v, %v", changes, a, err)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	raw := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	if got := guidText(raw); got != text {
		t.Errorf("%s", got)
	}
	if got := guidRaw(strings.ToUpper(text)); got != raw {
		t.Errorf("%x", got)
	}
	for _, none := range []string{"", "x", text[1:]} {
		if got := guidRaw(none); got != none {
			t.Errorf("%q came back as %q", none, got)
		}
	}
	sid := []byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff\x03\x00\x00\x00\xf4\x01\x00\x00")
	const sidName = "S-1-5-21-1-4294967295-3-500"
	if got, err := sidText(sid); err != nil || got != sidName {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := sidRaw(sidName); err != nil || string(got) != string(sid) {
		t.Errorf("%x, %v", got, err)
	}
	for _, none := range []string{"", "S-1", "S-2-5-21", "S-1-5-x", "S-1-5-4294967296", "S-1-281474976710656-1"} {
		if got, err := sidRaw(none); err == nil {
			t.Errorf("%q is %x", none, got)
		}
	}
	for _, none := range []string{"", string(sid[:27]), "\x02" + string(sid[1:])} {
		if got, err := sidText([]byte(none)); err == nil {
			t.Errorf("%x is %q", none, got)
		}
	}
}

func TestValues(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 500_000, time.UTC)
	text, err := formatFileTime(identity.DateTime(at))
	if err != nil || text != "134143344000005000" {
		t.Errorf("%s, %v", text, err)
	}
	if v, err := parseFileTime([]byte(text)); err != nil || v != identity.DateTime(at) {
		t.Errorf("%v, %v", v, err)
	}
	for _, never := range []string{"0", "9223372036854775807"} {
		if v, err := parseFileTime([]byte(never)); err != nil || v.Type() != 0 {
			t.Errorf("%s: %v, %v", never, v, err)
		}
	}
	for _, none := range []string{"", "-1", "x"} {
		if v, err := parseFileTime([]byte(none)); err == nil {
			t.Errorf("%q is %v", none, v)
		}
	}
	if text, err := formatFileTime(identity.DateTime(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC))); err == nil {
		t.Errorf("%s", text)
	}
	if text, err := formatPassword(identity.String("Grüße𝄞")); err != nil || text != "\"\x00G\x00r\x00\xfc\x00\xdf\x00e\x00\x34\xd8\x1e\xdd\"\x00" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := formatTime(identity.DateTime(at)); err != nil || text != "20260131120000.0Z" {
		t.Errorf("%s, %v", text, err)
	}
}

// What a change wants of the switches, and what becomes of a number with other bits.
func TestWishes(t *testing.T) {
	mods := []directory.Modification{
		{Op: goldap.ReplaceAttribute, Name: "title", Values: []string{"Dr"}},
		{Op: goldap.ReplaceAttribute, Name: "ACCOUNTDISABLED", Values: []string{"TRUE"}},
		{Op: goldap.ReplaceAttribute, Name: "passwordNeverExpires"},
		{Op: goldap.ReplaceAttribute, Name: "mustChangePassword", Values: []string{"FALSE"}},
	}
	rest, w := wishes(mods)
	if len(rest) != 1 || rest[0].Name != "title" || w.mustChange == nil || *w.mustChange {
		t.Errorf("%v, %+v", rest, w)
	}
	if got := w.apply(0x10200 | 0x40000); got != 0x202|0x40000 {
		t.Errorf("%x", got)
	}
	names := []string{"ACCOUNTDISABLED", "passwordNeverExpires", "mustChangePassword"}
	if !slices.Equal(w.names, names) {
		t.Errorf("%q", w.names)
	}
}

func TestChangedSince(t *testing.T) {
	record := func(id uint32, usn uint64) []byte {
		b := make([]byte, 48)
		binary.LittleEndian.PutUint32(b, id)
		binary.LittleEndian.PutUint64(b[40:], usn)
		return b
	}
	header := func(version, n uint32) []byte {
		b := make([]byte, 16)
		binary.LittleEndian.PutUint32(b, version)
		binary.LittleEndian.PutUint32(b[8:], n)
		return b
	}
	whole := string(slices.Concat(header(1, 3), record(3, 10), record(0x906A0, 30), record(idName, 20)))
	for after, want := range map[int64][]uint32{5: {3, 0x906A0, idName}, 10: {0x906A0, idName}, 20: {0x906A0}, 30: nil} {
		if got, known := changedSince(whole, after); !known || !slices.Equal(got, want) {
			t.Errorf("after %d: %x, %v", after, got, known)
		}
	}
	for _, unknown := range []string{"", whole[:10], whole[:100], string(header(2, 0)), string(header(1, 1<<31))} {
		if got, known := changedSince(unknown, 0); known {
			t.Errorf("%x", got)
		}
	}
	if isNoise(nil) || !isNoise([]uint32{0x906A0, 0x900A9}) || isNoise([]uint32{0x906A0, 3}) {
		t.Error("noise")
	}
}

// Members of a group that change, and what nobody knows, are news; logons are not.
func TestNews(t *testing.T) {
	metadata := func(id uint32, usn uint64) string {
		b := make([]byte, 64)
		b[0], b[8] = 1, 1
		binary.LittleEndian.PutUint32(b[16:], id)
		binary.LittleEndian.PutUint64(b[56:], usn)
		return string(b)
	}
	entry := func(dn, guid, usn, metadata string, more ...string) *goldap.Entry {
		attributes := map[string][]string{"objectGUID": {guid}, "uSNChanged": {usn}, "replPropertyMetaData": {metadata}}
		for i := 0; i < len(more); i += 2 {
			attributes[more[i]] = []string{more[i+1]}
		}
		return goldap.NewEntry(dn, attributes)
	}
	const in, out = "CN=a,OU=x,DC=example", "CN=a,OU=y,DC=example"
	const title, lastLogon = 12, 0x906A0
	for name, test := range map[string]struct {
		entry *goldap.Entry
		want  bool
	}{
		"a title":                    {entry(in, "1", "11", metadata(title, 11)), true},
		"a title elsewhere":          {entry(out, "1", "11", metadata(title, 11)), false},
		"a rename elsewhere":         {entry(out, "1", "11", metadata(idName, 11)), true},
		"a logon":                    {entry(in, "1", "11", metadata(lastLogon, 11)), false},
		"a member":                   {entry(in, "1", "11", metadata(title, 5)), true},
		"what is not replicated":     {entry(in, "1", "10", metadata(title, 5)), false},
		"the same again":             {entry(in, "seen", "20", metadata(title, 20)), false},
		"a logon after a title":      {entry(in, "seen", "21", metadata(lastLogon, 21)), false},
		"what may not be seen":       {entry(in, "1", "", ""), true},
		"metadata that is not shown": {entry(in, "1", "11", ""), true},
		"a deletion":                 {entry("CN=a\\0ADEL:1,CN=Deleted Objects,DC=example", "1", "11", "", "isDeleted", "TRUE", "lastKnownParent", "OU=x,DC=example"), true},
		"a deletion elsewhere":       {entry("CN=a\\0ADEL:1,CN=Deleted Objects,DC=example", "1", "11", "", "isDeleted", "TRUE", "lastKnownParent", "<GUID=1>;OU=y,DC=example"), false},
		"a deletion with its parent": {entry("CN=a\\0ADEL:1,CN=Deleted Objects,DC=example", "1", "11", "", "isDeleted", "TRUE", "lastKnownParent", "OU=y\\0ADEL:2,CN=Deleted Objects,DC=example"), true},
	} {
		n := news{base: "OU=x,DC=example", begun: 10, seen: map[string]int64{"seen": 20}}
		if got := n.is(test.entry); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestInterpret(t *testing.T) {
	for _, test := range []struct {
		code       uint16
		text       string
		connecting bool
		name, hint string
	}{
		{49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1", true, "", "password of bindDN is wrong"},
		{49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 533, v1db1", true, "", "disabled"},
		{49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 773, v1db1", true, "", "change the password"},
		{49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 532, v1db1", true, "", "expired"},
		{49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 775, v1db1", true, "", "locked"},
		{49, "something else", true, "", ""},
		{53, "0000052D: SvcErr: DSID-031A1262, problem 5003 (WILL_NOT_PERFORM), data 0", false, "password-policy-violation", "password policy"},
		{53, "0000001F: SvcErr: DSID-031A1262, problem 5003 (WILL_NOT_PERFORM), data 0", false, "encryption-not-enabled", "ldaps"},
		{19, "000020B5: AtrErr: DSID-03153438, #1:", false, "dn-attributes-failure", "referred"},
		{50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0", false, "permission-issue", "right"},
		{1, "00000001: SvcErr", false, "", ""},
	} {
		name, hint := (*dialect)(nil).Interpret(goldap.NewError(test.code, errors.New(test.text)), test.connecting)
		if name != test.name || !strings.Contains(hint, test.hint) || test.hint == "" && hint != "" {
			t.Errorf("%s: %q, %q", test.text, name, hint)
		}
	}
	if name, hint := (*dialect)(nil).Interpret(errors.New("x"), true); name != "" || hint != "" {
		t.Errorf("%q, %q", name, hint)
	}
}
