//go:build unix

package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An OpenLDAPServer is a directory with content synchronization (the overlay syncprov),
// a log of its changes (cn=accesslog), memberOf and password policies. Any name may
// read; the administrator may do anything; what is right below ou=limited gets four
// entries of a search.
type OpenLDAPServer struct {
	*Server
	URL       string // ldap://, which StartTLS can encrypt
	SecureURL string // ldaps://
	CA        string // file of the certificate that the server has

	Suffix   string // an entry that is there, and everything is below
	Admin    string // the name of the administrator
	Password string
}

//go:embed slapd.conf
var slapdConf string

// anonymousBind is the request of a bind as nobody (RFC 4511 §4.2).
var anonymousBind = []byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00}

// OpenLDAP starts slapd.
func OpenLDAP() (*OpenLDAPServer, error) { return OpenLDAPWith("") }

// OpenLDAPWith starts slapd with the entries of an LDIF file, "" is none, below those
// that are there in any case. It is how to have many: [OpenLDAPServer.Load] takes half a
// millisecond for each.
func OpenLDAPWith(entries string) (*OpenLDAPServer, error) {
	slapd, err := find("slapd", "/usr/lib/openldap", "/usr/local/libexec")
	if err != nil {
		return nil, err
	}
	slapadd, err := find("slapadd")
	if err != nil {
		return nil, err
	}
	folder, err := folderFor("slapd", nil)
	if err != nil {
		return nil, err
	}
	out := &OpenLDAPServer{
		CA: filepath.Join(folder, "certificate.pem"), Suffix: "dc=example,dc=org", Admin: "cn=admin,dc=example,dc=org", Password: "secret",
	}
	conf := filepath.Join(folder, "slapd.conf")
	suffix := filepath.Join(folder, "suffix.ldif")
	err = errors.Join(
		os.Mkdir(filepath.Join(folder, "db"), 0o700),
		os.Mkdir(filepath.Join(folder, "accesslog"), 0o700),
		certify(out.CA, filepath.Join(folder, "key.pem"), time.Now().Add(48*time.Hour)),
		os.WriteFile(conf, []byte(strings.ReplaceAll(slapdConf, "@FOLDER@", folder)), 0o600),
		os.WriteFile(suffix, []byte("dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n"), 0o600),
	)
	if err == nil {
		err = prepare(folder, nil, slapadd, "-f", conf, "-b", out.Suffix, "-l", suffix)
	}
	if err == nil && entries != "" {
		err = prepare(folder, nil, slapadd, "-q", "-f", conf, "-b", out.Suffix, "-l", entries)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	secure := ""
	out.Server, err = launch(folder, program{
		signal: "TERM",
		place: func() (string, int, error) {
			port, err := freePort()
			securePort, wrong := freePort()
			secure = net.JoinHostPort(loopback, strconv.Itoa(securePort))
			return loopback, port, errors.Join(err, wrong)
		},
		command: func(s *Server) []string {
			return []string{slapd, "-f", conf, "-h", "ldap://" + s.Address + " ldaps://" + secure, "-d", "0"}
		},
		ready: func(ctx context.Context, s *Server) error { return greets(ctx, s.Address, anonymousBind) },
	})
	if err != nil {
		return nil, err
	}
	out.URL, out.SecureURL = "ldap://"+out.Address, "ldaps://"+secure
	return out, nil
}

// Load makes changes, as LDIF: entries to add, or records with changetype (RFC 2849).
func (s *OpenLDAPServer) Load(ldif string) error {
	return load(s.Server, s.URL, s.Admin, s.Password, ldif)
}

// Recertify gives the server a certificate that is good until a time, which may have passed,
// in place of the one it has, and restarts it.
func (s *OpenLDAPServer) Recertify(until time.Time) error {
	if err := certify(s.CA, filepath.Join(s.folder, "key.pem"), until); err != nil {
		return err
	}
	return s.Restart()
}

func load(s *Server, url, admin, password, ldif string) error {
	modify, err := find("ldapmodify")
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(s.folder, "load-*.ldif") // tests use a server together
	if err != nil {
		return err
	}
	_, err = file.WriteString(ldif)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return prepare(s.folder, nil, modify, "-a", "-x", "-H", url, "-D", admin, "-w", password, "-f", file.Name())
}

// certify writes a certificate of this machine that is its own authority, and its key. It
// is good for 127.0.0.1 and further addresses, until a time.
func certify(certificate, key string, until time.Time, further ...net.IP) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: until.Add(-1000 * time.Hour), NotAfter: until,
		DNSNames: []string{"localhost"}, IPAddresses: append(further, net.IPv4(127, 0, 0, 1)),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
}
