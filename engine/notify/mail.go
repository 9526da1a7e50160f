package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
	"golang.org/x/oauth2"
)

// mailKey names the mail channel in the store.
const mailKey = "mail"

// mailTimeout bounds each exchange with a mail server.
const mailTimeout = 30 * time.Second

// A mailer sends through a mail server. It keeps the connection while there is more
// to send.
type mailer struct {
	settings Mail
	client   *mail.Client
	session  *smtp.Client
	raw      net.Conn
	tokens   oauth2.TokenSource
}

func newMailer(m Mail) *mailer { return &mailer{settings: m} }

func (*mailer) key() string { return mailKey }

func (m *mailer) name() string {
	host, port := m.settings.Address()
	return "mail through " + net.JoinHostPort(host, port)
}

// send implements channel. The server's refusal of the recipient or of the content is
// about the message, all else about the channel.
func (m *mailer) send(ctx context.Context, msg *message) error {
	composed, err := m.compose(msg)
	if err != nil {
		return &deliveryError{err: err, refused: true}
	}
	for {
		fresh := m.session == nil
		if fresh {
			if err := m.dial(ctx); err != nil {
				m.idle()
				return err
			}
		}
		raw := m.raw
		stop := context.AfterFunc(ctx, func() { raw.Close() })
		err := m.client.SendWithSMTPClient(m.session, composed)
		stop()
		if err == nil || composed.IsDelivered() {
			return nil
		}
		m.idle()
		// A connection that was kept open may have been closed by the server.
		if refused := isRefused(err); fresh || refused || ctx.Err() != nil {
			return &deliveryError{err: plain(err), refused: refused}
		}
	}
}

// isRefused reports whether a server has refused a recipient or a content for good. A
// refused sender is about all messages.
func isRefused(err error) bool {
	var refusal *mail.SendError
	if !errors.As(err, &refusal) || refusal.IsTemp() {
		return false
	}
	switch refusal.Reason {
	case mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
		return refusal.ErrorCode() >= 500
	}
	return false
}

// plain takes the Message-ID, which the log has anyway, out of an error.
func plain(err error) error {
	text, _, _ := strings.Cut(err.Error(), ", affected message ID")
	return errors.New(text)
}

// dial connects, protects the connection and logs in.
func (m *mailer) dial(ctx context.Context) error {
	host, port := m.settings.Address()
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("the port %q is no number", port)
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if m.settings.CA != nil {
		if config.RootCAs, err = pool(m.settings.CA); err != nil {
			return err
		}
	}
	options := []mail.Option{
		mail.WithPort(number), mail.WithTimeout(mailTimeout), mail.WithTLSConfig(config),
		mail.WithDialContextFunc(func(dialing context.Context, network, _ string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(dialing, network, net.JoinHostPort(host, port))
			if err != nil {
				return nil, err
			}
			m.raw = raw
			context.AfterFunc(dialing, func() {
				if ctx.Err() != nil { // not after dialing is over
					raw.Close()
				}
			})
			if m.settings.TLS != Implicit {
				return raw, nil
			}
			secure := tls.Client(raw, config)
			if err := secure.HandshakeContext(dialing); err != nil {
				return nil, errors.Join(err, raw.Close())
			}
			return secure, nil
		}),
	}
	switch m.settings.TLS {
	case Implicit:
		options = append(options, mail.WithSSL())
	case NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	switch {
	case m.settings.OAuth != nil:
		token, err := m.token(ctx)
		if err != nil {
			return err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthXOAUTH2), mail.WithUsername(m.settings.Username), mail.WithPassword(token))
	case m.settings.Username != "":
		mechanisms := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin}
		if m.settings.TLS == NoTLS { // as the configuration allows
			mechanisms = []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc}
		}
		options = append(options, mail.WithOpportunisticSMTPAuth(mechanisms...),
			mail.WithUsername(m.settings.Username), mail.WithPassword(m.settings.Password))
	}
	if m.client, err = mail.NewClient(host, options...); err != nil {
		return err
	}
	if m.session, err = m.client.DialToSMTPClientWithContext(ctx); err != nil {
		m.tokens = nil // the server may have refused the token
	}
	return err
}

// pool reads certificates.
func pool(pem []byte) (*x509.CertPool, error) {
	certificates := x509.NewCertPool()
	if !certificates.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in the file of ca")
	}
	return certificates, nil
}

// idle implements channel.
func (m *mailer) idle() {
	if m.session != nil {
		_ = m.client.CloseWithSMTPClient(m.session) // the server may have gone
	}
	if m.raw != nil {
		_ = m.raw.Close()
	}
	m.client, m.session, m.raw = nil, nil, nil
}

// compose writes a message as a mail with a text and an HTML part.
func (m *mailer) compose(msg *message) (*mail.Msg, error) {
	out := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := out.From(m.settings.From); err != nil {
		return nil, err
	}
	if err := out.To(msg.To); err != nil {
		return nil, err
	}
	out.Subject(line(msg.Subject, maxSubject))
	domain := domainOf(m.settings.From)
	out.SetMessageIDWithValue(msg.ID + "@" + domain)
	if msg.Thread != "" && msg.Thread != msg.ID {
		out.SetGenHeader(mail.HeaderReferences, "<"+msg.Thread+"@"+domain+">")
	}
	out.SetDateWithValue(msg.Created)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no answer of an absence
	out.SetBodyString(mail.TypeTextPlain, msg.Text)
	out.AddAlternativeString(mail.TypeTextHTML, pageStart+msg.HTML+pageEnd)
	return out, nil
}

// domainOf returns the domain of an address, for the right side of a Message-ID.
func domainOf(address string) string {
	if parsed, err := netmail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return address[i+1:]
	}
	return "metasync"
}
