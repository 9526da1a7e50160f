package config

import (
	"errors"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	ldapaddress "github.com/metasync/metasync/internal/ldapconn/address"
)

// Databases are those that scripts may ask, in the order of the file.
type Databases []Database

// A Database says where a database is. Its DSN is as the driver wants it; a path in it
// is relative to the configuration.
type Database struct {
	Name     string
	Driver   string
	DSN      string
	Write    bool // scripts may change what is in it
	Position fault.Position
}

// database is a database as it is written.
type database struct {
	Driver string `yaml:"driver,required" oneof:"postgres mysql sqlite sqlserver" doc:"What kind of database it is; mysql is MariaDB, too."`
	DSN    word   `yaml:"dsn,required" doc:"Where it is and who asks, as the driver has it: ${env:NAME} or ${file:PATH}, or at least its password is. Of sqlite it is the path of the file."`
	Write  bool   `yaml:"write" default:"false" doc:"Whether scripts may change what is in it, by sql.exec."`
}

// fileDriver is the driver whose DSN holds no password.
const fileDriver = "sqlite"

func (k *database) check(l *loader, n *node) {
	if k.DSN.text == "" || k.Driver == "" || k.Driver == fileDriver {
		return
	}
	if !isReference.MatchString(k.DSN.written) {
		l.fail(k.DSN.at, "a dsn may hold a password and must not stand in the configuration").Hint = "write ${env:NAME} or ${file:PATH}, for all of it or for the password"
	}
}

func (k *database) refine(s *jsonschema.Schema) {
	secret := &jsonschema.Schema{
		Required:   []string{"driver"},
		Properties: map[string]*jsonschema.Schema{"driver": {Enum: []any{"postgres", "mysql", "sqlserver"}}},
	}
	s.AllOf = append(s.AllOf, &jsonschema.Schema{If: secret, Then: &jsonschema.Schema{
		Properties: map[string]*jsonschema.Schema{"dsn": {Pattern: referencePattern}},
	}})
}

func (d *Databases) decode(l *loader, n *node) {
	var given named[database]
	given.decode(l, n)
	checkUnique(l, "database", given)
	for _, e := range given {
		k := e.value
		*d = append(*d, Database{e.name, k.Driver, k.DSN.text, k.Write, e.at})
	}
}

func (d *Databases) schema(g *generator) *jsonschema.Schema { return new(named[database]).schema(g) }

// Directories are those that scripts may ask, in the order of the file.
type Directories []Directory

// A Directory says where a directory server is and as whom to ask it.
type Directory struct {
	Name     string
	URL      string
	CA       string // absolute path of a file in PEM; "" is the authorities of the system
	StartTLS bool
	Insecure bool
	BindDN   string
	Password string
	Position fault.Position
}

// directory is a directory as it is written.
type directory struct {
	URL      word       `yaml:"url,required" doc:"ldaps:// or ldap:// with a host, and a port if it is not the usual one."`
	CA       agent.Path `yaml:"ca" doc:"File of certificates in PEM, of the authorities that the server is verified with instead of those of the system."`
	StartTLS bool       `yaml:"startTLS" default:"false" doc:"Whether the connection to an ldap:// URL is encrypted by StartTLS."`
	Insecure bool       `yaml:"insecure" default:"false" doc:"Whether everything may be sent in clear to another machine."`
	BindDN   string     `yaml:"bindDN" doc:"The name that is bound; without it nobody is."`
	Password word       `yaml:"password" doc:"The password: ${env:NAME} or ${file:PATH}, never the password itself."`
}

func (k *directory) check(l *loader, n *node) {
	l.needs(n, "password", "bindDN")
	l.needs(n, "bindDN", "password")
	if k.Password.text != "" && !isReference.MatchString(k.Password.written) {
		l.fail(k.Password.at, "the password must not stand in the configuration").Hint = "write ${env:NAME} or ${file:PATH}"
	}
	if k.URL.text == "" {
		return
	}
	if _, err := ldapaddress.Parse(k.URL.text, k.StartTLS, k.Insecure); err != nil {
		problem := l.fail(k.URL.at, "%s", err)
		if errors.Is(err, ldapaddress.ErrClear) {
			problem.Hint = "write ldaps://, startTLS: true, or insecure: true if that is meant"
		}
	}
}

func (k *directory) refine(s *jsonschema.Schema) {
	s.DependentRequired = map[string][]string{"bindDN": {"password"}, "password": {"bindDN"}}
	s.Properties["password"].Pattern = referencePattern
}

func (d *Directories) decode(l *loader, n *node) {
	var given named[directory]
	given.decode(l, n)
	checkUnique(l, "directory", given)
	for _, e := range given {
		k := e.value
		*d = append(*d, Directory{e.name, k.URL.text, string(k.CA), k.StartTLS, k.Insecure, k.BindDN, k.Password.text, e.at})
	}
}

func (d *Directories) schema(g *generator) *jsonschema.Schema {
	return new(named[directory]).schema(g)
}
