package address

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		url                string
		startTLS, insecure bool
		want               Address
		wantErr            string
	}{
		{url: "ldaps://ldap.example.org", want: Address{Host: "ldap.example.org", Endpoint: "ldap.example.org:636", TLS: true}},
		{url: "ldaps://ldap.example.org:1636/", want: Address{Host: "ldap.example.org", Endpoint: "ldap.example.org:1636", TLS: true}},
		{url: "ldap://ldap.example.org", startTLS: true, want: Address{Host: "ldap.example.org", Endpoint: "ldap.example.org:389", StartTLS: true}},
		{url: "ldap://ldap.example.org", insecure: true, want: Address{Host: "ldap.example.org", Endpoint: "ldap.example.org:389"}},
		{url: "ldap://127.0.0.1:3890", want: Address{Host: "127.0.0.1", Endpoint: "127.0.0.1:3890"}},
		{url: "ldap://[::1]", want: Address{Host: "::1", Endpoint: "[::1]:389"}},
		{url: "ldap://LOCALHOST", want: Address{Host: "LOCALHOST", Endpoint: "LOCALHOST:389"}},
		{url: "ldap://ldap.example.org", wantErr: "in clear"},
		{url: "ldap://localhost.example.org", wantErr: "in clear"},
		{url: "ldap://10.0.0.1", wantErr: "in clear"},
		{url: "ldaps://x", startTLS: true, wantErr: "startTLS has no meaning"},
		{url: "ldaps://x", insecure: true, wantErr: "insecure has no meaning"},
		{url: "ldap://x", startTLS: true, insecure: true, wantErr: "insecure has no meaning"},
		{url: "https://x", wantErr: "does not begin with ldaps://"},
		{url: "ldap.example.org", wantErr: "is not a URL"},
		{url: "ldaps://", wantErr: "is not a URL"},
		{url: "ldaps://ada@x", wantErr: "more than a server"},
		{url: "ldaps://x/dc=example", wantErr: "more than a server"},
		{url: "ldaps://x??sub", wantErr: "more than a server"},
	} {
		got, err := Parse(test.url, test.startTLS, test.insecure)
		switch {
		case test.wantErr != "":
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%s: %v, want %q", test.url, err, test.wantErr)
			}
		case err != nil || got != test.want:
			t.Errorf("%s: %+v, want %+v (%v)", test.url, got, test.want, err)
		}
	}
}
