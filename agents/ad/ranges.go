package ad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Finish implements [directory.Finisher]: it reads the rest of attributes that came in
// part, and adds what userAccountControl says.
func (t *dialect) Finish(ctx context.Context, c *ldapconn.Conn, s *directory.Server, entries []ldapconn.Entry) error {
	for i := range entries {
		e := &entries[i]
		for j := range e.Attributes {
			name, part, cut := strings.Cut(e.Attributes[j].Name, ";range=")
			if !cut {
				continue
			}
			if err := t.rest(ctx, c, s, e, &e.Attributes[j], name, part); err != nil {
				return fmt.Errorf("the values of %s of %q: %w", name, e.DN, err)
			}
		}
		addSwitches(e)
	}
	return nil
}

// rest reads the values of an attribute after the range that an entry came with (MS-ADTS
// §3.1.1.3.1.3.3). The entry is asked for by its GUID, as it may be renamed meanwhile.
func (t *dialect) rest(ctx context.Context, c *ldapconn.Conn, s *directory.Server, e *ldapconn.Entry, a *ldapconn.Attribute, name, part string) error {
	defer c.EndWith(ctx)()
	values := slices.Clone(a.Values)
	for {
		_, last, ok := strings.Cut(part, "-")
		if ok && last == "*" {
			break
		}
		end, err := strconv.Atoi(last)
		if !ok || err != nil {
			return fmt.Errorf("the server gave the range %q", part)
		}
		found, err := c.LDAP().Search(ldap.NewSearchRequest(
			guidName(s.Anchor.Of(e)), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
			"(objectClass=*)", []string{fmt.Sprintf("%s;range=%d-*", name, end+1)}, nil,
		))
		if err != nil {
			return err
		}
		if len(found.Entries) != 1 {
			return errors.New("the object is gone")
		}
		part = ""
		for _, next := range found.Entries[0].Attributes {
			if of, p, ok := strings.Cut(next.Name, ";range="); ok && strings.EqualFold(of, name) {
				values, part = append(values, next.ByteValues...), p
			}
		}
		if part == "" {
			break // values have gone meanwhile, and these were the last
		}
		if _, last, _ := strings.Cut(part, "-"); last != "*" {
			if n, err := strconv.Atoi(last); err != nil || n <= end {
				return fmt.Errorf("the server gave the range %q after %d", part, end)
			}
		}
	}
	a.Name, a.Values = name, values
	return nil
}
