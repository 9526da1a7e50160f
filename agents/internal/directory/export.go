package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// OpenExport implements agent.Exporter: it connects, and asks the server for its schema.
func (d *Directory) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	if req.Partition != "" {
		if _, err := d.base(req.Partition); err != nil {
			return nil, err
		}
	}
	if req.Full {
		return nil, d.Misconfigured("there is no full export to a directory")
	}
	c, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.learn(ctx, c)
	if err != nil {
		c.Close()
		return nil, err
	}
	return &export{
		d: d, server: s, conns: []*ldapconn.Conn{c},
		asserts: slices.Contains(s.Controls, oidAssertion),
		tells:   slices.Contains(s.Controls, ldapconn.PostRead),
		exop:    d.settings.PasswordModify && slices.Contains(s.extensions, oidPassword),
	}, nil
}

// inFlight is how many changes are on their way over one connection, so that the server
// has the next one when it is done with one. Over four connections, an export that creates
// entries in OpenLDAP took two thirds of the time that it took with one on each, on a
// busy machine.
const inFlight = 4

// An export writes over several connections.
type export struct {
	d       *Directory
	server  *Server
	conns   []*ldapconn.Conn
	most    int  // connections: the server took no more; 0 is what the settings say
	asserts bool // the server checks the anchor itself (RFC 4528)
	tells   bool // the server tells the anchor of what it creates (RFC 4527)
	tried   bool // whether the server tells well of several new entries, see anchors.go
	exop    bool // passwords are written by an operation of their own (RFC 3062)
}

// Close implements agent.Export.
func (x *export) Close(context.Context, agent.Outcome) error {
	for _, c := range x.conns {
		c.Close()
	}
	x.conns = nil
	return nil
}

// Put implements agent.Export. Changes that have to do with each other are carried out
// in their order, others at the same time: a wave holds changes of which none needs
// another.
func (x *export) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]agent.Result, len(changes))
	for order := ordered(changes); len(order) > 0; {
		n := wave(changes, order)
		if err := x.put(ctx, changes, order[:n], results); err != nil {
			return nil, x.d.Failed("stopped-connectivity", err)
		}
		order = order[n:]
	}
	return results, nil
}

// ordered returns the order of changes: as they are given, but of deletions that follow
// each other those of what is deepest first.
func ordered(changes []agent.Change) []int {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	for start := 0; start < len(order); {
		end := start
		for end < len(order) && changes[end].Op == identity.Delete {
			end++
		}
		slices.SortStableFunc(order[start:end], func(a, b int) int { return cmp.Compare(depth(changes[b].DN), depth(changes[a].DN)) })
		start = max(end, start+1)
	}
	return order
}

func depth(name string) int {
	dn, _ := identity.ParseDN(name) // 0 for what is no name, which the server refuses
	return len(dn)
}

// wave returns how many of the next changes can be carried out at the same time: until
// one is about an object that another one is about, or that is above or below it, or
// refers to one.
func wave(changes []agent.Change, order []int) int {
	names, above := map[string]bool{}, map[string]bool{} // of this wave, and of what it is below
	renames := false
	for n, index := range order {
		c := &changes[index]
		renames = renames || c.NewDN != ""
		var own [2]identity.DN
		for i, name := range []string{c.DN, c.NewDN} {
			own[i], _ = identity.ParseDN(name) // nil for what is no name, which the server refuses
		}
		var folded [2]string
		for i, dn := range own {
			if len(dn) == 0 {
				continue
			}
			folded[i] = dn.Fold()
			if above[folded[i]] || names[folded[i]] {
				return n
			}
			for up := dn.Parent(); len(up) > 0; up = up.Parent() {
				fold := up.Fold()
				if names[fold] {
					return n
				}
				if above[fold] && !renames {
					break // it was looked at with the name that it is above
				}
			}
		}
		if n > 0 && refersTo(c, names) {
			return n
		}
		for i, dn := range own {
			if len(dn) == 0 {
				continue
			}
			names[folded[i]] = true
			for up := dn.Parent(); len(up) > 0; up = up.Parent() {
				fold := up.Fold()
				if above[fold] {
					break // and so is the rest
				}
				above[fold] = true
			}
		}
	}
	return len(order)
}

func refersTo(c *agent.Change, names map[string]bool) bool {
	for i := range c.Changes {
		for _, v := range c.Changes[i].Values {
			if v.Type() != identity.TypeReference {
				break
			}
			if dn, err := identity.ParseDN(v.Str()); err == nil && names[dn.Fold()] {
				return true
			}
		}
	}
	return false
}

// put carries out the changes of a wave.
func (x *export) put(ctx context.Context, changes []agent.Change, which []int, results []agent.Result) error {
	later := x.asksTogether(changes, which)
	created := make([]bool, len(which))
	began := time.Now()
	err := x.each(ctx, len(which), func(ctx context.Context, w *writer, i int) (lost error) {
		w.later = later
		index := which[i]
		results[index], lost = w.change(ctx, &changes[index])
		created[i] = w.created
		return lost
	})
	if err != nil || !later {
		return err
	}
	one := time.Since(began) * time.Duration(len(x.conns)*inFlight) / time.Duration(len(which))
	var nameless []int
	for i, index := range which {
		if created[i] {
			nameless = append(nameless, index)
		}
	}
	return x.nameCreated(ctx, changes, nameless, results, one)
}

// each calls f with 0 to n-1, several at the same time over every connection, until a
// connection is lost.
func (x *export) each(ctx context.Context, n int, f func(ctx context.Context, w *writer, i int) (lost error)) error {
	conns, err := x.connect(ctx, min(n, cmp.Or(x.most, x.d.settings.Connections)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var group sync.WaitGroup
	for i := range min(n, conns*inFlight) {
		c := x.conns[i%conns]
		group.Go(func() {
			defer c.EndWith(ctx)()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if lost := f(ctx, &writer{export: x, c: c}, i); lost != nil {
					cancel(lost)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// connect sees to it that there are connections, as many as are wanted or the server
// takes, and returns how many. Those that the server has closed meanwhile, as it may do
// when they are idle, are replaced.
func (x *export) connect(ctx context.Context, want int) (int, error) {
	x.conns = slices.DeleteFunc(x.conns, func(c *ldapconn.Conn) bool {
		closed := c.LDAP().IsClosing()
		if closed {
			c.Close()
		}
		return closed
	})
	for len(x.conns) < want {
		c, err := x.d.connectAs(ctx, "stopped-connectivity")
		if err != nil && (len(x.conns) == 0 || ctx.Err() != nil) {
			return 0, err
		}
		if err != nil {
			x.most = len(x.conns)
			x.d.log.Warn("the directory takes no further connection", "agent", x.d.name, "err", err, "connections", x.most)
			break
		}
		x.conns = append(x.conns, c)
	}
	return min(want, len(x.conns)), nil
}

// A writer carries out changes over one connection.
type writer struct {
	*export
	c       *ldapconn.Conn
	later   bool // the anchors of what is created are asked for in the end
	created bool // an entry whose anchor is not known
}

// change carries out one change. The error is that of the connection: nobody knows what
// became of the change.
func (w *writer) change(ctx context.Context, c *agent.Change) (agent.Result, error) {
	k := w.server.kind(c.ObjectType)
	if k == nil {
		return agent.Result{Err: fault.New("no-export-to-this-object-type", "there is no object type %q", c.ObjectType)}, nil
	}
	var r agent.Result
	var err error
	switch c.Op {
	case identity.Add:
		r, err = w.add(ctx, c, k)
	case identity.Update:
		r, err = w.update(ctx, c, k)
	case identity.Delete:
		err = w.delete(ctx, c)
	default:
		err = fault.New("unexpected-error", "a change cannot be of kind %q", c.Op)
	}
	if err != nil {
		if fault.Name(err) == "" && !ldapconn.Answered(err) {
			return agent.Result{}, err
		}
		r.Err = w.named(c.DN, err)
		if r.Err.Name == "non-existent-parent" {
			r.Action = agent.ProvisionParent
		}
	}
	return r, nil
}

// named returns what the server, or we, have against a change.
func (w *writer) named(dn string, err error) *fault.Error {
	name, hint := codeName(err), ""
	if e, ok := w.d.dialect.(Interpreter); ok {
		better, why := e.Interpret(err, false)
		name, hint = cmp.Or(better, name), why
	}
	out := fault.As(err, name)
	named := *out
	named.Agent, named.Object, named.Hint = w.d.name, dn, cmp.Or(named.Hint, hint)
	if to := ldapconn.Referral(err); len(to) > 0 {
		named.Text = "the server refers to " + strings.Join(to, ", ")
		named.Hint = "it holds a copy that only another server changes, or none; name that one in url"
	}
	return &named
}

// codeName returns the name of an answer of a server (RFC 4511 appendix A,
// sync-engine §2.8).
func codeName(err error) string {
	for name, codes := range map[string][]uint16{
		"schema-violation":               {ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultInappropriateMatching, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultObjectClassModsProhibited},
		"constraint-violation":           {ldap.LDAPResultConstraintViolation},
		"cd-existing-attribute-or-value": {ldap.LDAPResultAttributeOrValueExists},
		"syntax-violation":               {ldap.LDAPResultInvalidAttributeSyntax},
		"cd-missing-object":              {ldap.LDAPResultNoSuchObject},
		"invalid-dn":                     {ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation, ldap.LDAPResultAffectsMultipleDSAs},
		"permission-issue":               {ldap.LDAPResultReferral, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultInappropriateAuthentication},
		"encryption-not-enabled":         {ldap.LDAPResultConfidentialityRequired},
		"unsupported-container-delete":   {ldap.LDAPResultNotAllowedOnNonLeaf},
		"modify-naming-attribute":        {ldap.LDAPResultNotAllowedOnRDN},
		"cd-existing-object":             {ldap.LDAPResultEntryAlreadyExists},
		"locking-error-needs-retry":      {ldap.LDAPResultBusy, ldap.LDAPResultUnavailable},
	} {
		if ldap.IsErrorAnyOf(err, codes...) {
			return name
		}
	}
	return "cd-error"
}
