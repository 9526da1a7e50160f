package ldapconn

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// LDAP returns the connection itself, for what this package does not do, such as
// writing. It is closed with c.
func (c *Conn) LDAP() *ldap.Conn { return c.ldap }

// EndWith closes the connection when ctx ends, which is how a call on it ends early;
// the function that it returns ends that.
func (c *Conn) EndWith(ctx context.Context) (release func()) { return c.endWith(ctx) }

// Answered reports whether an error is what the server answered: it has dealt with the
// request, and the connection can be used as before.
func Answered(err error) bool { return answered(err) }
