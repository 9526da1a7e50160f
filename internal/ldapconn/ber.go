package ldapconn

import (
	"encoding/binary"
	"errors"
	"math"
)

// The part of the basic encoding rules that LDAP uses (RFC 4511 §5.1): tags of one byte,
// lengths that are told, and texts in one piece.

// Tags of RFC 4511.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31

	tagSearchRequest    = 0x63
	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagSearchReference  = 0x73
	tagAddRequest       = 0x68
	tagAddResponse      = 0x69
	tagExtendedRequest  = 0x77
	tagExtendedResponse = 0x78
	tagIntermediate     = 0x79

	tagControls    = 0xa0 // of a message
	tagRequestName = 0x80 // of an extended operation
)

var errEncoding = errors.New("the server's answer is not encoded as LDAP demands")

// maxMessage is the most bytes that a message may have.
const maxMessage = math.MaxInt32

// An encoder builds a message.
type encoder struct{ b []byte }

// open begins an element that holds others, whose length nobody knows yet; close ends
// it, with what open returned.
func (e *encoder) open(tag byte) (at int) {
	e.b = append(e.b, tag, 0x84, 0, 0, 0, 0)
	return len(e.b)
}

func (e *encoder) close(at int) {
	binary.BigEndian.PutUint32(e.b[at-4:], uint32(len(e.b)-at)) //nolint:gosec // a request is not that long
}

func (e *encoder) header(tag byte, length int) {
	if length < 0x80 {
		e.b = append(e.b, tag, byte(length))
		return
	}
	e.b = append(e.b, tag, 0x84)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(length)) //nolint:gosec // a request is not that long
}

func (e *encoder) text(tag byte, s string) {
	e.header(tag, len(s))
	e.b = append(e.b, s...)
}

func (e *encoder) integer(tag byte, n int32) {
	e.b = append(e.b, tag, 4)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(n)) //nolint:gosec // as two's complement
}

func (e *encoder) boolean(b bool) {
	e.b = append(e.b, tagBoolean, 1, 0)
	if b {
		e.b[len(e.b)-1] = 0xff
	}
}

// lengthBytes returns how many bytes follow the first one of a length.
func lengthBytes(first byte) (int, error) {
	n := 0
	if first >= 0x80 {
		n = int(first & 0x7f)
	}
	if n > 4 || first == 0x80 {
		return 0, errEncoding
	}
	return n, nil
}

// number returns the value of bytes that are a number without a sign.
func number(b []byte) (n int) {
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}

// element cuts the first element off b.
func element(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, errEncoding
	}
	more, err := lengthBytes(b[1])
	if err != nil || len(b) < 2+more {
		return 0, nil, nil, errEncoding
	}
	length := int(b[1])
	if more > 0 {
		length = number(b[2 : 2+more])
	}
	content = b[2+more:]
	if length > len(content) {
		return 0, nil, nil, errEncoding
	}
	return b[0], content[:length:length], content[length:], nil
}

// expect cuts the first element off b, which must have a tag.
func expect(b []byte, tag byte) (content, rest []byte, err error) {
	is, content, rest, err := element(b)
	if err == nil && is != tag {
		err = errEncoding
	}
	return content, rest, err
}

// skip looks at elements that are not known here, which RFC 4511 §4 allows at the end of
// a sequence: they must be some all the same.
func skip(b []byte) (err error) {
	for len(b) > 0 && err == nil {
		_, _, b, err = element(b)
	}
	return err
}

// integerOf returns an integer of up to four bytes.
func integerOf(content []byte) (n int32, err error) {
	if len(content) == 0 || len(content) > 4 {
		return 0, errEncoding
	}
	n = int32(int8(content[0])) //nolint:gosec // the first bit is the sign
	for _, c := range content[1:] {
		n = n<<8 | int32(c)
	}
	return n, nil
}
