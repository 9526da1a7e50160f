package ad

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Bits of userAccountControl (MS-ADTS §2.2.16).
const (
	accountDisable     = 0x2
	passwordNotReqd    = 0x20
	normalAccount      = 0x200
	workstationAccount = 0x1000
	dontExpirePassword = 0x10000
)

const (
	controlAttribute = "userAccountControl"
	lastSetAttribute = "pwdLastSet"
	mustChange       = "mustChangePassword"
	disabled         = "accountDisabled"
)

// A toggle is an attribute of accounts that says yes or no.
type toggle struct {
	name string
	bit  int64 // of userAccountControl; 0 is pwdLastSet, which is 0 for yes
}

// switches are what can be said without the numbers, and truly: that people cannot change
// their password, for one, is a matter of rights and of no bit.
var switches = []toggle{
	{disabled, accountDisable},
	{"passwordNotRequired", passwordNotReqd},
	{"passwordNeverExpires", dontExpirePassword},
	{mustChange, 0},
}

func switchOf(name string) *toggle {
	for i := range switches {
		if strings.EqualFold(switches[i].name, name) {
			return &switches[i]
		}
	}
	return nil
}

// addSwitches adds to an entry what its userAccountControl and pwdLastSet say.
func addSwitches(e *ldapconn.Entry) {
	control, err := strconv.ParseInt(directory.Value(e, controlAttribute), 10, 64)
	if err != nil {
		return // no account, or one that we may not see
	}
	lastSet := directory.Value(e, lastSetAttribute)
	for _, s := range switches {
		is := control&s.bit != 0
		if s.bit == 0 {
			if lastSet == "" {
				continue
			}
			is = lastSet == "0"
		}
		e.Attributes = append(e.Attributes, ldapconn.Attribute{Name: s.name, Values: [][]byte{[]byte(strings.ToUpper(strconv.FormatBool(is)))}})
	}
}

// A wish is what a change wants of the switches.
type wish struct {
	names      []string // as the change has them
	set, clear int64
	mustChange *bool
}

// wishes takes the switches out of modifications. A switch that loses its value is off.
func wishes(mods []directory.Modification) (rest []directory.Modification, w wish) {
	for _, m := range mods {
		s := switchOf(m.Name)
		if s == nil {
			rest = append(rest, m)
			continue
		}
		on := len(m.Values) > 0 && m.Values[0] == "TRUE"
		w.names = append(w.names, m.Name)
		switch {
		case s.bit == 0:
			w.mustChange = &on
		case on:
			w.set |= s.bit
		default:
			w.clear |= s.bit
		}
	}
	return rest, w
}

func (w *wish) apply(control int64) int64 { return control&^w.clear | w.set }

// find returns the modification of an attribute, nil if there is none.
func find(mods []directory.Modification, name string) *directory.Modification {
	for i := range mods {
		if strings.EqualFold(mods[i].Name, name) {
			return &mods[i]
		}
	}
	return nil
}

// NewEntry implements [directory.Rewriter]. An account that rules say nothing else of is
// enabled if it comes with a password, and else disabled; the server itself would let it
// do without a password. One whose password is withheld is disabled.
func (t *dialect) NewEntry(k *directory.Kind, content []directory.Modification, withheld bool) (complete []directory.Modification, refused []string, err error) {
	expire(content)
	if !k.Has(disabled) {
		return content, nil, nil
	}
	content, w := wishes(content)
	control := int64(normalAccount)
	if k.DerivesFrom("computer") {
		control = workstationAccount
	}
	given := find(content, controlAttribute)
	switch {
	case given != nil && len(given.Values) == 1:
		if control, err = strconv.ParseInt(given.Values[0], 10, 64); err != nil {
			return nil, nil, fault.Wrap("invalid-attribute-value", err)
		}
	case find(content, passwordAttribute) == nil && w.clear&accountDisable == 0:
		control |= accountDisable
	}
	control = w.apply(control)
	if withheld && control&accountDisable == 0 {
		control |= accountDisable
		switch {
		case w.clear&accountDisable != 0:
			refused = append(refused, nameIn(w.names, disabled))
		case given != nil:
			refused = append(refused, given.Name)
		}
	}
	text := strconv.FormatInt(control, 10)
	if given != nil {
		given.Values = []string{text}
	} else {
		content = append(content, directory.Modification{Op: ldap.ReplaceAttribute, Name: controlAttribute, Values: []string{text}})
	}
	if w.mustChange != nil && find(content, lastSetAttribute) == nil {
		content = append(content, directory.Modification{Op: ldap.ReplaceAttribute, Name: lastSetAttribute, Values: []string{lastSet(*w.mustChange)}})
	}
	return content, refused, nil
}

func nameIn(names []string, name string) string {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
	}
	return name
}

// lastSet returns what is written to pwdLastSet (MS-ADTS §3.1.1.5.3.2): 0 expires the
// password, -1 makes it one that was set now.
func lastSet(mustChange bool) string {
	if mustChange {
		return "0"
	}
	return "-1"
}

// expire makes an account that is to have no end one that never ends: accountExpires
// cannot be without a value.
func expire(mods []directory.Modification) {
	if m := find(mods, "accountExpires"); m != nil && len(m.Values) == 0 {
		m.Op, m.Values = ldap.ReplaceAttribute, []string{strconv.FormatInt(never, 10)}
	}
}

// Update implements [directory.Rewriter]. The switches follow the other attributes, so
// that a password is there before an account is enabled.
func (t *dialect) Update(_ *directory.Kind, mods []directory.Modification) (rest []directory.Modification, after directory.After, err error) {
	expire(mods)
	rest, w := wishes(mods)
	if len(w.names) == 0 {
		return rest, nil, nil
	}
	return rest, func(ctx context.Context, c *ldapconn.Conn, dn string) ([]string, error) {
		err := t.toggle(ctx, c, dn, &w)
		if err != nil && (!ldapconn.Answered(err) || directory.IsCode(err, ldap.LDAPResultNoSuchObject)) && fault.Name(err) == "" {
			return nil, err
		}
		return w.names, err
	}, nil
}

// changesOfOthers is how often a change begins anew because somebody else has changed
// userAccountControl meanwhile.
const changesOfOthers = 10

// toggle changes the bits that a wish is about, and leaves those alone that somebody else
// changes at the same time: the old number has to be the one that was read.
func (t *dialect) toggle(ctx context.Context, c *ldapconn.Conn, dn string, w *wish) error {
	for try := 1; ; try++ {
		e, err := c.Read(ctx, dn, []string{controlAttribute, lastSetAttribute}, 0)
		if err != nil {
			return err
		}
		if e == nil {
			return ldap.NewError(ldap.LDAPResultNoSuchObject, fmt.Errorf("there is no %q", dn))
		}
		old := directory.Value(e, controlAttribute)
		control, err := strconv.ParseInt(old, 10, 64)
		if err != nil {
			return fault.New("permission-issue", "userAccountControl of the object cannot be read")
		}
		req := ldap.NewModifyRequest(dn, nil)
		if wanted := w.apply(control); wanted != control {
			req.Delete(controlAttribute, []string{old})
			req.Add(controlAttribute, []string{strconv.FormatInt(wanted, 10)})
		}
		if w.mustChange != nil && *w.mustChange != (directory.Value(e, lastSetAttribute) == "0") {
			req.Replace(lastSetAttribute, []string{lastSet(*w.mustChange)})
		}
		if len(req.Changes) == 0 {
			return nil
		}
		err = c.LDAP().Modify(req)
		if directory.IsCode(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists) && try < changesOfOthers {
			continue
		}
		return err
	}
}

// Settled implements [directory.Rewriter]: links that are there already are entries that
// exist, and links that are gone are nothing a controller is willing to remove. The codes
// mean other things too, so the entry is asked.
func (t *dialect) Settled(ctx context.Context, c *ldapconn.Conn, _ *directory.Kind, dn string, m directory.Modification, _ error) bool {
	filter := "(" + m.Name + "=*)"
	if len(m.Values) == 1 {
		filter = "(" + m.Name + "=" + ldapconn.EscapeFilter(m.Values[0]) + ")"
	}
	if len(m.Values) > 1 || m.Op == ldap.ReplaceAttribute && len(m.Values) > 0 {
		return false
	}
	found, err := c.Search(ctx, ldapconn.Search{Base: dn, Scope: ldapconn.ScopeBase, Filter: filter, Attributes: []string{"1.1"}})
	return err == nil && (len(found) > 0) == (m.Op == ldap.AddAttribute)
}
