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
	Metrics     Metrics
	Position    fault.Position
}

// Metrics says who may read the metrics at the address of the console.
type Metrics struct {
	On    bool
	Token string // "" is everybody
}

// minToken is how long the token of the metrics is at least: a shorter one can be guessed.
const minToken = 16 // characters

// consoleForm is a console as it is written.
type consoleForm struct {
	Listen      word       `yaml:"listen" doc:"The address at which the daemon takes the calls of webhooks, such as 127.0.0.1:8080. Without it there is none."`
	Certificate agent.Path `yaml:"certificate" doc:"A file with the certificate of the daemon and those above it, in PEM: it then talks TLS."`
	Key         agent.Path `yaml:"key" doc:"The file with the key of the certificate, in PEM."`
	Insecure    bool       `yaml:"insecure" default:"false" doc:"Whether others than this machine may call without TLS: tokens can be read on the way, unless a proxy in front cares for that."`
	Metrics     bool       `yaml:"metrics" default:"false" doc:"Whether monitoring may read the metrics of the daemon, in the form of Prometheus, at /metrics."`
	Token       secretText `yaml:"metricsToken" doc:"The token that readers of the metrics must have: ${env:NAME} or ${file:PATH}. Only where no other machine can reach the address may it be missing."`
}

func (c *consoleForm) check(l *loader, n *node) {
	for _, key := range []string{"certificate", "key", "insecure", "metrics"} {
		l.needs(n, key, "listen")
	}
	l.needs(n, "metricsToken", "metrics")
	if at := n.get("metricsToken"); at != nil && c.Token != "" && len(c.Token) < minToken {
		l.fail(at.at, "the token of the metrics is shorter than %d characters, and could be guessed", minToken)
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
	if !loopback && c.Metrics && c.Token == "" {
		l.fail(n.get("metrics").at, "whoever reaches %q could read the metrics", c.Listen.written).Hint = "write metricsToken: ${env:NAME} or ${file:PATH}"
	}
}

func (c *consoleForm) refine(s *jsonschema.Schema) {
	s.DependentRequired = map[string][]string{
		"certificate": {"listen", "key"}, "key": {"listen", "certificate"}, "insecure": {"listen"},
		"metrics": {"listen"}, "metricsToken": {"metrics"},
	}
}

func (c *consoleForm) console() Console {
	return Console{
		Listen: c.Listen.text, Certificate: string(c.Certificate), Key: string(c.Key), Position: c.Listen.at,
		Metrics: Metrics{On: c.Metrics, Token: string(c.Token)},
	}
}
