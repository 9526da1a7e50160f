package modules

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/internal/sqlconn"
)

// nameConnectionInvalid is the public name of what is wrong with a declared database
// or directory.
const nameConnectionInvalid = "script-connection-invalid"

// A DatabaseSpec declares a database that sql may ask.
type DatabaseSpec struct {
	Name     string
	Driver   string // see sqlconn
	DSN      string // relative paths are relative to the Base of the Env
	Write    bool   // sql.exec may change it
	Position fault.Position
}

// A DirectorySpec declares a directory that ldap may ask.
type DirectorySpec struct {
	Name     string
	URL      string
	CA       string // absolute path of a file in PEM; "" is the authorities of the Env
	StartTLS bool
	Insecure bool // without TLS, to another machine
	BindDN   string
	Password string
	Position fault.Position
}

// Connect makes what is declared ready to be used; it connects to nothing yet. The
// error names everything that is wrong with the declarations. Whoever connects an Env
// disconnects it, when no call uses it any more.
func (e *Env) Connect() error {
	var problems fault.List
	wrong := func(what, name string, at fault.Position, err error) {
		problems = append(problems, &fault.Error{
			Name: nameConnectionInvalid, Position: at, Text: fmt.Sprintf("%s %q", what, name), Err: err,
		})
	}
	e.databases = make(map[string]*database, len(e.Databases))
	for _, spec := range e.Databases {
		source, err := sqlconn.Parse(spec.Driver, spec.DSN, e.Base)
		if err != nil {
			wrong("database", spec.Name, spec.Position, err)
			continue
		}
		e.databases[spec.Name] = &database{name: spec.Name, source: source, write: spec.Write}
	}
	e.directories = make(map[string]*ldapconn.Pool, len(e.Directories))
	for _, spec := range e.Directories {
		roots, err := e.authorities(spec.CA)
		if err != nil {
			wrong("directory", spec.Name, spec.Position, err)
			continue
		}
		e.directories[spec.Name] = ldapconn.NewPool(ldapconn.Options{
			URL: spec.URL, StartTLS: spec.StartTLS, Insecure: spec.Insecure, Roots: roots, BindDN: spec.BindDN, Password: spec.Password,
		})
	}
	return problems.Err()
}

// Disconnect closes what was opened. Calls that come later fail.
func (e *Env) Disconnect() {
	for _, d := range e.databases {
		d.close()
	}
	for _, p := range e.directories {
		p.Close()
	}
}

// authorities returns the certificates that servers are verified with.
func (e *Env) authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return e.Roots, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: %w", file, errNoCertificate)
	}
	return roots, nil
}

var errNoCertificate = errors.New("there is no certificate in PEM in it")
