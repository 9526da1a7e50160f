// Package hostlist decides which hosts of a network may be reached.
//
// A [List] holds what an administrator granted:
//
//	api.example.org         the host, at the usual port of the scheme
//	api.example.org:8443    the host, at this port
//	*.corp.example:8443     every host below the domain, not the domain itself
//	10.1.2.3, [fd00::1]:80  an address
//	10.0.0.0/8              all addresses of a network
//
// A name alone does not say where a connection goes: whoever holds its DNS record
// may point it at the machine itself or into the network behind it. So the
// address that is dialled is checked as well: one that is not public needs an
// entry of its own, an address or a network.
package hostlist

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A List is a list of entries.
type List []Entry

// An Entry grants hosts, see the package comment.
type Entry struct {
	name   string // lower case, without the *
	below  bool   // every host below name
	prefix netip.Prefix
	port   uint16 // 0 is the usual one
}

var namePattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// Parse reads an entry.
func Parse(text string) (Entry, error) {
	bad := func(problem string) (Entry, error) {
		return Entry{}, fmt.Errorf("%q is not a host: %s", text, problem)
	}
	if strings.Contains(text, "://") {
		return bad("it is a URL")
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return Entry{prefix: prefix.Masked()}, nil
	}
	if address, err := netip.ParseAddr(text); err == nil {
		return addressEntry(address, 0), nil
	}
	host, port := text, uint64(0)
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		var err error
		if port, err = strconv.ParseUint(text[i+1:], 10, 16); err != nil || port == 0 {
			return bad("it ends with no port")
		}
		host = text[:i]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return addressEntry(address, uint16(port)), nil
	}
	e := Entry{name: strings.ToLower(strings.TrimSuffix(host, ".")), port: uint16(port)}
	e.name, e.below = strings.CutPrefix(e.name, "*.")
	switch {
	case strings.Contains(e.name, "/"):
		return bad("a path cannot be granted")
	case strings.Contains(e.name, "*"):
		return bad("* can only stand at its beginning, before a dot")
	case !namePattern.MatchString(e.name):
		return bad("want a name, an address or a network")
	}
	return e, nil
}

func addressEntry(address netip.Addr, port uint16) Entry {
	address = address.Unmap().WithZone("")
	return Entry{prefix: netip.PrefixFrom(address, address.BitLen()), port: port}
}

// ParseAll reads a list of entries.
func ParseAll(texts []string) (List, error) {
	list := make(List, 0, len(texts))
	for _, text := range texts {
		e, err := Parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Host reports whether a host, as a URL names it, is granted at a port; usual says
// that it is the usual one of the scheme.
func (l List) Host(host string, port uint16, usual bool) bool {
	address, err := netip.ParseAddr(host)
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, e := range l {
		if e.port != port && (e.port != 0 || !usual) {
			continue
		}
		switch {
		case e.name == "":
			if err == nil && e.prefix.Contains(address.Unmap().WithZone("")) {
				return true
			}
		case err == nil:
		case e.below && strings.HasSuffix(host, "."+e.name), !e.below && host == e.name:
			return true
		}
	}
	return false
}

// Address reports whether a connection may be made to an address: it is public, or
// an entry grants it or its network. An entry without a port grants all ports.
func (l List) Address(address netip.AddrPort) bool {
	ip := address.Addr().Unmap().WithZone("")
	if IsPublic(ip) {
		return true
	}
	for _, e := range l {
		if e.name == "" && e.prefix.Contains(ip) && (e.port == 0 || e.port == address.Port()) {
			return true
		}
	}
	return false
}

// notPublic lists what IsGlobalUnicast and IsPrivate leave out of the registries
// of special addresses (RFC 6890): shared and reserved addresses, and those that
// hold another address, which may be anything.
var notPublic = func() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}()

// IsPublic reports whether an address is one of the public internet.
func IsPublic(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, prefix := range notPublic {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}
