package config

import (
	"crypto/x509"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/notify"
)

// notifyForm is who is told what, as it is written.
type notifyForm struct {
	Mail     *mailForm     `yaml:"mail" doc:"Mail, and which events lead to messages."`
	Webhooks []webhookForm `yaml:"webhooks" doc:"URLs that messages are posted to as JSON."`
}

// mailForm is the mail, with the policy.
type mailForm struct {
	Server    mailServer    `yaml:"server,required" doc:"The mail server: a host, or host:port. Without a port it is 587, with tls: implicit 465, with tls: none 25."`
	TLS       string        `yaml:"tls" oneof:"starttls implicit none" default:"starttls" doc:"How the connection is protected. starttls: it must become a TLS connection before anything is said; implicit: it is one from the start; none: not at all, which is allowed on this machine only, or with insecure: true."`
	CA        certificates  `yaml:"ca" doc:"A file with the certificates, in PEM, that may have signed that of the server; otherwise those of the machine."`
	Insecure  bool          `yaml:"insecure" default:"false" doc:"Allows tls: none to another machine: mails and the password are readable on the way."`
	Username  string        `yaml:"username" doc:"The user of the mail server; without it nobody logs in."`
	Password  secretText    `yaml:"password" doc:"The password: ${env:NAME} or ${file:PATH}."`
	OAuth     *oauthForm    `yaml:"oauth" doc:"Where the access tokens come from with which the user logs in, in place of a password."`
	From      address       `yaml:"from,required" doc:"The address that mail comes from."`
	To        []address     `yaml:"to,required" doc:"The addresses that get mail, unless an agent has others. Each gets a mail of its own."`
	Ignore    []word        `yaml:"ignore" default:"[success, completed-no-objects]" doc:"Results of runs, whatever their case, that nobody is told of, and that resolve what was wrong. Steps that a threshold holds are told in any case."`
	MaxErrors int           `yaml:"maxErrors" default:"10" doc:"How many errors each section of a message lists; 0 is all that the run record has."`
	Repeat    time.Duration `yaml:"repeat" default:"24h" doc:"An incident that goes on is told again after this time; 0s is never."`
	Digest    time.Duration `yaml:"digest" default:"0s" doc:"How long mail to an address is gathered, to be sent as one; 0s sends each message at once."`
	All       bool          `yaml:"all" default:"false" doc:"Whether every occurrence is told, and not only what changes: also each successful run, unless its result is ignored."`
}

func (m *mailForm) check(l *loader, n *node) {
	l.needs(n, "password", "username")
	l.needs(n, "oauth", "username")
	if at := n.get("oauth"); at != nil && n.get("password") != nil {
		l.fail(at.at, "oauth and password exclude each other")
	} else if at == nil {
		l.needs(n, "username", "password")
	}
	if at := n.get("oauth"); at != nil && m.TLS == string(notify.NoTLS) {
		l.fail(at.at, "a token is not sent without TLS")
	}
	settings := m.settings()
	if at := n.get("tls"); at != nil && m.TLS == string(notify.NoTLS) && !m.Insecure && m.Server.text != "" && !settings.IsLoopback() {
		l.fail(at.at, "tls: none is for a server on this machine").Hint = "with insecure: true, mails and the password are readable on the way"
	}
	if at := n.get("insecure"); at != nil && m.Insecure && m.TLS != string(notify.NoTLS) {
		l.fail(at.at, "insecure has no meaning without tls: none")
	}
	if at := n.get("ca"); at != nil && m.TLS == string(notify.NoTLS) {
		l.fail(at.at, "ca has no meaning with tls: none")
	}
	if at := n.get("to"); at != nil && at.kind == listNode && len(at.items) == 0 {
		l.fail(at.at, "to needs at least one address")
	}
	if at := n.get("maxErrors"); at != nil && m.MaxErrors < 0 {
		l.fail(at.at, "maxErrors must not be negative")
	}
	l.unique(m.Ignore)
}

func (m *mailForm) refine(s *jsonschema.Schema) {
	s.Properties["to"].MinItems = ptr(1)
	s.Properties["maxErrors"].Minimum = ptr(0.0)
	s.Properties["ignore"].UniqueItems = true
	s.DependentRequired = map[string][]string{"password": {"username"}, "oauth": {"username"}}
}

// oauthForm is where access tokens come from, as it is written.
type oauthForm struct {
	TokenURL     hookURL      `yaml:"tokenURL,required" doc:"Where tokens are asked for: https, or http on this machine."`
	ClientID     string       `yaml:"clientID,required" doc:"The name of metasync there."`
	ClientSecret secretText   `yaml:"clientSecret" doc:"Its secret: ${env:NAME} or ${file:PATH}."`
	RefreshToken secretText   `yaml:"refreshToken" doc:"A token with which new ones are got, ${env:NAME} or ${file:PATH}, where client credentials do not do."`
	Scopes       []word       `yaml:"scopes" doc:"What the tokens are for, as https://outlook.office365.com/.default."`
	CA           certificates `yaml:"ca" doc:"A file with the certificates, in PEM, that may have signed that of the server; otherwise those of the machine."`
}

func (o *oauthForm) check(l *loader, n *node) {
	if o.TokenURL.text != "" && strings.HasPrefix(strings.ToLower(o.TokenURL.text), "http:") {
		at, err := url.Parse(o.TokenURL.text)
		if err == nil && at.Hostname() != "localhost" && !net.ParseIP(at.Hostname()).IsLoopback() {
			l.fail(o.TokenURL.at, "the secret would be sent in clear: https is needed")
		}
	}
	if n.get("clientSecret") == nil && n.get("refreshToken") == nil {
		l.fail(n.at, "oauth needs clientSecret or refreshToken")
	}
}

func (o *oauthForm) refine(s *jsonschema.Schema) {
	s.AnyOf = []*jsonschema.Schema{{Required: []string{"clientSecret"}}, {Required: []string{"refreshToken"}}}
}

func (o *oauthForm) settings() *notify.OAuth {
	if o == nil {
		return nil
	}
	return &notify.OAuth{
		TokenURL: o.TokenURL.text, ClientID: o.ClientID, ClientSecret: string(o.ClientSecret), RefreshToken: string(o.RefreshToken),
		Scopes: words(o.Scopes), CA: o.CA.pem,
	}
}

// settings returns the mail without the recipients.
func (m *mailForm) settings() *notify.Mail {
	return &notify.Mail{
		Server: m.Server.text, TLS: notify.TLS(m.TLS), CA: m.CA.pem,
		Username: m.Username, Password: string(m.Password), OAuth: m.OAuth.settings(), From: m.From.text,
	}
}

// webhookForm is a webhook as it is written.
type webhookForm struct {
	URL    hookURL      `yaml:"url,required" doc:"The URL: http or https."`
	Secret secretText   `yaml:"secret" doc:"The key that signs what is posted: ${env:NAME} or ${file:PATH}. Without it nothing is signed."`
	CA     certificates `yaml:"ca" doc:"A file with the certificates, in PEM, that may have signed that of the server; otherwise those of the machine."`
}

// agentNotify is who is told about an agent.
type agentNotify struct {
	To []address `yaml:"to" doc:"The addresses that get mail about this agent, in place of those of notify: mail."`
}

func (a *agentNotify) check(l *loader, n *node) {
	if at := n.get("to"); at != nil && at.kind == listNode && len(at.items) == 0 {
		l.fail(at.at, "to needs at least one address")
	}
}

func (a *agentNotify) refine(s *jsonschema.Schema) { s.Properties["to"].MinItems = ptr(1) }

// notify returns the settings of notifications, and notes recipients without a server.
func (l *loader) notify(k *keys) notify.Settings {
	s := notify.Settings{Policy: notify.DefaultPolicy()}
	if m := k.Notify.Mail; m != nil {
		s.Mail = m.settings()
		s.Mail.To = texts(m.To)
		s.Policy = notify.Policy{Ignore: words(m.Ignore), MaxErrors: m.MaxErrors, Repeat: m.Repeat, Digest: m.Digest, All: m.All}
	}
	seen := map[string]bool{}
	for _, w := range k.Notify.Webhooks {
		if seen[w.URL.text] && w.URL.text != "" {
			l.fail(w.URL.at, "this webhook is listed twice")
		}
		seen[w.URL.text] = true
		s.Webhooks = append(s.Webhooks, notify.Webhook{URL: w.URL.text, Secret: string(w.Secret), CA: w.CA.pem})
	}
	for _, e := range k.Agents {
		to := e.value.Notify.To
		if len(to) == 0 {
			continue
		}
		if s.Mail == nil {
			l.fail(to[0].at, "to has no meaning without notify: mail at the top")
			continue
		}
		if s.Routes == nil {
			s.Routes = map[string][]string{}
		}
		s.Routes[e.name] = texts(to)
	}
	return s
}

// An address is a mail address, with or without a name before it.
type address struct {
	text string
	at   fault.Position
}

func (a *address) decode(l *loader, n *node) {
	if !l.nonEmpty(n) {
		return
	}
	*a = address{n.text, n.at}
	parsed, err := mail.ParseAddress(n.text)
	if err != nil || strings.ContainsAny(n.text, "\r\n") || strings.ContainsAny(parsed.Address, " \t") {
		l.fail(n.at, "%q is no mail address", n.written)
	}
}

func (a *address) schema(*generator) *jsonschema.Schema { return textSchema() }

func texts(list []address) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.text)
	}
	return out
}

// A mailServer is a host, or host:port.
type mailServer struct{ text string }

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)

func (s *mailServer) decode(l *loader, n *node) {
	if !l.nonEmpty(n) {
		return
	}
	s.text = n.text
	host, port, err := net.SplitHostPort(n.text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(n.text, "["), "]"), "25"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			host = ""
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || !hostPattern.MatchString(host) {
		l.fail(n.at, "%q is neither a host nor host:port", n.written)
	}
}

func (s *mailServer) schema(*generator) *jsonschema.Schema { return textSchema() }

// A hookURL is a URL of http or https.
type hookURL struct {
	text string
	at   fault.Position
}

func (u *hookURL) decode(l *loader, n *node) {
	if !l.nonEmpty(n) {
		return
	}
	*u = hookURL{n.text, n.at}
	parsed, err := url.Parse(n.text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" {
		l.fail(n.at, "%q is no URL of http or https", n.written)
	}
}

func (u *hookURL) schema(*generator) *jsonschema.Schema { return textSchema() }

// A secretText is a text that must come from outside the configuration.
type secretText string

func (s *secretText) decode(l *loader, n *node) {
	if !l.nonEmpty(n) {
		return
	}
	if !isReference.MatchString(n.written) {
		l.fail(n.at, "a secret must not stand in the configuration").Hint = "write ${env:NAME} or ${file:PATH}"
		return
	}
	*s = secretText(n.text)
	addOnce(&l.secrets, n.text)
}

func (s *secretText) schema(g *generator) *jsonschema.Schema { return g.reference() }

// certificates are those in a file.
type certificates struct{ pem []byte }

func (c *certificates) decode(l *loader, n *node) {
	var file agent.Path
	l.fill(n, &file)
	if file == "" {
		return // it was reported
	}
	data, err := l.ReadFile(string(file))
	if err != nil {
		l.fail(n.at, "cannot read the file %s", n.written).Err = err
		return
	}
	addOnce(&l.files, string(file))
	if !x509.NewCertPool().AppendCertsFromPEM(data) {
		l.fail(n.at, "%s holds no certificate in PEM", n.written)
		return
	}
	c.pem = data
}

func (c *certificates) schema(*generator) *jsonschema.Schema { return textSchema() }
