package ldap

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
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/internal/ldapconn/address"
)

// Kind is the kind of agent that configurations call ldap.
var Kind = agent.Kind{
	Name:      "ldap",
	Doc:       "A directory server: OpenLDAP, 389 Directory Server, and others.",
	New:       func() agent.Settings { return &Settings{Connections: defaultConnections} },
	NewObject: func() any { return new(ObjectSettings) },
}

const (
	defaultConnections = 4
	maxConnections     = 64
	defaultFullEvery   = 24 * time.Hour
	defaultAccessLog   = "cn=accesslog"
)

// Settings is the configuration of an ldap agent.
type Settings struct {
	URL             string        `yaml:"url,required" doc:"ldaps:// or ldap:// with a host, and a port if it is not the usual one"`
	StartTLS        bool          `yaml:"startTLS" doc:"whether the connection to an ldap:// URL is encrypted by StartTLS" default:"false"`
	Insecure        bool          `yaml:"insecure" doc:"whether everything may be sent in clear to another machine" default:"false"`
	CA              agent.Path    `yaml:"ca" doc:"file of certificates in PEM, of the authorities that the server is verified with instead of those of the system"`
	BindDN          string        `yaml:"bindDN" doc:"the name that is bound; without it nobody is"`
	Password        string        `yaml:"password" doc:"the password: ${env:NAME} or ${file:PATH}"`
	Base            []string      `yaml:"base,required" doc:"the names below which the objects are; several are partitions"`
	Connections     int           `yaml:"connections" doc:"how many connections an export uses at most" default:"4"`
	Changes         string        `yaml:"changes" oneof:"auto syncrepl accesslog changelog timestamp none" doc:"where delta imports learn what changed" default:"auto"`
	AccessLog       string        `yaml:"accessLog" doc:"the name of the log that changes: accesslog reads" default:"cn=accesslog"`
	FullImportEvery time.Duration `yaml:"fullImportEvery" doc:"with changes: timestamp, after what time a delta import asks for a full one" default:"24h"`
	CreateParents   bool          `yaml:"createParents" doc:"whether an export creates the containers that a new object lacks" default:"false"`
	DeleteSubtree   bool          `yaml:"deleteSubtree" doc:"whether the deletion of an object deletes everything below it" default:"false"`
	Passwords       string        `yaml:"passwords" oneof:"modify exop" doc:"how userPassword is written" default:"modify"`
}

// ObjectSettings are the keys of an object type of an ldap agent.
type ObjectSettings struct {
	Class     string   `yaml:"class" doc:"the structural object class" default:"the name of the object type"`
	Auxiliary []string `yaml:"auxiliary" doc:"auxiliary object classes, which new objects get"`
	Filter    string   `yaml:"filter" doc:"which entries of the class are objects of the type, as an LDAP filter"`
	RDN       string   `yaml:"rdn" doc:"the attribute that names of objects begin with; others are refused"`
}

// A directory is the agent. It is safe for concurrent use.
type directory struct {
	name     string
	log      *slog.Logger
	settings Settings
	secure   bool // what is sent is encrypted
	bases    []identity.DN
	objects  []agent.Object
}

var (
	_ agent.Agent        = (*directory)(nil)
	_ agent.Importer     = (*directory)(nil)
	_ agent.Exporter     = (*directory)(nil)
	_ agent.ObjectReader = (*directory)(nil)
	_ agent.Partitioner  = (*directory)(nil)
	_ agent.Hierarchical = (*directory)(nil)
)

// Open checks the settings and returns the agent. Errors are named
// no-start-bad-ma-configuration.
func (s *Settings) Open(env agent.Env) (agent.Agent, error) { return s.open(env) }

func (s *Settings) open(env agent.Env) (*directory, error) {
	d := &directory{name: env.Name, log: env.Log, settings: *s, objects: env.Objects}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.settings.Changes = cmp.Or(s.Changes, "auto")
	d.settings.Passwords = cmp.Or(s.Passwords, "modify")
	d.settings.AccessLog = cmp.Or(s.AccessLog, defaultAccessLog)
	d.settings.FullImportEvery = cmp.Or(s.FullImportEvery, defaultFullEvery)
	d.settings.Connections = cmp.Or(s.Connections, defaultConnections)
	to, err := address.Parse(s.URL, s.StartTLS, s.Insecure)
	if err != nil {
		problem := d.misconfigured("url: %s", err)
		if errors.Is(err, address.ErrClear) {
			problem.Hint = "write ldaps://, startTLS: true, or insecure: true if that is meant"
		}
		return nil, problem
	}
	d.secure = to.TLS || to.StartTLS
	switch {
	case (s.BindDN == "") != (s.Password == ""):
		return nil, d.misconfigured("bindDN and password belong together")
	case len(s.Base) == 0:
		return nil, d.misconfigured("base is missing")
	case d.settings.Connections < 1 || d.settings.Connections > maxConnections:
		return nil, d.misconfigured("connections: %d is not between 1 and %d", s.Connections, maxConnections)
	case d.settings.FullImportEvery < 0:
		return nil, d.misconfigured("fullImportEvery: %s is no length of time", s.FullImportEvery)
	case len(env.Objects) == 0:
		return nil, d.misconfigured("no object type is described")
	}
	for _, base := range s.Base {
		dn, err := identity.ParseDN(base)
		if err != nil || len(dn) == 0 {
			return nil, d.misconfigured("base: %q is not a distinguished name", base)
		}
		for i, other := range d.bases {
			if isWithin(dn, other) || isWithin(other, dn) {
				return nil, d.misconfigured("base: %q and %q overlap, so an object would be in both", s.Base[i], base)
			}
		}
		d.bases = append(d.bases, dn)
	}
	for i := range d.objects {
		if err := d.checkObject(&d.objects[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *directory) checkObject(o *agent.Object) error {
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
	err := d.misconfigured("object type %q: %s", o.Name, problem)
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

// isWithin reports whether a name is that of a container or of something below it.
func isWithin(dn, container identity.DN) bool {
	return len(dn) >= len(container) && dn[len(dn)-len(container):].Fold() == container.Fold()
}

// inBase reports whether a name is below one of the bases, or a base.
func (d *directory) inBase(dn identity.DN) bool {
	return slices.ContainsFunc(d.bases, func(base identity.DN) bool { return isWithin(dn, base) })
}

// Capabilities implements agent.Agent.
func (d *directory) Capabilities() agent.Capabilities {
	return agent.Capabilities{
		LDAPNames: true, IgnoreCase: true, NoEmptyText: true, ExportLevel: agent.ValueLevel,
		DeltaImport: d.settings.Changes != "none",
	}
}

// Partitions implements agent.Partitioner: every base is one, unless there is only one.
func (d *directory) Partitions(ctx context.Context) ([]agent.Partition, error) {
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
func (d *directory) base(partition string) (string, error) {
	if partition == "" && len(d.bases) == 1 {
		return d.settings.Base[0], nil
	}
	if slices.Contains(d.settings.Base, partition) {
		return partition, nil
	}
	return "", d.fault("no-start-partition-not-configured", "there is no base %q", partition)
}

// containerFilter matches what entries of a directory are usually below.
const containerFilter = "(|(objectClass=organizationalUnit)(objectClass=organization)(objectClass=domain)(objectClass=dcObject)" +
	"(objectClass=locality)(objectClass=country)(objectClass=container)(objectClass=nsContainer))"

// Hierarchy implements agent.Hierarchical.
func (d *directory) Hierarchy(ctx context.Context, parent string) ([]agent.Container, error) {
	if parent == "" {
		var list []agent.Container
		for _, base := range d.settings.Base {
			list = append(list, agent.Container{DN: base})
		}
		return list, ctx.Err()
	}
	c, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	found, err := c.Search(ctx, ldapconn.Search{Base: parent, Scope: ldapconn.ScopeOne, Filter: containerFilter, Attributes: []string{"1.1"}})
	if err != nil {
		return nil, d.failed("no-start-connection", err)
	}
	list := make([]agent.Container, len(found))
	for i := range found {
		list[i] = agent.Container{DN: found[i].DN}
	}
	return list, nil
}

// connect opens a connection. The error is named as one before anything was done.
func (d *directory) connect(ctx context.Context) (*ldapconn.Conn, error) {
	s := &d.settings
	options := ldapconn.Options{URL: s.URL, StartTLS: s.StartTLS, Insecure: s.Insecure, BindDN: s.BindDN, Password: s.Password}
	if s.CA != "" {
		certificates, err := os.ReadFile(string(s.CA))
		if err != nil {
			return nil, d.misconfigured("ca: %s", err)
		}
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM(certificates) {
			return nil, d.misconfigured("ca: %s holds no certificate in PEM", s.CA)
		}
	}
	c, err := ldapconn.Dial(ctx, options)
	if err != nil {
		return nil, d.failed("no-start-connection", err)
	}
	return c, nil
}

func (d *directory) misconfigured(format string, args ...any) *fault.Error {
	return d.fault("no-start-bad-ma-configuration", format, args...)
}

func (d *directory) fault(name, format string, args ...any) *fault.Error {
	err := fault.New(name, format, args...)
	err.Agent = d.name
	return err
}

// failed names what ends a call: credentials that the server refuses by their own
// name, a context as it is, a named error too, and anything else by the given one.
func (d *directory) failed(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || fault.Name(err) != "":
		return err
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication):
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
	return out
}
