// Package address reads the URLs of directory servers, and decides whether what is
// sent to one may be sent in clear. It knows no protocol, so that a configuration
// can be checked without one.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// An Address says where a directory server is, and how to talk to it.
type Address struct {
	Host     string // the name or address alone, which its certificate must be for
	Endpoint string // host:port
	TLS      bool   // from the first byte, as ldaps:// means
	StartTLS bool   // after a request
}

// Errors about the keys beside a URL.
var (
	ErrStartTLS = errors.New("startTLS has no meaning with ldaps://, which is encrypted from the first byte")
	ErrInsecure = errors.New("insecure has no meaning on an encrypted connection: certificates are always verified")
	ErrClear    = errors.New("ldap:// without startTLS would send names, passwords and answers in clear")
)

// Parse reads a URL, ldaps://host, ldap://host or either with a port. Without TLS it
// must lead to this machine, or be declared insecure.
func Parse(text string, startTLS, insecure bool) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return Address{}, fmt.Errorf("%q is not a URL such as ldaps://ldap.example.org", text)
	}
	port := u.Port()
	a := Address{Host: u.Hostname(), StartTLS: startTLS}
	switch u.Scheme {
	case "ldap":
		if port == "" {
			port = "389"
		}
	case "ldaps":
		a.TLS = true
		if port == "" {
			port = "636"
		}
	default:
		return Address{}, fmt.Errorf("%q does not begin with ldaps:// or ldap://", text)
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Address{}, fmt.Errorf("%q names more than a server and a port", text)
	}
	a.Endpoint = net.JoinHostPort(a.Host, port)
	switch {
	case a.TLS && startTLS:
		return Address{}, ErrStartTLS
	case insecure && (a.TLS || startTLS):
		return Address{}, ErrInsecure
	case !a.TLS && !startTLS && !insecure && !loopback(a.Host):
		return Address{}, ErrClear
	}
	return a, nil
}

// loopback reports whether a host is this machine. Another name may lead here or
// elsewhere, by whoever holds its record.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
