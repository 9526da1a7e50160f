package modules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/internal/ldapconn"
	"github.com/metasync/metasync/scripting/host"
)

const (
	ldapEntries    = 1000
	maxLDAPEntries = 100_000
	maxLDAPSize    = 16 << 20 // bytes of one answer
)

var ldapTypes = host.Type{
	Name: "Searches and entries",
	Doc:  "What `ldap` takes and gives.",
	Text: `type LDAPScope = "sub" | "one" | "base";
interface LDAPRead {
	/** The attributes to give: all that users have if absent. */
	attributes?: readonly string[];
	/** The attributes whose values are given as Uint8Array, such as objectGUID; the others are texts. */
	binary?: readonly string[];
	/** How long it may take, such as "5s". The call has a limit of its own. */
	timeout?: string;
}
interface LDAPSearch extends LDAPRead {
	/** The name below which is searched. */
	base: string;
	/** The whole tree, if absent; the entries just below the base; or the base alone. */
	scope?: LDAPScope;
	/** Every entry, if absent. */
	filter?: string;
	/** How many entries the answer may have: 1000 if absent, 100000 at most. More are an error. */
	sizeLimit?: number;
}
interface LDAPEntry {
	readonly dn: string;
	/** By name as it was asked for, otherwise as the server writes it. What has no value is absent. */
	readonly attributes: Readonly<Record<string, readonly any[]>>;
}
interface LDAPWatch {
	base: string;
	scope?: LDAPScope;
	filter?: string;
	/** That of the last answer. */
	cookie?: string;
	timeout?: string;
}
interface LDAPChanges {
	/** Whether anything may have changed since the cookie. */
	readonly changed: boolean;
	/** For the next time. */
	readonly cookie: string;
}`,
}

var ldapObject = &host.Object{
	Name:    "LDAP",
	Globals: []string{"ldap"},
	Doc: "Reads the directories in scripting.ldap of the configuration. Referrals are not followed. For triggers; rules\n" +
		"can use escapeFilter alone.",
	Members: []host.Member{
		{
			Name: "search", Signature: "(directory: string, search: LDAPSearch): readonly LDAPEntry[]",
			Doc: "Finds all entries, in pages where the server can:\n" +
				"`ldap.search(\"corp\", { base: \"dc=example,dc=org\", filter: \"(uid=\" + ldap.escapeFilter(uid) + \")\", attributes: [\"mail\"] })`",
			Call: ldapSearch,
		},
		{
			Name: "read", Signature: "(directory: string, dn: string, options?: LDAPRead): LDAPEntry | undefined",
			Doc:  "Reads one entry, undefined if there is none. An empty name reads the entry of the server itself.",
			Call: ldapRead,
		},
		{
			Name: "changes", Signature: "(directory: string, watch: LDAPWatch): LDAPChanges",
			Doc: "Says whether anything changed since a cookie, by content synchronization (RFC 4533), which OpenLDAP and\n" +
				"389 Directory Server have. No change is missed; some may be told that concern nothing that was asked for.",
			Call: ldapChanges,
		},
		{
			Name: "escapeFilter", Signature: "(value: string | Uint8Array): string",
			Doc: "Makes a value stand for itself in a filter.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				r := read(a, "ldap.escapeFilter", args, 1)
				value := r.data(0, "a value")
				if r.err != nil {
					return nil, r.err
				}
				return a.Runtime().ToValue(ldapconn.EscapeFilter(string(value))), nil
			},
		},
	},
}

// scopes are the words for how far a search looks.
var scopes = map[string]ldapconn.Scope{"sub": ldapconn.ScopeSub, "one": ldapconn.ScopeOne, "base": ldapconn.ScopeBase}

func (o callOptions) scope() ldapconn.Scope {
	word := o.text("scope", "sub")
	scope, ok := scopes[word]
	if !ok {
		o.r.fail("takes scope, which is one of sub, one, base, not %q", word)
	}
	return scope
}

// ldapCall calls f with a connection to the directory that the first argument names,
// and the time that the call has. Arguments that were found wrong are the error.
func ldapCall(r *arguments, o callOptions, f func(ctx context.Context, c *ldapconn.Conn) error) error {
	name := r.text(0, "the name of a directory")
	timeout := o.timeout()
	if r.err != nil {
		return r.err
	}
	known := envOf(r.a).directories
	pool := known[name]
	if pool == nil {
		return undeclared("directory", "ldap", name, known)
	}
	ctx, cancel := context.WithTimeout(r.a.Context(), timeout)
	defer cancel()
	if err := pool.Do(ctx, func(c *ldapconn.Conn) error { return f(ctx, c) }); err != nil {
		return fmt.Errorf("%s: %q: %w", r.function, name, err)
	}
	return nil
}

func ldapSearch(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "ldap.search", args, 2)
	if err := a.ReachOut(r.function); err != nil {
		return nil, err
	}
	o := r.options(1, "base", "scope", "filter", "attributes", "binary", "sizeLimit", "timeout")
	search := ldapconn.Search{
		Base: o.base(), Scope: o.scope(), Filter: o.text("filter", ""), Attributes: o.texts("attributes"),
		Entries: int(o.number("sizeLimit", ldapEntries, maxLDAPEntries)), Bytes: maxLDAPSize,
	}
	binary := o.texts("binary")
	if stubs := envOf(a).Stubs; stubs != nil && r.err == nil {
		return stubs.question(r, "search")
	}
	var found []ldapconn.Entry
	err := ldapCall(r, o, func(ctx context.Context, c *ldapconn.Conn) (err error) {
		found, err = c.Search(ctx, search)
		return err
	})
	switch {
	case errors.Is(err, ldapconn.ErrEntries):
		return nil, fmt.Errorf("%w; the option sizeLimit allows more, up to %d", err, maxLDAPEntries)
	case err != nil:
		return nil, err
	}
	entries := make([]any, len(found))
	for i := range found {
		if entries[i], err = ldapEntry(a, &found[i], search.Attributes, binary); err != nil {
			return nil, fmt.Errorf("%s: %w", r.function, err)
		}
	}
	return a.Array(entries), nil
}

// base returns the base, which may be the empty name but must be said.
func (o callOptions) base() string {
	if !o.has("base") {
		o.r.fail("needs the option base, a name such as dc=example,dc=org")
	}
	return o.text("base", "")
}

func ldapRead(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "ldap.read", args, 3)
	if err := a.ReachOut(r.function); err != nil {
		return nil, err
	}
	dn := r.text(1, "a name")
	o := r.options(2, "attributes", "binary", "timeout")
	attributes, binary := o.texts("attributes"), o.texts("binary")
	if stubs := envOf(a).Stubs; stubs != nil && r.err == nil {
		return stubs.question(r, "read")
	}
	var found *ldapconn.Entry
	err := ldapCall(r, o, func(ctx context.Context, c *ldapconn.Conn) (err error) {
		found, err = c.Read(ctx, dn, attributes, maxLDAPSize)
		return err
	})
	if err != nil || found == nil {
		return nil, err
	}
	entry, err := ldapEntry(a, found, attributes, binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.function, err)
	}
	return entry, nil
}

// ldapEntry makes an entry an object. Attributes that were asked for have the name by
// which they were, whatever its case and options.
func ldapEntry(a *host.Active, e *ldapconn.Entry, asked, binary []string) (goja.Value, error) {
	var fields []host.Field
	for _, attribute := range e.Attributes {
		name, options, _ := strings.Cut(attribute.Name, ";")
		for option := range strings.SplitSeq(options, ";") {
			if strings.HasPrefix(strings.ToLower(option), "range=") {
				return nil, fmt.Errorf("%s: the server gave only a part of %s (%s)", e.DN, name, option)
			}
		}
		asBytes := slices.ContainsFunc(binary, func(b string) bool { return strings.EqualFold(b, name) || strings.EqualFold(b, attribute.Name) })
		shown := attribute.Name
		for _, wanted := range slices.Concat(asked, binary) {
			if strings.EqualFold(wanted, attribute.Name) || asBytes && strings.EqualFold(wanted, name) {
				shown = wanted
				break
			}
		}
		values := make([]any, len(attribute.Values))
		for i, v := range attribute.Values {
			switch {
			case asBytes:
				bytes, err := a.Bytes(v)
				if err != nil {
					return nil, err
				}
				values[i] = bytes
			case !utf8.Valid(v):
				return nil, fmt.Errorf("%s: %s is no text; name it in the option binary", e.DN, attribute.Name)
			default:
				values[i] = string(v)
			}
		}
		fields = append(fields, host.Field{Name: shown, Value: a.Array(values)})
	}
	return a.Record([]host.Field{
		{Name: "dn", Value: a.Runtime().ToValue(e.DN)},
		{Name: "attributes", Value: a.Record(fields)},
	}), nil
}
