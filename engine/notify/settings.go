package notify

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Settings are what the administrator decides. The zero Settings tell nobody
// anything.
type Settings struct {
	Mail     *Mail // nil sends no mail
	Webhooks []Webhook
	Policy   Policy

	// Routes names agents whose mail goes to recipients of their own.
	Routes map[string][]string

	// Redact takes secrets out of a text; nil leaves it as it is.
	Redact func(string) string

	// Exists reports whether what an incident is about still exists. An incident of
	// which that is not true is resolved. nil is true for all.
	Exists func(Incident) bool
}

// configured reports whether anybody is told anything.
func (s *Settings) configured() bool { return s.Mail != nil || len(s.Webhooks) > 0 }

// recipients returns who gets mail about an agent.
func (s *Settings) recipients(agent string) []string {
	if to := s.Routes[agent]; len(to) > 0 {
		return to
	}
	return s.Mail.To
}

// everybody returns all who may get mail, each once.
func (s *Settings) everybody() []string {
	list := slices.Clone(s.Mail.To)
	for _, to := range s.Routes {
		list = append(list, to...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// A TLS says how a connection to a mail server is protected.
type TLS string

// The ways of protection.
const (
	StartTLS TLS = "starttls" // the connection must become a TLS one before anything is said; the default
	Implicit TLS = "implicit" // it is one from its first byte
	NoTLS    TLS = "none"     // everything, the password included, is readable on the way
)

// Mail is a mail server and who gets what through it.
type Mail struct {
	Server   string // host, or host:port; the usual port of the protection otherwise
	TLS      TLS    // "" is StartTLS
	CA       []byte // certificates in PEM that the server's may be signed by; nil is those of the machine
	Username string // "" logs in nowhere
	Password string
	OAuth    *OAuth // log in with its tokens, and no password; nil is not
	From     string
	To       []string
}

// Address returns host and port of the server.
func (m *Mail) Address() (host, port string) {
	if host, port, err := net.SplitHostPort(m.Server); err == nil {
		return host, port
	}
	host = strings.TrimSuffix(strings.TrimPrefix(m.Server, "["), "]")
	switch m.TLS {
	case Implicit:
		return host, "465"
	case NoTLS:
		return host, "25"
	}
	return host, "587"
}

// IsLoopback reports whether the server is on this machine, by its name alone.
func (m *Mail) IsLoopback() bool {
	host, _ := m.Address()
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// A Webhook is a URL that messages are posted to.
type Webhook struct {
	URL    string
	Secret string // for the signature; "" signs nothing
	CA     []byte // as in [Mail]
}

// A Policy decides which events lead to messages.
type Policy struct {
	// Ignore lists results of runs, whatever their case, that are no incident. They
	// resolve one like a success.
	Ignore []string

	// MaxErrors bounds how many errors each section of a message lists; 0 is all.
	MaxErrors int

	// Repeat is the time after which an incident that goes on is told again; 0 is
	// never.
	Repeat time.Duration

	// Digest is how long mail is gathered, to be sent as one; 0 sends each at once.
	Digest time.Duration

	// All tells every occurrence, and also each run without an error whose result is
	// not ignored.
	All bool
}

// DefaultPolicy is the policy of a configuration that says nothing.
func DefaultPolicy() Policy {
	return Policy{Ignore: []string{"success", "completed-no-objects"}, MaxErrors: 10, Repeat: 24 * time.Hour}
}

func (p *Policy) ignores(result string) bool {
	return slices.ContainsFunc(p.Ignore, func(s string) bool { return strings.EqualFold(s, result) })
}
