package ldapconn

import (
	"errors"

	"github.com/go-ldap/ldap/v3"
)

// operation returns the tag of what a message holds.
func operation(message []byte) (tag byte, err error) {
	body, _, err := expect(message, tagSequence)
	if err != nil {
		return 0, err
	}
	if _, body, err = expect(body, tagInteger); err != nil {
		return 0, err
	}
	tag, _, _, err = element(body)
	return tag, err
}

// An outcome is the last message of an answer.
type outcome struct {
	err      error  // what the server says, nil is success
	controls []byte // see control
}

// parseOutcome reads a message that holds a result (RFC 4511 §4.1.9) by the tag. What it
// does not know at the end of a sequence is skipped, as §4 demands.
func parseOutcome(message []byte, tag byte) (out outcome, err error) {
	body, _, err := expect(message, tagSequence)
	if err != nil {
		return out, err
	}
	if _, body, err = expect(body, tagInteger); err != nil {
		return out, err
	}
	result, body, err := expect(body, tag)
	if err != nil {
		return out, err
	}
	code, result, err := expect(result, tagEnumerated)
	if err != nil {
		return out, err
	}
	matched, result, err := expect(result, tagOctetString)
	if err != nil {
		return out, err
	}
	text, result, err := expect(result, tagOctetString)
	if err == nil {
		err = errors.Join(skip(result), skip(body))
	}
	if err != nil {
		return out, err
	}
	n, err := integerOf(code)
	if err != nil || n < 0 || n >= 1<<16 {
		return out, errEncoding
	}
	if n != ldap.LDAPResultSuccess {
		out.err = referralOf(&ldap.Error{ResultCode: uint16(n), MatchedDN: string(matched), Err: errors.New(string(text))}, result)
	}
	for len(body) > 0 {
		var is byte
		var content []byte
		if is, content, body, err = element(body); err != nil {
			return out, err
		}
		if is == tagControls {
			out.controls = content
		}
	}
	return out, nil
}

// control returns the value of a control by its type (RFC 4511 §4.1.11).
func (o *outcome) control(name string) (value []byte, present bool, err error) {
	for list := o.controls; len(list) > 0; {
		var one, oid []byte
		if one, list, err = expect(list, tagSequence); err != nil {
			return nil, false, err
		}
		if oid, one, err = expect(one, tagOctetString); err != nil {
			return nil, false, err
		}
		for len(one) > 0 {
			var tag byte
			var content []byte
			if tag, content, one, err = element(one); err != nil {
				return nil, false, err
			}
			if tag == tagOctetString {
				value = content
			}
		}
		if string(oid) == name {
			return value, true, nil
		}
		value = nil
	}
	return nil, false, nil
}

// A decoder reads the entries of answers. What it returns lies in the answer, and in room
// that it takes for many entries at once.
type decoder struct {
	names      map[string]string
	attributes []Attribute
	values     [][]byte
}

// reset says that nobody has an entry any more.
func (d *decoder) reset() { d.attributes, d.values = d.attributes[:0], d.values[:0] }

// entries appends the entries of an answer, without its last message. Referrals are left
// out.
func (d *decoder) entries(to []Entry, messages []byte) ([]Entry, error) {
	for len(messages) > 0 {
		var body []byte
		var err error
		if body, messages, err = expect(messages, tagSequence); err != nil {
			return to, err
		}
		if _, body, err = expect(body, tagInteger); err != nil {
			return to, err
		}
		tag, content, body, err := element(body)
		if err == nil {
			err = skip(body)
		}
		if err != nil {
			return to, err
		}
		if tag != tagSearchEntry {
			continue
		}
		entry, err := d.entry(content)
		if err != nil {
			return to, err
		}
		to = append(to, entry)
	}
	return to, nil
}

// entry reads what a SearchResultEntry holds (RFC 4511 §4.5.2).
func (d *decoder) entry(content []byte) (Entry, error) {
	dn, content, err := expect(content, tagOctetString)
	if err != nil {
		return Entry{}, err
	}
	list, content, err := expect(content, tagSequence)
	if err == nil {
		err = skip(content)
	}
	if err != nil {
		return Entry{}, err
	}
	count := 0
	for rest := list; len(rest) > 0; count++ {
		if _, rest, err = expect(rest, tagSequence); err != nil {
			return Entry{}, err
		}
	}
	d.attributes = room(d.attributes, count)
	attributes := d.attributes[len(d.attributes)-count:][:0:count]
	for len(list) > 0 {
		var one, name, set []byte
		if one, list, err = expect(list, tagSequence); err != nil {
			return Entry{}, err
		}
		if name, one, err = expect(one, tagOctetString); err != nil {
			return Entry{}, err
		}
		if set, one, err = expect(one, tagSet); err == nil {
			err = skip(one)
		}
		if err != nil {
			return Entry{}, err
		}
		values, err := d.set(set)
		if err != nil {
			return Entry{}, err
		}
		attributes = append(attributes, Attribute{d.name(name), values})
	}
	return Entry{DN: string(dn), Attributes: attributes}, nil
}

func (d *decoder) set(set []byte) ([][]byte, error) {
	count := 0
	for rest := set; len(rest) > 0; count++ {
		var err error
		if _, rest, err = expect(rest, tagOctetString); err != nil {
			return nil, err
		}
	}
	d.values = room(d.values, count)
	values := d.values[len(d.values)-count:][:0:count]
	for len(set) > 0 {
		value, rest, err := expect(set, tagOctetString)
		if err != nil {
			return nil, err
		}
		values, set = append(values, value), rest
	}
	return values, nil
}

// name returns the name of an attribute, the same text for every entry.
func (d *decoder) name(b []byte) string {
	if known, found := d.names[string(b)]; found {
		return known
	}
	const most = 1000 // options can make any number of names
	if d.names == nil || len(d.names) >= most {
		d.names = map[string]string{}
	}
	name := string(b)
	d.names[name] = name
	return name
}

// room extends s by n items. Where that needs new room, the old is left to those who
// hold it.
func room[T any](s []T, n int) []T {
	if len(s)+n > cap(s) {
		s = make([]T, 0, max(2*cap(s), n, 8))
	}
	return s[:len(s)+n]
}
