package modules

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/scripting/host"
)

func ldapChanges(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "ldap.changes", args, 2)
	if err := a.ReachOut(r.function); err != nil {
		return nil, err
	}
	o := r.options(1, "base", "scope", "filter", "cookie", "timeout")
	watch := ldapconn.Watch{Base: o.base(), Scope: o.scope(), Filter: o.text("filter", "")}
	if stubs := envOf(a).Stubs; stubs != nil && r.err == nil {
		return stubs.question(r, "changes") // whose cookies are its own
	}
	watched := watchedText(r, &watch)
	if given := o.fields["cookie"]; given != nil && !goja.IsNull(given) && r.err == nil {
		var err error
		if watch.Cookie, err = openCookie(o.text("cookie", ""), watched); err != nil {
			r.fail("takes %w", err)
		}
	}
	var found ldapconn.Changes
	err := ldapCall(r, o, func(ctx context.Context, c *ldapconn.Conn) (err error) {
		found, err = c.Changes(ctx, watch)
		return err
	})
	switch {
	case errors.Is(err, ldapconn.ErrNoSync):
		e := fault.New("", "%s", err)
		e.Hint = "OpenLDAP can with the overlay syncprov; others can be asked by search for what has a later modifyTimestamp or uSNChanged"
		return nil, e
	case err != nil:
		return nil, err
	}
	return a.Record([]host.Field{
		{Name: "changed", Value: a.Runtime().ToValue(found.Changed)},
		{Name: "cookie", Value: a.Runtime().ToValue(sealCookie(found.Cookie, watched))},
	}), nil
}

// A cookie says up to where a script has seen what it watches. For another base or
// filter it says nothing, although the server would take it: what began to match since
// would be missed. So it carries what it belongs to.

// watchedText names what is watched: the directory, by its name, and where in it.
func watchedText(r *arguments, w *ldapconn.Watch) string {
	name := r.text(0, "the name of a directory")
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %q", name, w.Base, w.Scope, w.Filter))
	return hex.EncodeToString(sum[:6])
}

func sealCookie(cookie []byte, watched string) string {
	return watched + ":" + base64.StdEncoding.EncodeToString(cookie)
}

// openCookie returns the cookie of the server, nil if it belongs to something else.
func openCookie(text, watched string) ([]byte, error) {
	of, encoded, ok := strings.Cut(text, ":")
	cookie, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("cookie, which is one that ldap.changes gave, not %q", text)
	case of != watched:
		return nil, nil
	}
	return cookie, nil
}
