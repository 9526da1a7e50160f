package config

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// A Console says at which address the daemon listens. Without Listen it only has
// its socket in the state folder.
type Console struct {
	Listen      string // host:port
	Certificate string // absolute paths of PEM files; "" is no TLS
	Key         string
	Position    fault.Position
}

// consoleForm is a console as it is written.
type consoleForm struct {
	Listen      word       `yaml:"listen" doc:"The address at which the daemon takes the calls of webhooks, such as 127.0.0.1:8080. Without it there is none."`
	Certificate agent.Path `yaml:"certificate" doc:"A file with the certificate of the daemon and those above it, in PEM: it then talks TLS."`
	Key         agent.Path `yaml:"key" doc:"The file with the key of the certificate, in PEM."`
	Insecure    bool       `yaml:"insecure" default:"false" doc:"Whether others than this machine may call without TLS: tokens can be read on the way, unless a proxy in front cares for that."`
}

func (c *consoleForm) check(l *loader, n *node) {
	for _, key := range []string{"certificate", "key", "insecure"} {
		l.needs(n, key, "listen")
	}
	l.needs(n, "certificate", "key")
	l.needs(n, "key", "certificate")
	if c.Listen.text == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Listen.text)
	if _, notNumber := strconv.ParseUint(port, 10, 16); err != nil || notNumber != nil {
		l.fail(c.Listen.at, "%q is not an address with a port", c.Listen.written).Hint = "write 127.0.0.1:8080"
		return
	}
	address, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && address.IsLoopback()
	if !loopback && c.Certificate == "" && !c.Insecure {
		e := l.fail(c.Listen.at, "%q is open to other machines, and needs a certificate and its key", c.Listen.written)
		e.Hint = "insecure: true does without, behind a proxy that talks TLS"
	}
}

func (c *consoleForm) refine(s *jsonschema.Schema) {
	s.DependentRequired = map[string][]string{
		"certificate": {"listen", "key"}, "key": {"listen", "certificate"}, "insecure": {"listen"},
	}
}

func (c *consoleForm) console() Console {
	return Console{Listen: c.Listen.text, Certificate: string(c.Certificate), Key: string(c.Key), Position: c.Listen.at}
}
