package directory

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

const (
	defaultPageSize = 1000
	fetchSize       = 200 // entries that one search asks for by their anchors
)

// A directoryImport reads from one connection of its own.
type directoryImport struct {
	d        *Directory
	c        *ldapconn.Conn
	server   *Server
	base     string // what is searched
	pageSize int
	complete bool

	pages *ldapconn.Pages // of a full import

	changed []string // of a delta import: the anchors that are still to be read

	mark  *Watermark // what Close returns
	ended error      // what every further Next returns
}

// OpenImport implements agent.Importer: it asks the server for its schema, and for
// what changed if the import is a delta one.
func (d *Directory) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	m := &directoryImport{d: d, pageSize: cmp.Or(req.PageSize, defaultPageSize)}
	var err error
	if m.base, err = d.base(req.Partition); err != nil {
		return nil, err
	}
	if m.c, err = d.Connect(ctx); err != nil {
		return nil, err
	}
	if err = m.open(ctx, req); err != nil {
		m.c.Close()
		return nil, d.Failed("no-start-connection", err)
	}
	return m, nil
}

func (m *directoryImport) open(ctx context.Context, req agent.ImportRequest) error {
	d := m.d
	var err error
	if m.server, err = d.learn(ctx, m.c); err != nil {
		return err
	}
	if err = req.Check(m.server.schema()); err != nil {
		return err
	}
	places := []string{m.base}
	if only := m.only(req.Containers); only != "" {
		places = append(places, only)
	}
	for _, place := range places {
		if err = d.Exists(ctx, m.c, place); err != nil {
			return err
		}
	}
	t, err := d.dialect.Tracker(m.server, m.base)
	if err != nil {
		return err
	}
	if req.Delta && t != nil {
		before, err := d.parseWatermark(req.Watermark, t, m.base)
		if err != nil {
			return err
		}
		m.changed, m.mark, err = d.changes(ctx, m.c, m.server, t, before)
		return err
	}
	// What changes from here on is told by the next delta import, whether this one
	// shows it or not.
	m.complete, m.base = true, places[len(places)-1]
	if t != nil {
		if m.mark, err = d.begin(ctx, m.c, m.server, t, places[0]); err != nil {
			return err
		}
	}
	m.pages, err = m.c.Pages(ldapconn.Search{Base: m.base, Scope: ldapconn.ScopeSub, Filter: m.server.Scope(), Attributes: m.server.all()},
		m.pageSize, d.asks(m.server))
	return err
}

// only returns the one container of the base that counts, "" if it is the base or
// there are several: one search sees what moves meanwhile, several would not.
func (m *directoryImport) only(c identity.Containers) string {
	base, _ := identity.ParseDN(m.base) // Open has read it
	found := ""
	for _, name := range c.Include() {
		dn, err := identity.ParseDN(name)
		if err != nil || IsWithin(base, dn) || found != "" && IsWithin(dn, base) {
			return ""
		}
		if IsWithin(dn, base) {
			found = name
		}
	}
	return found
}

// Exists says that a place is gone, or hidden, before nothing is found below it.
func (d *Directory) Exists(ctx context.Context, c *ldapconn.Conn, dn string) error {
	e, err := c.Read(ctx, dn, []string{"1.1"}, 0)
	if err == nil && e == nil {
		err := d.Fault("no-start-partition-delete", "the server shows no %q", dn)
		err.Hint = "either it is gone, or bindDN may not read it"
		return err
	}
	return err
}

func (m *directoryImport) Complete() bool  { return m.complete }
func (m *directoryImport) Unchanged() bool { return false }

// Next implements agent.Import.
func (m *directoryImport) Next(ctx context.Context, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	for m.ended == nil && len(page.Entries) == 0 {
		var err error
		switch {
		case m.complete:
			err = m.nextPage(ctx, page)
		case len(m.changed) == 0:
			err = io.EOF
		default:
			err = m.nextChanged(ctx, page)
		}
		if err == io.EOF {
			m.ended = io.EOF
		} else if err != nil {
			m.ended = m.d.Failed("stopped-import-read", err)
		}
	}
	if m.ended != nil {
		page.Reset()
	}
	return m.ended
}

func (m *directoryImport) nextPage(ctx context.Context, page *agent.Page) error {
	entries, err := m.pages.Next(ctx)
	if err != nil {
		return err
	}
	kinds, err := m.d.classify(ctx, m.c, m.server, m.base, entries)
	if err != nil {
		return err
	}
	for i := range entries {
		if kinds[i] != nil {
			m.d.fill(m.server, kinds[i], page, &entries[i])
			m.mark.see(&entries[i])
		}
	}
	return nil
}

// nextChanged reads the next of the entries that changed, as they are now.
func (m *directoryImport) nextChanged(ctx context.Context, page *agent.Page) error {
	n := min(m.pageSize, fetchSize, len(m.changed))
	anchors := m.changed[:n]
	m.changed = m.changed[n:]
	entries, kinds, err := m.d.fetch(ctx, m.c, m.server, m.base, anchors)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	for i := range entries {
		here[m.server.Anchor.Of(&entries[i])] = kinds[i] != nil
	}
	elsewhere, err := m.elsewhere(ctx, anchors, here)
	if err != nil {
		return err
	}
	for _, anchor := range anchors {
		if !here[anchor] && !elsewhere[anchor] {
			e := page.Add()
			e.Op, e.Anchor = identity.Delete, anchor
		}
	}
	for i := range entries {
		if kinds[i] != nil {
			m.d.fill(m.server, kinds[i], page, &entries[i])
			m.mark.see(&entries[i])
		}
	}
	return nil
}

// Close implements agent.Import.
func (m *directoryImport) Close(_ context.Context, outcome agent.Outcome) ([]byte, error) {
	m.c.Close()
	if outcome != agent.Completed || m.mark == nil {
		return nil, nil
	}
	return m.mark.Bytes()
}

// Records calls f for every entry that a search finds, page by page, in the order of the
// server. Each request has the controls, which are named by their type and have no value.
func Records(ctx context.Context, c *ldapconn.Conn, base, filter string, attributes []string, f func(*ldapconn.Entry) error, controls ...string) error {
	pages, err := c.Pages(ldapconn.Search{
		Base: base, Scope: ldapconn.ScopeSub, Filter: filter, Attributes: attributes, Controls: controls,
	}, defaultPageSize, false)
	if err != nil {
		return err
	}
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range page {
			if err := f(&page[i]); err != nil {
				return err
			}
		}
	}
}

// fetch reads the entries with these anchors that are objects of any kind.
func (d *Directory) fetch(ctx context.Context, c *ldapconn.Conn, s *Server, base string, anchors []string) ([]ldapconn.Entry, []*Kind, error) {
	entries, err := c.Search(ctx, ldapconn.Search{
		Base: base, Scope: ldapconn.ScopeSub, Attributes: s.all(),
		Filter: "(&" + s.Scope() + s.Anchor.anyOf(anchors) + ")",
	})
	if err != nil {
		return nil, nil, err
	}
	kinds, err := d.classify(ctx, c, s, base, entries)
	return entries, kinds, err
}

// anyOf returns the filter that matches the entries with these anchors.
func (a *Anchor) anyOf(anchors []string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, anchor := range anchors {
		b.WriteString(a.filter(anchor))
	}
	b.WriteString(")")
	return b.String()
}

// classify completes entries, and returns the kind of every entry: the first one, as they are configured, that
// it matches. Where classes do not tell, the server is asked; nil is an entry that has
// ceased to be an object meanwhile.
func (d *Directory) classify(ctx context.Context, c *ldapconn.Conn, s *Server, base string, entries []ldapconn.Entry) ([]*Kind, error) {
	if f, ok := d.dialect.(Finisher); ok && len(entries) > 0 {
		if err := f.Finish(ctx, c, s, entries); err != nil {
			return nil, err
		}
	}
	kinds := make([]*Kind, len(entries))
	if len(s.kinds) == 1 {
		for i := range kinds {
			kinds[i] = s.kinds[0]
		}
		return kinds, nil
	}
	var doubtful []int
	for i := range entries {
		classes := map[string]bool{}
		s.Subschema.Superiors(classes, Values(&entries[i], "objectClass"))
		var candidates []*Kind
		for _, k := range s.kinds {
			if own := s.Subschema.class(k.Class); classes[strings.ToLower(own.name)] && !k.isDerived(classes) {
				candidates = append(candidates, k)
			}
		}
		switch {
		case len(candidates) == 1, len(candidates) > 1 && candidates[0].Filter == "":
			kinds[i] = candidates[0]
		default:
			doubtful = append(doubtful, i)
		}
	}
	for len(doubtful) > 0 {
		n := min(len(doubtful), fetchSize)
		if err := d.ask(ctx, c, s, base, entries, kinds, doubtful[:n]); err != nil {
			return nil, err
		}
		doubtful = doubtful[n:]
	}
	return kinds, nil
}

// asks reports whether classify may have to ask the server.
func (d *Directory) asks(s *Server) bool {
	if _, completes := d.dialect.(Finisher); completes {
		return true
	}
	return len(s.kinds) > 1 && slices.ContainsFunc(s.kinds, func(k *Kind) bool { return k.Filter != "" })
}

// isDerived reports whether classes of an entry are derived from that of a kind, so that
// it is no object of it.
func (k *Kind) isDerived(classes map[string]bool) bool {
	return slices.ContainsFunc(k.derived, func(class string) bool { return classes[strings.ToLower(class)] })
}

func (d *Directory) ask(ctx context.Context, c *ldapconn.Conn, s *Server, base string, entries []ldapconn.Entry, kinds []*Kind, which []int) error {
	anchors, at := make([]string, len(which)), map[string]int{}
	for i, index := range which {
		anchors[i] = s.Anchor.Of(&entries[index])
		at[anchors[i]] = index
	}
	for _, k := range slices.Backward(s.kinds) { // so that the first one is what stays
		// Without paging: slapd has one paged search at a time on a connection, and
		// the import is in the middle of it.
		answer, err := c.Pages(ldapconn.Search{
			Base: base, Scope: ldapconn.ScopeSub, Filter: "(&" + k.match() + s.Anchor.anyOf(anchors) + ")", Attributes: []string{s.Anchor.Attribute},
		}, 0, true)
		if err != nil {
			return err
		}
		found, err := answer.Next(ctx)
		if err != nil {
			return err
		}
		for i := range found {
			if index, ok := at[s.Anchor.Of(&found[i])]; ok {
				kinds[index] = k
			}
		}
	}
	return nil
}

// ReadObject implements agent.ObjectReader.
func (d *Directory) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	c, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := d.learn(ctx, c)
	if err != nil {
		return err
	}
	check := agent.ImportRequest{Required: req.Required}
	if err := check.Check(s.schema()); err != nil {
		return err
	}
	for _, base := range d.settings.Base {
		if req.Partition != "" && req.Partition != base {
			continue
		}
		if err := d.Exists(ctx, c, base); err != nil {
			return d.Failed("no-start-connection", err)
		}
		if err := d.readOne(ctx, c, s, base, req, page); err != nil || len(page.Entries) > 0 {
			return d.Failed("no-start-connection", err)
		}
	}
	return nil
}

func (d *Directory) readOne(ctx context.Context, c *ldapconn.Conn, s *Server, base string, req agent.ObjectRequest, page *agent.Page) error {
	var entries []ldapconn.Entry
	var kinds []*Kind
	var err error
	if req.Anchor != "" {
		entries, kinds, err = d.fetch(ctx, c, s, base, []string{req.Anchor})
	} else {
		above, _ := identity.ParseDN(base) // Open has read it
		if dn, bad := identity.ParseDN(req.DN); bad != nil || !IsWithin(dn, above) {
			return nil
		}
		entries, err = c.Search(ctx, ldapconn.Search{Base: req.DN, Scope: ldapconn.ScopeBase, Filter: s.Scope(), Attributes: s.all()})
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return nil
		}
		if err == nil {
			kinds, err = d.classify(ctx, c, s, base, entries)
		}
	}
	for i := range entries {
		if err == nil && kinds[i] != nil {
			d.fill(s, kinds[i], page, &entries[i])
		}
	}
	return err
}
