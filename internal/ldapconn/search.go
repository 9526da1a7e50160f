package ldapconn

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// pageSize is how many entries are asked for at a time.
const pageSize = 500

// A Scope is how far below its base a search looks.
type Scope int

// The scopes of RFC 4511 §4.5.1.2.
const (
	ScopeBase = Scope(ldap.ScopeBaseObject)
	ScopeOne  = Scope(ldap.ScopeSingleLevel)
	ScopeSub  = Scope(ldap.ScopeWholeSubtree)
)

// A Search is what is searched for.
type Search struct {
	Base       string
	Scope      Scope
	Filter     string   // "" is every entry
	Attributes []string // nil is all that users have; see RFC 4511 §4.5.1.8
	Entries    int      // more than these are an error; 0 is any number
	Bytes      int      // of names and values; 0 is any number
	Seconds    int      // that the server may take; 0 is any number
	Controls   []string // types of controls without a value that the server has to heed
}

// An Entry is what a search found.
type Entry struct {
	DN         string
	Attributes []Attribute // in the order of the server
}

// An Attribute has at least one value, unless names alone were asked for.
type Attribute struct {
	Name   string // as the server writes it, with options
	Values [][]byte
}

// Errors about what was asked and what came of it.
var (
	ErrFilter  = errors.New("that is not a filter")
	ErrEntries = errors.New("too many entries")
	ErrBytes   = errors.New("too much data")
)

// Search returns the complete set and nil, or an error: never a part of it. It reads
// in pages where the server can. Referrals are not followed: entries that another
// server holds are not in the set.
func (c *Conn) Search(ctx context.Context, s Search) ([]Entry, error) {
	filter, err := encodedFilter(s.Filter)
	if err != nil {
		return nil, err
	}
	defer c.endWith(ctx)()
	page, limit := pageSize, 0
	if s.Entries > 0 {
		limit = s.Entries + 1
		page = min(pageSize, limit)
	}
	if s.Scope == ScopeBase {
		page = 0 // one entry at most
	} else {
		c.paged.Lock()
		defer c.paged.Unlock()
	}
	var entries []Entry
	var cookie []byte
	var d decoder
	bytes := 0
	for {
		x, err := c.wire.send(nil, func(e *encoder) { s.encode(e, filter, limit, page, cookie) })
		if err != nil {
			return nil, ended(ctx, err)
		}
		out, err := x.wait(ctx, tagSearchDone)
		if err != nil && !isResult(err, ldap.LDAPResultSizeLimitExceeded) {
			return nil, err
		}
		before := len(entries)
		var bad error
		if entries, bad = d.entries(entries, x.raw[:x.end]); bad != nil {
			return nil, network(bad)
		}
		for i := range entries[before:] {
			bytes += entries[before+i].size()
		}
		switch {
		case s.Entries > 0 && len(entries) > s.Entries:
			return nil, fmt.Errorf("%w: more than %d", ErrEntries, s.Entries)
		case err != nil:
			return nil, err
		case s.Bytes > 0 && bytes > s.Bytes:
			return nil, fmt.Errorf("%w: more than %d bytes", ErrBytes, s.Bytes)
		}
		if cookie, err = out.cookie(); err != nil {
			return nil, network(err)
		}
		if len(cookie) == 0 {
			return entries, nil
		}
	}
}

// size returns how many bytes the name and the values have.
func (e *Entry) size() int {
	n := len(e.DN)
	for i := range e.Attributes {
		for _, v := range e.Attributes[i].Values {
			n += len(v)
		}
	}
	return n
}

// Read returns one entry, nil if there is none of that name. The name "" is that of
// the server's own entry, the root DSE.
func (c *Conn) Read(ctx context.Context, dn string, attributes []string, bytes int) (*Entry, error) {
	entries, err := c.Search(ctx, Search{Base: dn, Scope: ScopeBase, Attributes: attributes, Bytes: bytes})
	switch {
	case isResult(err, ldap.LDAPResultNoSuchObject):
		return nil, nil
	case err != nil || len(entries) == 0:
		return nil, err
	}
	return &entries[0], nil
}

func checkedFilter(filter string) (string, error) {
	if filter == "" {
		return "(objectClass=*)", nil
	}
	if _, err := ldap.CompileFilter(filter); err != nil {
		return "", fmt.Errorf("%q: %w: %w", filter, ErrFilter, err)
	}
	return filter, nil
}
