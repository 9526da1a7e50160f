package ldapconn

import (
	"errors"

	"github.com/go-ldap/ldap/v3"
)

// The field of an answer that names other servers (RFC 4511 §4.1.9).
const (
	tagReferral = 0xa3

	// as the library takes its tag apart
	contextClass   = 0x80
	referralNumber = 3
)

// A referred is the answer of a server that names others.
type referred struct {
	answer *ldap.Error
	to     []string
}

func (r *referred) Error() string { return r.answer.Error() }

func (r *referred) Unwrap() error { return r.answer }

// Referral returns where a server refers to instead of doing what it was asked; nil if
// the error is another one.
func Referral(err error) []string {
	if ours := (*referred)(nil); errors.As(err, &ours) {
		return ours.to
	}
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.ResultCode != ldap.LDAPResultReferral || answer.Packet == nil || len(answer.Packet.Children) < 2 {
		return nil
	}
	var to []string
	for _, field := range answer.Packet.Children[1].Children {
		if field.ClassType != contextClass || field.Tag != referralNumber {
			continue
		}
		for _, url := range field.Children {
			to = append(to, url.Data.String())
		}
	}
	return to
}

// referralOf returns the error with the servers that are named behind the text of an
// answer, if there are any.
func referralOf(answer *ldap.Error, rest []byte) error {
	var to []string
	for len(rest) > 0 {
		tag, content, more, err := element(rest)
		if err != nil {
			break // what is left was looked at before
		}
		rest = more
		for tag == tagReferral && len(content) > 0 {
			var url []byte
			if url, content, err = expect(content, tagOctetString); err != nil {
				break
			}
			to = append(to, string(url))
		}
	}
	if to == nil {
		return answer
	}
	return &referred{answer, to}
}
