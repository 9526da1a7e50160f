package directory

import (
	"errors"

	"github.com/go-ldap/ldap/v3"
)

// The field of an answer that names other servers (RFC 4511 §4.1.9): its class, which is
// context-specific, and its tag.
const (
	contextClass = 0x80
	referralTag  = 3
)

// referral returns where a server refers to instead of doing what it was asked; nil if
// the error is another one.
func referral(err error) []string {
	var answer *ldap.Error
	if !errors.As(err, &answer) || answer.ResultCode != ldap.LDAPResultReferral || answer.Packet == nil || len(answer.Packet.Children) < 2 {
		return nil
	}
	var to []string
	for _, field := range answer.Packet.Children[1].Children {
		if field.ClassType != contextClass || field.Tag != referralTag {
			continue
		}
		for _, url := range field.Children {
			to = append(to, url.Data.String())
		}
	}
	return to
}
