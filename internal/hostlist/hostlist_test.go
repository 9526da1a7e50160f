package hostlist

import (
	"net/netip"
	"strings"
	"testing"
)

func TestHost(t *testing.T) {
	tests := []struct {
		entry, host string
		port        uint16
		usual, want bool
	}{
		{"api.example.org", "api.example.org", 443, true, true},
		{"api.example.org", "API.Example.ORG.", 443, true, true},
		{"api.example.org", "api.example.org", 8443, false, false},
		{"api.example.org", "x.api.example.org", 443, true, false},
		{"api.example.org", "api.example.org.evil.test", 443, true, false},
		{"api.example.org:8443", "api.example.org", 8443, false, true},
		{"api.example.org:8443", "api.example.org", 443, true, false},
		{"*.corp.example", "a.corp.example", 443, true, true},
		{"*.corp.example", "a.b.corp.example", 443, true, true},
		{"*.corp.example", "corp.example", 443, true, false},
		{"*.corp.example", "evilcorp.example", 443, true, false},
		{"10.0.0.0/8", "10.1.2.3", 443, true, true},
		{"10.0.0.0/8", "11.1.2.3", 443, true, false},
		{"10.0.0.0/8", "a.corp.example", 443, true, false},
		{"10.1.2.3:8080", "10.1.2.3", 8080, false, true},
		{"10.1.2.3:8080", "::ffff:10.1.2.3", 8080, false, true},
		{"[::1]:8080", "::1", 8080, false, true},
		{"::1", "::1", 80, true, true},
	}
	for _, test := range tests {
		list, err := ParseAll([]string{test.entry})
		if err != nil {
			t.Fatal(err)
		}
		if got := list.Host(test.host, test.port, test.usual); got != test.want {
			t.Errorf("%s grants %s:%d: %v", test.entry, test.host, test.port, got)
		}
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		entry, address string
		want           bool
	}{
		{"a.example", "93.184.216.34:443", true},
		{"a.example", "[2606:2800:220:1::1]:443", true},
		{"127.0.0.1:8080", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "127.0.0.1:8081", false},
		{"127.0.0.0/8", "127.0.0.1:8081", true},
		{"127.0.0.0/8", "[::ffff:127.0.0.1]:8081", true},
		{"127.0.0.0/8", "10.0.0.1:8081", false},
	}
	for _, private := range []string{
		"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
		"255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1",
	} {
		tests = append(tests, struct {
			entry, address string
			want           bool
		}{"a.example", netip.AddrPortFrom(netip.MustParseAddr(private), 443).String(), false})
	}
	for _, test := range tests {
		list, err := ParseAll([]string{test.entry})
		if err != nil {
			t.Fatal(err)
		}
		if got := list.Address(netip.MustParseAddrPort(test.address)); got != test.want {
			t.Errorf("%s grants a connection to %s: %v", test.entry, test.address, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for entry, want := range map[string]string{
		"": "want a name", "https://a.example": "it is a URL", "a.example/x": "a path", "*": "* can only stand", "a.*.example": "* can only stand",
		"a.example:": "no port", "a.example:0": "no port", "a.example:99999": "no port", "a example": "want a name", "*.": "* can only stand",
	} {
		if _, err := Parse(entry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
}
