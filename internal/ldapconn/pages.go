package ldapconn

import (
	"context"
	"io"

	"github.com/go-ldap/ldap/v3"
)

// Pages reads the entries of a search page by page (RFC 2696), each while the one before
// is worked on. A server that cannot page delivers one.
type Pages struct {
	c      *Conn
	s      Search
	filter string
	size   int
	alone  bool

	coming  *exchange // the next page, nil before the first and after the last
	cookie  []byte
	begun   bool
	ended   error
	spare   []byte // room of the page before
	decoder decoder
	entries []Entry
}

// Pages begins a search whose pages have about as many entries as size says; a size of 0
// does not ask for pages. Nothing is sent before the first call of [Pages.Next].
// Search.Entries and Bytes mean nothing here.
//
// Other calls on the connection are for when alone is set: then no page is read ahead,
// for servers have one paged search at a time on a connection, and some of them nothing
// else beside it.
func (c *Conn) Pages(s Search, size int, alone bool) (*Pages, error) {
	filter, err := encodedFilter(s.Filter)
	if err != nil {
		return nil, err
	}
	return &Pages{c: c, s: s, filter: filter, size: size, alone: alone}, nil
}

// Next returns the next page, which may be empty, and io.EOF after the last one. Any
// other error says that entries are missing: what cuts the search short, be it a limit
// of the server, is never its end. The entries are good until the next call.
func (p *Pages) Next(ctx context.Context) ([]Entry, error) {
	if p.ended == nil {
		p.ended = p.next(ctx)
	}
	if p.ended != nil {
		return nil, p.ended
	}
	return p.entries, nil
}

func (p *Pages) next(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer p.c.endWith(ctx)()
	if p.coming == nil {
		if p.begun && len(p.cookie) == 0 {
			return io.EOF
		}
		if err := p.ask(); err != nil {
			return ended(ctx, err)
		}
	}
	x := p.coming
	p.coming = nil
	out, err := x.wait(ctx, tagSearchDone)
	if err != nil {
		return err
	}
	if p.cookie, err = out.cookie(); err != nil {
		return network(err)
	}
	p.decoder.reset()
	room := p.spare
	p.spare = x.raw
	if len(p.cookie) > 0 && !p.alone {
		if err := p.askWith(room); err != nil {
			return ended(ctx, err)
		}
	}
	if p.entries, err = p.decoder.entries(p.entries[:0], x.raw[:x.end]); err != nil {
		return network(err)
	}
	return nil
}

func (p *Pages) ask() error { return p.askWith(nil) }

// askWith asks for the next page, with room for it.
func (p *Pages) askWith(room []byte) (err error) {
	p.begun = true
	p.coming, err = p.c.wire.send(room, func(e *encoder) { p.s.encode(e, p.filter, 0, p.size, p.cookie) })
	return err
}

// wait waits for the answer to a request, and returns its last message, which must have
// the tag.
func (x *exchange) wait(ctx context.Context, tag byte) (outcome, error) {
	select {
	case <-x.done:
	case <-ctx.Done():
		return outcome{}, ended(ctx, ctx.Err())
	}
	if x.err != nil {
		return outcome{}, ended(ctx, x.err)
	}
	out, err := parseOutcome(x.raw[x.end:], tag)
	if err != nil {
		return outcome{}, network(err)
	}
	return out, out.err
}

// encode appends a search and the control of paging. A size of 0 asks without paging.
func (s *Search) encode(e *encoder, filter string, limit, size int, cookie []byte) {
	request := e.open(tagSearchRequest)
	e.text(tagOctetString, s.Base)
	e.integer(tagEnumerated, int32(s.Scope)) //nolint:gosec // one of three
	e.integer(tagEnumerated, ldap.NeverDerefAliases)
	e.integer(tagInteger, int32(limit))     //nolint:gosec // the caller's, and small
	e.integer(tagInteger, int32(s.Seconds)) //nolint:gosec // small
	e.boolean(false)                        // values too
	e.b = append(e.b, filter...)
	attributes := e.open(tagSequence)
	for _, name := range s.Attributes {
		e.text(tagOctetString, name)
	}
	e.close(attributes)
	e.close(request)
	if size == 0 && len(s.Controls) == 0 {
		return
	}
	controls := e.open(tagControls)
	defer e.close(controls)
	for _, name := range s.Controls {
		control := e.open(tagSequence)
		e.text(tagOctetString, name)
		e.boolean(true)
		e.close(control)
	}
	if size == 0 {
		return
	}
	control := e.open(tagSequence)
	e.text(tagOctetString, ldap.ControlTypePaging)
	value := e.open(tagOctetString)
	paging := e.open(tagSequence)
	e.integer(tagInteger, int32(size)) //nolint:gosec // a page is small
	e.text(tagOctetString, string(cookie))
	e.close(paging)
	e.close(value)
	e.close(control)
}

// cookie returns with what to ask for the page after this one, nil if it is the last.
func (o *outcome) cookie() ([]byte, error) {
	value, present, err := o.control(ldap.ControlTypePaging)
	if err != nil || !present {
		return nil, err
	}
	body, _, err := expect(value, tagSequence)
	if err != nil {
		return nil, err
	}
	if _, body, err = expect(body, tagInteger); err != nil {
		return nil, err
	}
	cookie, _, err := expect(body, tagOctetString)
	return append([]byte(nil), cookie...), err
}

// encodedFilter returns a filter as the protocol has it.
func encodedFilter(filter string) (string, error) {
	filter, err := checkedFilter(filter)
	if err != nil {
		return "", err
	}
	packet, err := ldap.CompileFilter(filter)
	if err != nil {
		return "", err
	}
	return string(packet.Bytes()), nil
}
