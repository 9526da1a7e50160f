package directory

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/internal/ldapconn/address"
)

const (
	defaultConnections = 4
	maxConnections     = 64
	defaultTimeout     = 2 * time.Minute
)

// Settings are the keys that every kind of directory server has.
type Settings struct {
	URL           string        `yaml:"url,required" doc:"ldaps:// or ldap:// with a host, and a port if it is not the usual one"`
	StartTLS      bool          `yaml:"startTLS" doc:"whether the connection to an ldap:// URL is encrypted by StartTLS" default:"false"`
	Insecure      bool          `yaml:"insecure" doc:"whether everything may be sent in clear to another machine" default:"false"`
	CA            agent.Path    `yaml:"ca" doc:"file of certificates in PEM, of the authorities that the server is verified with instead of those of the system"`
	BindDN        string        `yaml:"bindDN" doc:"the name that is bound; without it nobody is"`
	Password      agent.Secret  `yaml:"password" doc:"the password: ${env:NAME} or ${file:PATH}"`
	Base          []string      `yaml:"base,required" doc:"the names below which the objects are; several are partitions"`
	Connections   int           `yaml:"connections" doc:"how many connections an export uses at most" default:"4"`
	Timeout       time.Duration `yaml:"timeout" doc:"how long the server may say nothing while it is asked, before the connection counts as lost" default:"2m"`
	CreateParents bool          `yaml:"createParents" doc:"whether an export creates the containers that a new object lacks" default:"false"`
	DeleteSubtree bool          `yaml:"deleteSubtree" doc:"whether the deletion of an object deletes everything below it" default:"false"`
}

// Options say what an agent for directories is.
type Options struct {
	Settings
	Dialect Dialect

	Deltas            bool   // delta imports are possible
	PasswordAttribute string // can only be written, and over an encrypted connection only
	ReferencesApart   bool   // new objects are created without their references, which follow
	PasswordModify    bool   // passwords are written by an operation of their own (RFC 3062), where the server has it
}

// ObjectSettings are the keys of an object type.
type ObjectSettings struct {
	Class     string   `yaml:"class" doc:"the structural object class" default:"the name of the object type"`
	Auxiliary []string `yaml:"auxiliary" doc:"auxiliary object classes, which new objects get"`
	Filter    string   `yaml:"filter" doc:"which entries of the class are objects of the type, as an LDAP filter"`
	RDN       string   `yaml:"rdn" doc:"the attribute that names of objects begin with; others are refused"`
}

// A Directory is the agent. It is safe for concurrent use.
type Directory struct {
	name     string
	log      *slog.Logger
	settings Options
	dialect  Dialect
	secure   bool // what is sent is encrypted
	bases    []identity.DN
	objects  []agent.Object
	asksEach atomic.Bool // the server tells of several new entries no faster than of each, see anchors.go
}

var (
	_ agent.Agent        = (*Directory)(nil)
	_ agent.Importer     = (*Directory)(nil)
	_ agent.Exporter     = (*Directory)(nil)
	_ agent.ObjectReader = (*Directory)(nil)
	_ agent.Partitioner  = (*Directory)(nil)
	_ agent.Hierarchical = (*Directory)(nil)
)

// Open checks the settings and returns the agent. Errors are named
// no-start-bad-ma-configuration.
func Open(env agent.Env, s Options) (*Directory, error) {
	d, err := Prepare(env, s)
	if err != nil {
		return nil, err
	}
	if len(env.Objects) == 0 {
		err := d.Misconfigured("no object type is described")
		err.Hint = "metasync discover " + d.name + " tells what the server has"
		return nil, err
	}
	for i := range d.objects {
		if err := d.checkObject(&d.objects[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Prepare checks the settings and not the object types, and returns an agent for
// [Directory.Discover] alone.
func Prepare(env agent.Env, s Options) (*Directory, error) {
	d := &Directory{name: env.Name, log: env.Log, settings: s, dialect: s.Dialect, objects: env.Objects}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.settings.Connections = cmp.Or(s.Connections, defaultConnections)
	d.settings.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	to, err := address.Parse(s.URL, s.StartTLS, s.Insecure)
	if err != nil {
		problem := d.Misconfigured("url: %s", err)
		if errors.Is(err, address.ErrClear) {
			problem.Hint = "write ldaps://, startTLS: true, or insecure: true if that is meant"
		}
		return nil, problem
	}
	d.secure = to.TLS || to.StartTLS
	switch {
	case (s.BindDN == "") != (s.Password == ""):
		return nil, d.Misconfigured("bindDN and password belong together")
	case len(s.Base) == 0:
		return nil, d.Misconfigured("base is missing")
	case d.settings.Connections < 1 || d.settings.Connections > maxConnections:
		return nil, d.Misconfigured("connections: %d is not between 1 and %d", s.Connections, maxConnections)
	case d.settings.Timeout < 0:
		return nil, d.Misconfigured("timeout: %s is no length of time", s.Timeout)
	}
	for _, base := range s.Base {
		dn, err := identity.ParseDN(base)
		if err != nil || len(dn) == 0 {
			return nil, d.Misconfigured("base: %q is not a distinguished name", base)
		}
		for i, other := range d.bases {
			if IsWithin(dn, other) || IsWithin(other, dn) {
				return nil, d.Misconfigured("base: %q and %q overlap, so an object would be in both", s.Base[i], base)
			}
		}
		d.bases = append(d.bases, dn)
	}
	return d, nil
}

func (d *Directory) checkObject(o *agent.Object) error {
	problem := ""
	keys := objectKeys(o)
	if len(o.Anchor) > 0 {
		problem = "the anchor is what the server gives, so there is nothing to configure"
	} else if _, err := ldap.CompileFilter(keys.filterOr("(objectClass=*)")); err != nil {
		problem = fmt.Sprintf("%q is not a filter: %v", keys.Filter, err)
	}
	if problem == "" {
		return nil
	}
	err := d.Misconfigured("object type %q: %s", o.Name, problem)
	err.Position = o.Position
	return err
}

func objectKeys(o *agent.Object) ObjectSettings {
	keys, _ := o.Settings.(*ObjectSettings)
	if keys == nil {
		keys = new(ObjectSettings)
	}
	out := *keys
	out.Class = cmp.Or(out.Class, o.Name)
	return out
}

func (o *ObjectSettings) filterOr(otherwise string) string {
	filter := strings.TrimSpace(o.Filter)
	if filter != "" && !strings.HasPrefix(filter, "(") {
		filter = "(" + filter + ")"
	}
	return cmp.Or(filter, otherwise)
}

// IsWithin reports whether a name is that of a container or of something below it.
func IsWithin(dn, container identity.DN) bool {
	return len(dn) >= len(container) && dn[len(dn)-len(container):].Fold() == container.Fold()
}

// inBase reports whether a name is below one of the bases, or a base.
func (d *Directory) inBase(dn identity.DN) bool {
	return slices.ContainsFunc(d.bases, func(base identity.DN) bool { return IsWithin(dn, base) })
}

// Capabilities implements agent.Agent.
func (d *Directory) Capabilities() agent.Capabilities {
	return agent.Capabilities{
		LDAPNames: true, IgnoreCase: true, NoEmptyText: true, ExportLevel: agent.ValueLevel,
		DeltaImport: d.settings.Deltas, NoReferencesInFirstExport: d.settings.ReferencesApart,
		ReferencesStay: !d.settings.ReferencesApart,
	}
}

// Partitions implements agent.Partitioner: every base is one, unless there is only one.
func (d *Directory) Partitions(ctx context.Context) ([]agent.Partition, error) {
	if len(d.bases) == 1 {
		return nil, ctx.Err()
	}
	var list []agent.Partition
	for _, base := range d.settings.Base {
		list = append(list, agent.Partition{Name: base, Root: base})
	}
	return list, ctx.Err()
}

// base returns the base of a partition.
func (d *Directory) base(partition string) (string, error) {
	if partition == "" && len(d.bases) == 1 {
		return d.settings.Base[0], nil
	}
	if slices.Contains(d.settings.Base, partition) {
		return partition, nil
	}
	return "", d.Fault("no-start-partition-not-configured", "there is no base %q", partition)
}

// ContainerFilter matches what entries of a directory are usually below.
const ContainerFilter = "(|(objectClass=organizationalUnit)(objectClass=organization)(objectClass=domain)(objectClass=dcObject)" +
	"(objectClass=locality)(objectClass=country)(objectClass=container)(objectClass=nsContainer))"

// Hierarchy implements agent.Hierarchical.
func (d *Directory) Hierarchy(ctx context.Context, parent string) ([]agent.Container, error) {
	if parent == "" {
		var list []agent.Container
		for _, base := range d.settings.Base {
			list = append(list, agent.Container{DN: base})
		}
		return list, ctx.Err()
	}
	c, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found, err := c.Search(ctx, ldapconn.Search{Base: parent, Scope: ldapconn.ScopeOne, Filter: ContainerFilter, Attributes: []string{"1.1"}})
	if err != nil {
		return nil, d.Failed("no-start-connection", err)
	}
	list := make([]agent.Container, len(found))
	for i := range found {
		list[i] = agent.Container{DN: found[i].DN}
	}
	return list, nil
}

// Connect opens a connection. The error is named as one before anything was done.
func (d *Directory) Connect(ctx context.Context) (*ldapconn.Conn, error) {
	return d.connectAs(ctx, "no-start-connection")
}

// connectAs opens a connection, and names the error.
func (d *Directory) connectAs(ctx context.Context, name string) (*ldapconn.Conn, error) {
	s := &d.settings
	options := ldapconn.Options{
		URL: s.URL, StartTLS: s.StartTLS, Insecure: s.Insecure, BindDN: s.BindDN, Password: string(s.Password), Timeout: s.Timeout,
	}
	if s.CA != "" {
		certificates, err := os.ReadFile(string(s.CA))
		if err != nil {
			return nil, d.Misconfigured("ca: %s", err)
		}
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM(certificates) {
			return nil, d.Misconfigured("ca: %s holds no certificate in PEM", s.CA)
		}
	}
	c, err := ldapconn.Dial(ctx, options)
	if err != nil {
		return nil, d.Failed(name, err)
	}
	return c, nil
}

// Misconfigured returns the error about a setting.
func (d *Directory) Misconfigured(format string, args ...any) *fault.Error {
	return d.Fault("no-start-bad-ma-configuration", format, args...)
}

// Log returns the log of the agent.
func (d *Directory) Log() *slog.Logger { return d.log }

// Fault returns an error of the agent with a name of the reference.
func (d *Directory) Fault(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Agent = d.name
	return err
}

// Failed names what ends a call: credentials that the server refuses by their own
// name, a context as it is, a named error too, and anything else by the given one.
func (d *Directory) Failed(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || fault.Name(err) != "":
		return err
	case refusesCredentials(err):
		if strings.HasPrefix(name, "no-start-") {
			name = "no-start-credentials"
		} else {
			name = "stopped-bad-server-credentials"
		}
	case name == "stopped-import-read" && !ldapconn.Answered(err):
		name = "stopped-connectivity"
	}
	out := fault.Wrap(name, err)
	out.Agent = d.name
	if e, ok := d.dialect.(Interpreter); ok && d.settings.BindDN != "" {
		_, out.Hint = e.Interpret(err, true)
	}
	return out
}

// refusesCredentials reports whether a server does not let the name in: servers say of an
// account that is locked or has expired that they are unwilling, or that a rule forbids it.
func refusesCredentials(err error) bool {
	return IsCode(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication) ||
		errors.Is(err, ldapconn.ErrBind) &&
			IsCode(err, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation, ldap.LDAPResultNoSuchObject)
}
