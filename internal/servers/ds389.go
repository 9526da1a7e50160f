//go:build unix

package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A DS389Server is a 389 Directory Server with the plug-in Retro Changelog, which keeps
// cn=changelog with the unique ids of entries.
type DS389Server struct {
	*Server
	URL       string // ldap://, which StartTLS can encrypt
	SecureURL string // ldaps://
	CA        string // file of the certificate that the server has

	Suffix   string // an entry that is there, and everything is below
	Admin    string // the name of the administrator
	Password string
}

// dsData is where the packages of 389 Directory Server keep what instances are made of.
const dsData = "/usr/share/dirsrv/data/template-dse.ldif"

// suffix389 makes a database for the suffix.
const suffix389 = `dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: dc=example,dc=org

dn: cn="dc=example,dc=org",cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: dc=example,dc=org
nsslapd-state: backend
nsslapd-backend: userRoot

dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example
`

// DS389 starts ns-slapd, with an instance that is all in the temporary folder.
func DS389() (*DS389Server, error) {
	slapd, err := find("ns-slapd")
	if err != nil {
		return nil, err
	}
	folder, err := folderFor("389ds", nil) // ns-slapd itself looks for its name in the path
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "config")
	securePort, err := freePort()
	if err == nil {
		err = instance(folder, config, securePort)
	}
	certificate := filepath.Join(folder, "certificate.pem")
	if err == nil {
		err = certify389(filepath.Join(folder, "cert"), certificate)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	out := &DS389Server{CA: certificate, Suffix: "dc=example,dc=org", Admin: "cn=Directory Manager", Password: "secret"}
	out.Server, err = launch(folder, program{
		signal: "TERM",
		command: func(s *Server) []string {
			if err := listen(filepath.Join(config, "dse.ldif"), s.Port); err != nil {
				return []string{"sh", "-c", "echo cannot set the port >&2; exit 1"}
			}
			return []string{slapd, "-D", config, "-i", filepath.Join(folder, "pid"), "-d", "0"}
		},
		ready: func(ctx context.Context, s *Server) error { return greets(ctx, s.Address, anonymousBind) },
	})
	if err != nil {
		return nil, err
	}
	out.URL = "ldap://" + out.Address
	out.SecureURL = "ldaps://" + net.JoinHostPort(out.Host, strconv.Itoa(securePort))
	if err := out.Load(suffix389); err != nil {
		out.Stop()
		return nil, err
	}
	return out, nil
}

// Load makes changes, as LDIF: entries to add, or records with changetype (RFC 2849).
func (s *DS389Server) Load(ldif string) error {
	return load(s.Server, s.URL, s.Admin, s.Password, ldif)
}

// instance writes the configuration of an instance, from the template that new ones are
// made of.
func instance(folder, config string, securePort int) error {
	text, err := os.ReadFile(dsData)
	if err != nil {
		return fmt.Errorf("389 Directory Server is not installed whole: %w", err)
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	values := []string{
		"%config_dir%", config, "%schema_dir%", filepath.Join(config, "schema"), "%ds_port%", "0", "%ds_user%", me.Username,
		"%fqdn%", "localhost", "%rootdn%", "cn=Directory Manager", "%ds_passwd%", "{CLEAR}secret", "%ds_suffix%", "dc=example,dc=org",
		"%db_lib%", "bdb", "%db_home_dir%", filepath.Join(folder, "db"), "%ldapi_enabled%", "off",
		"%ldapi_autobind%", "off", "%ldapi%", filepath.Join(folder, "ldapi"),
		"dn: cn=config\n", "dn: cn=config\nnsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n" +
			"nsslapd-security: on\nnsslapd-secureport: " + strconv.Itoa(securePort) + "\n",
	}
	// Nothing is synchronized with the disk: what a test writes need not survive the machine.
	values = append(values, "nsslapd-subtree-rename-switch: on\n", "nsslapd-subtree-rename-switch: on\nnsslapd-db-durable-transaction: off\n")
	for _, name := range []string{"lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "db"} {
		values = append(values, "%"+name+"_dir%", filepath.Join(folder, name))
		err = errors.Join(err, os.Mkdir(filepath.Join(folder, name), 0o700))
	}
	dse := strings.NewReplacer(values...).Replace(string(text))
	const plugin = "dn: cn=Retro Changelog Plugin,cn=plugins,cn=config\n"
	before, after, found := strings.Cut(dse, plugin)
	if !found {
		return fmt.Errorf("%s has no Retro Changelog", dsData)
	}
	after = strings.Replace(after, "nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1)
	return errors.Join(
		err,
		os.MkdirAll(filepath.Join(config, "schema"), 0o700),
		os.WriteFile(filepath.Join(config, "dse.ldif"), []byte(before+plugin+"nsslapd-attribute: nsuniqueid:targetUniqueId\n"+after), 0o600),
		os.WriteFile(filepath.Join(config, "schema", "99user.ldif"), []byte("dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\ncn: schema\n"), 0o600),
	)
}

// certify389 makes the database of certificates of an instance, with one of this machine
// that is its own authority, and writes that to a file, too.
func certify389(database, certificate string) error {
	certutil, err := find("certutil")
	if err != nil {
		return err
	}
	noise := filepath.Join(database, "noise")
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	if err := os.WriteFile(noise, random, 0o600); err != nil {
		return err
	}
	for _, arguments := range [][]string{
		{"-N", "--empty-password"},
		{
			"-S", "-x", "-n", "Server-Cert", "-s", "CN=localhost", "-t", "CTu,Cu,Cu", "-m", "1", "-v", "1", "-k", "rsa", "-g", "2048",
			"--extSAN", "dns:localhost,ip:127.0.0.1", "-z", noise,
		},
		{"-L", "-n", "Server-Cert", "-a", "-o", certificate},
	} {
		if err := prepare(database, nil, append([]string{certutil, "-d", database}, arguments...)...); err != nil {
			return err
		}
	}
	return os.Remove(noise)
}

var portLine = regexp.MustCompile(`(?m)^nsslapd-port: \d+`)

// listen writes the port into the configuration, which the server itself rewrites.
func listen(dse string, port int) error {
	text, err := os.ReadFile(dse)
	if err != nil {
		return err
	}
	return os.WriteFile(dse, portLine.ReplaceAll(text, []byte("nsslapd-port: "+strconv.Itoa(port))), 0o600)
}
