package modules

import (
	"crypto/x509"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/hostlist"
	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/scripting/host"
)

// An Env is what the scripts of a generation have beside themselves. The zero Env
// grants nothing.
type Env struct {
	Base    string            // the folder that relative paths are relative to
	HTTP    hostlist.List     // the hosts that may be asked
	Read    []string          // the folders that may be read, absolute
	Write   []string          // the folders that may be written to, absolute
	Secrets map[string]string // by name
	Tables  *Tables

	Databases   []DatabaseSpec  // that sql may ask
	Directories []DirectorySpec // that ldap may ask

	databases   map[string]*database // made by Connect
	directories map[string]*ldapconn.Pool

	// Roots are the certificates that servers are verified with; nil is those of
	// the system.
	Roots *x509.CertPool

	// Stubs, if it is not nil, answers what is asked of files, databases and
	// directories, whatever is granted: for tests.
	Stubs *Stubs

	// Stub, if it is not nil, answers requests in place of the network, whatever is
	// granted: for tests. Secrets are not in the requests that it gets.
	Stub func(*http.Request) (*http.Response, error)
}

func envOf(a *host.Active) *Env {
	if env, ok := a.Env().(*Env); ok {
		return env
	}
	return &Env{}
}

// Functions are the global functions.
var Functions = []host.Member{nowFunction, secretFunction, lookupFunction}

// Objects are the global objects.
var Objects = []host.Object{*textObject, *dateObject, *dnObject, *hashObject, *httpObject, *sqlObject, *ldapObject, *filesObject}

// Types are the types of arguments and results.
var Types = []host.Type{dateTypes, dnTypes, hashTypes, secretType, httpTypes, sqlTypes, ldapTypes, fileTypes}

// refused is the error about something that is not granted. The hint names the
// grant that would allow it.
func refused(hint, format string, args ...any) *fault.Error {
	e := fault.New(host.NameNotAllowed, format, args...)
	e.Hint = hint
	return e
}

// unknown is the error about a name that does not exist.
func unknown[V any](what, name string, known map[string]V) *fault.Error {
	e := fault.New("", "there is no %s %q", what, name)
	names := slices.Sorted(maps.Keys(known))
	switch near := fault.Suggest(name, names); {
	case near != "":
		e.Hint = "did you mean " + strconv.Quote(near) + "?"
	case len(names) > 0:
		e.Hint = "there are " + strings.Join(names, ", ")
	}
	return e
}
