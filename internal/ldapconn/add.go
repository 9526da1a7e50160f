package ldapconn

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// PostRead is the control by which a server tells what an entry is like after it was
// written (RFC 4527 §3.2). A server that has it says so in its own entry.
const PostRead = "1.3.6.1.1.13.2"

// Add creates an entry. With read, the name of an attribute, it returns the entry as the
// server has created it, with that attribute alone, nil if it does not say: ask only a
// server that has [PostRead]. The error is a *ldap.Error with the server's answer, or that
// of a connection that was lost, after which nobody knows whether there is an entry.
func (c *Conn) Add(ctx context.Context, r *ldap.AddRequest, read string) (told *Entry, err error) {
	defer c.endWith(ctx)()
	x, err := c.wire.send(nil, func(e *encoder) { encodeAdd(e, r, read) })
	if err != nil {
		return nil, ended(ctx, err)
	}
	out, err := x.wait(ctx, tagAddResponse)
	if err != nil || read == "" {
		return nil, err
	}
	if told, err = out.postRead(); err != nil {
		return nil, nil //nolint:nilerr // the entry is there, and can be read
	}
	return told, nil
}

func encodeAdd(e *encoder, r *ldap.AddRequest, read string) {
	request := e.open(tagAddRequest)
	e.text(tagOctetString, r.DN)
	attributes := e.open(tagSequence)
	for _, a := range r.Attributes {
		attribute := e.open(tagSequence)
		e.text(tagOctetString, a.Type)
		values := e.open(tagSet)
		for _, v := range a.Vals {
			e.text(tagOctetString, v)
		}
		e.close(values)
		e.close(attribute)
	}
	e.close(attributes)
	e.close(request)
	if read == "" {
		return
	}
	controls := e.open(tagControls)
	control := e.open(tagSequence)
	e.text(tagOctetString, PostRead)
	value := e.open(tagOctetString)
	names := e.open(tagSequence)
	e.text(tagOctetString, read)
	e.close(names)
	e.close(value)
	e.close(control)
	e.close(controls)
}

// postRead returns what the server says of the entry that it has written, nil if it says
// nothing.
func (o *outcome) postRead() (*Entry, error) {
	value, present, err := o.control(PostRead)
	if err != nil || !present {
		return nil, err
	}
	tag, content, _, err := element(value)
	if err != nil || tag != tagSearchEntry && tag != tagSequence {
		return nil, errEncoding
	}
	entry, err := new(decoder).entry(content)
	return &entry, err
}
