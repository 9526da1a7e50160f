package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/metasync/metasync/engine/store"
)

// A postOffice is a mail server.
type postOffice struct {
	mu       sync.Mutex
	mails    []letter
	password string        // of the user sync; "" lets everybody in
	token    func() string // that the user has instead; nil is none
	refuses  string        // a recipient
	logins   int
}

type letter struct {
	from string
	to   []string
	data []byte
	tls  bool
}

type postSession struct {
	office *postOffice
	conn   *smtp.Conn
	letter letter
	known  bool
}

func (o *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &postSession{office: o, conn: c, known: o.password == "" && o.token == nil}, nil
}

func (s *postSession) AuthMechanisms() []string {
	if s.office.token != nil {
		return []string{xoauth2}
	}
	return []string{sasl.Plain}
}

const xoauth2 = "XOAUTH2"

// A tokenLogin is the server of XOAUTH2.
type tokenLogin struct{ *postSession }

func (l tokenLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	l.office.mu.Lock()
	defer l.office.mu.Unlock()
	if len(response) == 0 {
		return nil, false, nil
	}
	l.office.logins++
	if string(response) != "user=sync\x01auth=Bearer "+l.office.token()+"\x01\x01" {
		return nil, true, smtp.ErrAuthFailed
	}
	l.known = true
	return nil, true, nil
}

func (s *postSession) Auth(mechanism string) (sasl.Server, error) {
	if mechanism == xoauth2 {
		return tokenLogin{s}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.office.mu.Lock()
		defer s.office.mu.Unlock()
		s.office.logins++
		if username != "sync" || password != s.office.password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *postSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	_, secure := s.conn.TLSConnectionState()
	s.letter = letter{from: from, tls: secure}
	return nil
}

func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	if to == s.office.refuses {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.letter.to = append(s.letter.to, to)
	return nil
}

func (s *postSession) Data(r io.Reader) (err error) {
	if s.letter.data, err = io.ReadAll(r); err != nil {
		return err
	}
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.mails = append(s.office.mails, s.letter)
	return nil
}

func (s *postSession) Reset()        { s.letter = letter{} }
func (s *postSession) Logout() error { return nil }

// letters returns what has arrived.
func (o *postOffice) letters() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]letter(nil), o.mails...)
}

// serve opens the office on an address until the test ends or the returned function
// is called.
func (o *postOffice) serve(t *testing.T, address string, config *tls.Config, implicit bool) (at string, stop func()) {
	t.Helper()
	server := smtp.NewServer(o)
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "localhost", true, log.New(io.Discard, "", 0)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	at = listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, config)
	} else {
		server.TLSConfig = config
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Serve(listener) // an error when it is closed
		close(ended)
	}()
	stop = sync.OnceFunc(func() {
		_ = listener.Close() // which the server may not have yet
		_ = server.Close()
		<-ended
	})
	t.Cleanup(stop)
	return at, stop
}

// newCertificate returns the settings of a server on this machine, and the
// certificate that it is signed by.
func newCertificate(t *testing.T) (*tls.Config, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	data, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{data}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})
}

// Mail arrives whole, over each kind of connection, and over none that is not as the
// settings want it.
func TestMail(t *testing.T) {
	config, ca := newCertificate(t)
	_, otherCA := newCertificate(t)
	letterOf := func() *message {
		return &message{ID: "abc", Thread: "opened", To: "Ada <ada@example.org>", Subject: "HR: Zoë", Text: "plain ü\n", HTML: "<p>html ü</p>", Created: noon}
	}
	for _, tt := range []struct {
		name     string
		server   *tls.Config
		implicit bool
		password string // of the server
		change   func(*Mail)
		want     string // part of the error; "" for none
	}{
		{"starttls", config, false, "secret", func(*Mail) {}, ""},
		{"implicit", config, true, "secret", func(m *Mail) { m.TLS = Implicit }, ""},
		{"none", nil, false, "", func(m *Mail) { m.TLS, m.CA, m.Username = NoTLS, nil, "" }, ""},
		{"none, with a password", nil, false, "secret", func(m *Mail) { m.TLS, m.CA = NoTLS, nil }, ""},
		{"no log-in", config, false, "", func(m *Mail) { m.Username = "" }, ""},
		{"starttls is a must", nil, false, "secret", func(*Mail) {}, "STARTTLS"},
		{"another certificate", config, false, "secret", func(m *Mail) { m.CA = otherCA }, "certificate"},
		{"another certificate, implicit", config, true, "secret", func(m *Mail) { m.TLS, m.CA = Implicit, otherCA }, "certificate"},
		{"the machine's certificates", config, false, "secret", func(m *Mail) { m.CA = nil }, "certificate"},
		{"wrong password", config, false, "other", func(*Mail) {}, "535"},
		{"password forgotten", config, false, "secret", func(m *Mail) { m.Username = "" }, "authenticate"},
		{"not a certificate", config, false, "secret", func(m *Mail) { m.CA = []byte("x") }, "no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			office := &postOffice{password: tt.password}
			address, _ := office.serve(t, "127.0.0.1:0", tt.server, tt.implicit)
			settings := Mail{Server: address, CA: ca, Username: "sync", Password: "secret", From: "metasync <metasync@example.org>"}
			tt.change(&settings)
			m := newMailer(settings)
			defer m.idle()
			err := m.send(t.Context(), letterOf())
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if delivery := (*deliveryError)(nil); errors.As(err, &delivery) && delivery.refused {
					t.Errorf("%v is taken for the fault of the message", err)
				}
				if n := len(office.letters()); n > 0 {
					t.Errorf("%d letters have arrived", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := m.send(t.Context(), letterOf()); err != nil { // over the same connection
				t.Fatal(err)
			}
			got := office.letters()
			if len(got) != 2 || office.logins > 1 {
				t.Fatalf("%d letters, %d log-ins", len(got), office.logins)
			}
			if got[0].from != "metasync@example.org" || strings.Join(got[0].to, " ") != "ada@example.org" || got[0].tls != (tt.server != nil) {
				t.Errorf("from %s to %s, TLS %t", got[0].from, got[0].to, got[0].tls)
			}
			checkLetter(t, got[0].data)
		})
	}
}

func checkLetter(t *testing.T, data []byte) {
	t.Helper()
	parsed, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Subject": "HR: Zoë", "Message-Id": "<abc@example.org>", "References": "<opened@example.org>", "Auto-Submitted": "auto-generated",
		"Date": noon.Format(time.RFC1123Z), "To": `"Ada" <ada@example.org>`, "From": `"metasync" <metasync@example.org>`,
	} {
		got, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get(header))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", header, got, err, want)
		}
	}
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, parameters["boundary"])
	for _, want := range []struct{ kind, content string }{{"text/plain", "plain ü"}, {"text/html", "<p>html ü</p>"}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !strings.Contains(string(content), want.content) || !strings.HasPrefix(part.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%s: %q, %v", part.Header.Get("Content-Type"), content, err)
		}
	}
}

// A subject with line ends adds no header and no recipient.
func TestNoHeaderInjection(t *testing.T) {
	office := &postOffice{}
	address, _ := office.serve(t, "127.0.0.1:0", nil, false)
	m := newMailer(Mail{Server: address, TLS: NoTLS, From: "metasync@example.org"})
	defer m.idle()
	evil := "x\r\nBcc: eve@example.org\r\n\r\nbody\u2028\x00"
	if err := m.send(t.Context(), &message{ID: "a", To: "ada@example.org", Subject: evil, Text: evil, HTML: "x"}); err != nil {
		t.Fatal(err)
	}
	got := office.letters()
	parsed, err := netmail.ReadMessage(bytes.NewReader(got[0].data))
	if err != nil || len(got[0].to) != 1 || parsed.Header.Get("Bcc") != "" {
		t.Errorf("to %s, headers %v, %v", got[0].to, parsed.Header, err)
	}
	if err := m.send(t.Context(), &message{ID: "a", To: "ada@example.org\r\nBcc: eve@example.org", Subject: "x", Text: "x", HTML: "x"}); err == nil {
		t.Error("an address with a line end is accepted")
	}
}

// A recipient that the server refuses is the fault of that message.
func TestServerRefuses(t *testing.T) {
	office := &postOffice{refuses: "left@example.org"}
	address, _ := office.serve(t, "127.0.0.1:0", nil, false)
	m := newMailer(Mail{Server: address, TLS: NoTLS, From: "metasync@example.org"})
	defer m.idle()
	err := m.send(t.Context(), &message{ID: "a", To: "left@example.org", Subject: "x", Text: "x", HTML: "x"})
	if delivery := (*deliveryError)(nil); !errors.As(err, &delivery) || !delivery.refused || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("error %#v", err)
	}
	if err := m.send(t.Context(), &message{ID: "b", To: "ada@example.org", Subject: "x", Text: "x", HTML: "x"}); err != nil {
		t.Error(err)
	}
}

// A server that says nothing is given up when the process stops.
func TestSilentServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			accepted <- conn
		}
		cancel()
	}()
	m := newMailer(Mail{Server: listener.Addr().String(), TLS: NoTLS, From: "metasync@example.org"})
	if err := m.send(ctx, &message{ID: "a", To: "ada@example.org", Subject: "x", Text: "x", HTML: "x"}); err == nil {
		t.Error("a silent server has accepted it")
	} else if strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Errorf("it was not given up before its time was over: %v", err)
	}
	(<-accepted).Close()
}

// A real server that is down, comes back, and closes a connection that was kept.
func TestServerComesBack(t *testing.T) {
	config, ca := newCertificate(t)
	office := &postOffice{}
	address, stopServer := office.serve(t, "127.0.0.1:0", config, false)
	stopServer()
	st := store.NewMemory()
	begin := func() (*Notifier, func()) {
		n, err := New(Options{Store: st, Settings: Settings{
			Mail: &Mail{Server: address, CA: ca, From: "metasync@example.org", To: []string{"idm@example.org"}}, Policy: DefaultPolicy(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		n.pause = time.Millisecond
		return n, start(t, n)
	}
	n, stop := begin()
	n.Post(ended(1, "HR", "stopped-server"))
	until(t, "failures", func() bool { s, err := n.Status(); return err == nil && s.Failed > 2 && s.Queued == 1 })
	stop()
	n, stop = begin()
	defer stop()
	_, stopServer = office.serve(t, address, config, false)
	until(t, "the first mail", func() bool { return len(office.letters()) == 1 })
	stopServer()
	n.Post(ended(2, "HR", "success"))
	until(t, "more failures", func() bool { s, err := n.Status(); return err == nil && s.LastError != "" })
	office.serve(t, address, config, false)
	until(t, "the second mail", func() bool { return len(office.letters()) == 2 })
	for _, l := range office.letters() {
		if !l.tls {
			t.Error("a mail came in the clear")
		}
	}
}

// until waits until something is true.
func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !check(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestServerAddresses(t *testing.T) {
	for _, tt := range []struct {
		server     string
		tls        TLS
		host, port string
		loopback   bool
	}{
		{"smtp.example.org", "", "smtp.example.org", "587", false},
		{"smtp.example.org", Implicit, "smtp.example.org", "465", false},
		{"LOCALHOST", NoTLS, "LOCALHOST", "25", true},
		{"127.0.0.9:2525", NoTLS, "127.0.0.9", "2525", true},
		{"[::1]", NoTLS, "::1", "25", true},
		{"[::1]:26", NoTLS, "::1", "26", true},
		{"localhost.example.org:25", NoTLS, "localhost.example.org", "25", false},
		{"10.0.0.1", NoTLS, "10.0.0.1", "25", false},
	} {
		m := Mail{Server: tt.server, TLS: tt.tls}
		if host, port := m.Address(); host != tt.host || port != tt.port || m.IsLoopback() != tt.loopback {
			t.Errorf("%s: %s %s, loopback %t", tt.server, host, port, m.IsLoopback())
		}
	}
}
