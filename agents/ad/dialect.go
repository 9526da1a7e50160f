package ad

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Controls, capabilities and matching rules of domain controllers (MS-ADTS §3.1.1.3.4).
const (
	oidActiveDirectory = "1.2.840.113556.1.4.800" // a domain controller
	oidNotification    = "1.2.840.113556.1.4.528"
	oidTreeDelete      = "1.2.840.113556.1.4.805"
	oidShowDeleted     = "1.2.840.113556.1.4.417"
	oidDirSync         = "1.2.840.113556.1.4.841"
	oidBitAnd          = "1.2.840.113556.1.4.803"
)

// The ways in which delta imports learn what changed.
const (
	byAuto    = "auto"
	byDirSync = "dirsync"
	byUSN     = "usn"
	byNotify  = "notify"
	byNone    = "none"
)

// A dialect is how domain controllers differ from other directories.
type dialect struct {
	*directory.Directory
	changes   string
	fullEvery time.Duration
}

var (
	_ directory.Dialect     = (*dialect)(nil)
	_ directory.Modeler     = (*dialect)(nil)
	_ directory.Finisher    = (*dialect)(nil)
	_ directory.Rewriter    = (*dialect)(nil)
	_ directory.Interpreter = (*dialect)(nil)
)

// A schema is what attributes are, as their definitions in the subschema do not say.
type schema struct {
	constructed map[string]bool // computed when they are read; names in lower case
	backLinks   map[string]bool // kept by the server as the other end of a link, like memberOf
}

// Flags of attributeSchema objects (MS-ADTS §2.2.10).
const attributeIsConstructed = 4

// Root implements [directory.Dialect].
func (t *dialect) Root() []string { return nil }

// Learn implements [directory.Dialect].
func (t *dialect) Learn(ctx context.Context, c *ldapconn.Conn, s *directory.Server) error {
	if !slices.Contains(directory.Values(s.Root, "supportedCapabilities"), oidActiveDirectory) {
		err := t.Fault("no-start-ma", "the server is no domain controller of Active Directory")
		err.Hint = "use type: ldap for other directory servers"
		return err
	}
	s.Anchor = directory.Anchor{Attribute: "objectGUID", Text: guidText, Raw: guidRaw, Name: guidName}
	s.Exact = true
	s.TreeDelete = slices.Contains(s.Controls, oidTreeDelete)
	native := schema{constructed: map[string]bool{}, backLinks: map[string]bool{}}
	s.Native = native
	found, err := c.Search(ctx, ldapconn.Search{
		Base: directory.Value(s.Root, "schemaNamingContext"), Scope: ldapconn.ScopeOne,
		Filter: "(&(objectClass=attributeSchema)(|(systemFlags:" + oidBitAnd + ":=" + strconv.Itoa(attributeIsConstructed) + ")" +
			"(linkID:" + oidBitAnd + ":=1)))",
		Attributes: []string{"lDAPDisplayName", "systemFlags", "linkID"},
	})
	if err != nil {
		return err
	}
	for i := range found {
		name := strings.ToLower(directory.Value(&found[i], "lDAPDisplayName"))
		flags, _ := strconv.ParseInt(directory.Value(&found[i], "systemFlags"), 10, 64) // 0 if there are none
		if flags&attributeIsConstructed != 0 {
			native.constructed[name] = true
		} else {
			native.backLinks[name] = true
		}
	}
	return nil
}

// namingContext returns the part of the directory that a base is in.
func (t *dialect) namingContext(s *directory.Server, base string) (string, error) {
	best := ""
	for _, name := range directory.Values(s.Root, "namingContexts") {
		if directory.Within(base, name) && (best == "" || directory.Within(name, best)) {
			best = name
		}
	}
	if best == "" {
		return "", t.Fault("no-start-partition-delete", "%q is in no naming context of the server", base)
	}
	return best, nil
}

// Tracker implements [directory.Dialect].
func (t *dialect) Tracker(s *directory.Server, base string) (directory.Tracker, error) {
	if t.changes == byNone || t.changes == byNotify {
		return nil, nil
	}
	nc, err := t.namingContext(s, base)
	if err != nil {
		return nil, err
	}
	sync, usn := &dirSync{t, s, base, nc}, &usnTracker{t, s, base, nc}
	switch t.changes {
	case byDirSync:
		return sync, nil
	case byUSN:
		return usn, nil
	}
	return &either{sync, usn}, nil
}

// either is the tracker by DirSync, or by uSNChanged without the right for it.
type either struct {
	sync *dirSync
	usn  *usnTracker
}

// Method implements [directory.Tracker].
func (t *either) Method() string { return byAuto }

// Begin implements [directory.Tracker].
func (t *either) Begin(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) error {
	err := t.sync.Begin(ctx, c, w)
	if isDenied(err) {
		t.sync.d.Log().Debug("no right for DirSync, changes are told by uSNChanged", "base", t.sync.base, "err", err)
		return t.usn.Begin(ctx, c, w)
	}
	return err
}

// Since implements [directory.Tracker].
func (t *either) Since(ctx context.Context, c *ldapconn.Conn, w *directory.Watermark) (directory.ChangeSet, error) {
	if len(w.Cookie) == 0 {
		return t.usn.Since(ctx, c, w)
	}
	set, err := t.sync.Since(ctx, c, w)
	if isDenied(err) {
		return set, t.sync.d.FullImportRequired("the right for DirSync is gone: %s", err)
	}
	return set, err
}

// names are the attributes that objects of a class are named by, if not by cn.
var names = map[string]string{"organizationalunit": "ou", "domain": "dc", "domaindns": "dc", "country": "c", "locality": "l", "organization": "o"}

// secrets are attributes that nobody can read.
var secrets = set("dBCSPwd", "lmPwdHistory", "ntPwdHistory", "supplementalCredentials", "userPassword", "currentValue", "priorValue")

// unsettled are attributes that controllers write for themselves: about logons, and about
// replication. They are read only if the configuration names them.
var unsettled = set(
	"lastLogon", "lastLogonTimestamp", "lastLogoff", "logonCount", "badPwdCount", "badPasswordTime",
	"msDS-LastSuccessfulInteractiveLogonTime", "msDS-LastFailedInteractiveLogonTime",
	"msDS-FailedInteractiveLogonCount", "msDS-FailedInteractiveLogonCountAtLastSuccessfulLogon",
	"whenChanged", "uSNChanged", "uSNCreated", "uSNLastObjRem", "uSNDSALastObjRemoved", "uSNSource", "uSNIntersite",
	"dSCorePropagationData", "replPropertyMetaData", "replUpToDateVector", "repsFrom", "repsTo", "partialAttributeSet",
	"nTSecurityDescriptor",
)

func set(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[strings.ToLower(name)] = true
	}
	return out
}

// Attribute implements [directory.Modeler].
func (t *dialect) Attribute(s *directory.Server, k *directory.Kind, _ string, configured bool, a *identity.AttributeType) bool {
	native, _ := s.Native.(schema) // Learn has set it
	name := strings.ToLower(a.Name)
	a.Required = false // the server gives what the classes demand
	naming := strings.ToLower(k.RDN)
	if naming == "" {
		naming = names[strings.ToLower(k.Class)]
	}
	if naming == "" {
		naming = "cn"
	}
	switch {
	case native.constructed[name], native.backLinks[name]:
		a.ImportOnly = true
	case name == naming, name == "name", name == "distinguishedname":
		a.ImportOnly = true // the name of the object says it
	}
	return configured || !native.constructed[name] && !native.backLinks[name] && !unsettled[name] && !secrets[name]
}

// Virtual implements [directory.Modeler]: what accounts have besides.
func (t *dialect) Virtual(classes map[string]bool) []identity.AttributeType {
	if !classes["user"] {
		return nil
	}
	out := make([]identity.AttributeType, 0, len(switches))
	for _, s := range switches {
		out = append(out, identity.AttributeType{Name: s.name, Type: identity.TypeBoolean})
	}
	return out
}
