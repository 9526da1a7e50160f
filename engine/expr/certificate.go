package expr

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/identity"
)

// A certificate is what is read of one. It is read here and not by crypto/x509,
// which refuses what directories hold and .NET reads: odd serial numbers, keys
// of unusual kinds, extensions that it cannot decode.
type certificate struct {
	raw                []byte // DER
	version            int
	serial             []byte
	signatureAlgorithm asn1.ObjectIdentifier
	issuer, subject    distinguishedName
	validity           validity
	key                publicKey
	extensions         []pkix.Extension
}

type validity struct{ NotBefore, NotAfter time.Time }

type publicKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// The structures of X.509, for encoding/asn1.
type (
	certificateDER struct {
		TBS                tbsCertificateDER
		SignatureAlgorithm pkix.AlgorithmIdentifier
		Signature          asn1.BitString
	}
	tbsCertificateDER struct {
		Version            int `asn1:"optional,explicit,default:0,tag:0"`
		Serial             asn1.RawValue
		SignatureAlgorithm pkix.AlgorithmIdentifier
		Issuer             distinguishedName
		Validity           validity
		Subject            distinguishedName
		Key                publicKey
		IssuerID           asn1.BitString   `asn1:"optional,tag:1"`
		SubjectID          asn1.BitString   `asn1:"optional,tag:2"`
		Extensions         []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
	}
)

var errNoCertificate = errors.New("the value is not an X.509 certificate")

// parseCertificate reads DER, or base64 with or without the lines of PEM.
func parseCertificate(v identity.Value) (*certificate, error) {
	if v.Type() != identity.TypeBinary && v.Type() != identity.TypeString {
		return nil, errNoCertificate
	}
	if v.Type() == identity.TypeBinary {
		if c, err := parseDER([]byte(v.Str())); err == nil {
			return c, nil
		}
	}
	if block, _ := pem.Decode([]byte(v.Str())); block != nil {
		return parseDER(block.Bytes)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v.Str()), ""))
	if err != nil {
		return nil, errNoCertificate
	}
	return parseDER(der)
}

func parseDER(der []byte) (*certificate, error) {
	var parsed certificateDER
	if rest, err := asn1.Unmarshal(der, &parsed); err != nil || len(rest) > 0 {
		return nil, errNoCertificate
	}
	tbs := &parsed.TBS
	if tbs.Serial.Tag != asn1.TagInteger || tbs.Serial.Class != asn1.ClassUniversal || len(tbs.Serial.Bytes) == 0 ||
		tbs.Version < 0 || tbs.Version > 2 {
		return nil, errNoCertificate
	}
	return &certificate{
		raw: der, version: tbs.Version + 1, serial: tbs.Serial.Bytes, signatureAlgorithm: parsed.SignatureAlgorithm.Algorithm,
		issuer: tbs.Issuer, subject: tbs.Subject, validity: tbs.Validity, key: tbs.Key, extensions: tbs.Extensions,
	}, nil
}

// A distinguishedName is the name of an issuer or a subject, from the country
// to the common name.
type distinguishedName []relativeNameSET

// The suffix SET tells encoding/asn1 what it is.
type relativeNameSET []nameAttribute

type nameAttribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// The keywords that .NET has for the attributes of a name; others are written
// OID.1.2.3.
var nameKeywords = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "S", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "T", "2.5.4.13": "Description", "2.5.4.17": "PostalCode", "2.5.4.18": "POBox",
	"2.5.4.20": "Phone", "2.5.4.42": "G", "2.5.4.43": "I", "2.5.4.46": "dnQualifier",
	"0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "E",
}

// String writes the name as X500DistinguishedName.Name of .NET: from the common
// name to the country, quoted where need be.
func (n distinguishedName) String() string {
	var b strings.Builder
	for i, relative := range slices.Backward(n) {
		for j, attribute := range relative {
			switch {
			case j > 0:
				b.WriteString(" + ")
			case i < len(n)-1:
				b.WriteString(", ")
			}
			oid := attribute.Type.String()
			if keyword := nameKeywords[oid]; keyword != "" {
				b.WriteString(keyword)
			} else {
				b.WriteString("OID." + oid)
			}
			b.WriteByte('=')
			b.WriteString(quoteName(attribute.text()))
		}
	}
	return b.String()
}

func quoteName(text string) string {
	if text == "" || strings.TrimSpace(text) != text || strings.ContainsAny(text, ",+=\"\n<>#;") {
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}

// text returns the value of the attribute, whatever kind of string it is.
func (a nameAttribute) text() string {
	b := a.Value.Bytes
	if a.Value.Class == asn1.ClassUniversal {
		switch a.Value.Tag {
		case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, tagVisibleString:
			return strings.ToValidUTF8(string(b), string(utf8.RuneError))
		case asn1.TagT61String:
			return latin1(b)
		case asn1.TagBMPString:
			return utf16Text(b)
		}
	}
	return "#" + upperHex(a.Value.FullBytes)
}

const tagVisibleString = 26

func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}

// find returns the last value of one of some attributes, the first of them that
// there is.
func (n distinguishedName) find(oids ...string) (string, bool) {
	for _, oid := range oids {
		for _, relative := range slices.Backward(n) {
			for _, attribute := range slices.Backward(relative) {
				if attribute.Type.String() == oid {
					return attribute.text(), true
				}
			}
		}
	}
	return "", false
}

// nameTypes are the kinds of names that CertNameInfo knows.
var nameTypes = []string{"SimpleName", "EmailName", "UpnName", "DnsName", "DnsFromAlternativeName", "UrlName"}

const (
	oidCommonName         = "2.5.4.3"
	oidOrganization       = "2.5.4.10"
	oidOrganizationalUnit = "2.5.4.11"
	oidEmail              = "1.2.840.113549.1.9.1"
	oidSubjectAltName     = "2.5.29.17"
	oidIssuerAltName      = "2.5.29.18"
	oidUserPrincipalName  = "1.3.6.1.4.1.311.20.2.3"
)

// The tags of alternative names.
const (
	altOther = 0
	altEmail = 1
	altDNS   = 2
	altURL   = 6
)

// nameInfo returns one kind of name, "" if there is none: from the alternative
// names, or else from the distinguished name; the simple name the other way
// round.
func (c *certificate) nameInfo(kind string, ofIssuer bool) (string, error) {
	name, extension := c.subject, oidSubjectAltName
	if ofIssuer {
		name, extension = c.issuer, oidIssuerAltName
	}
	var tag int
	var inName []string
	switch kind {
	case "SimpleName":
		if found, ok := name.find(oidCommonName, oidOrganizationalUnit, oidOrganization, oidEmail); ok {
			return found, nil
		}
		tag = altEmail
	case "EmailName":
		tag, inName = altEmail, []string{oidEmail}
	case "UpnName":
		tag = altOther
	case "DnsName":
		tag, inName = altDNS, []string{oidCommonName}
	case "DnsFromAlternativeName":
		tag = altDNS
	case "UrlName":
		tag = altURL
	}
	found, ok, err := c.alternativeName(extension, tag)
	switch {
	case err != nil || ok:
		return found, err
	case kind == "SimpleName" && len(name) > 0 && len(name[len(name)-1]) > 0:
		return name[len(name)-1][0].text(), nil
	}
	found, _ = name.find(inName...)
	return found, nil
}

// An otherName is an alternative name of a kind of its own.
type otherName struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue // [0] around the value
}

// alternativeName returns the first alternative name with a tag; of the other
// names, only user principal names count.
func (c *certificate) alternativeName(extension string, tag int) (name string, found bool, err error) {
	for _, e := range c.extensions {
		if e.Id.String() != extension {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return "", false, errors.New("the alternative names of the certificate cannot be read")
		}
		for _, n := range names {
			switch {
			case n.Class != asn1.ClassContextSpecific || n.Tag != tag:
			case tag != altOther:
				return strings.ToValidUTF8(string(n.Bytes), string(utf8.RuneError)), true, nil
			default:
				if upn, ok := userPrincipalName(n.FullBytes); ok {
					return upn, true, nil
				}
			}
		}
	}
	return "", false, nil
}

// userPrincipalName reads an other name; false if it is of another kind.
func userPrincipalName(der []byte) (string, bool) {
	var other otherName
	if _, err := asn1.UnmarshalWithParams(der, &other, "tag:0"); err != nil || other.Type.String() != oidUserPrincipalName {
		return "", false
	}
	var inner nameAttribute
	if _, err := asn1.Unmarshal(other.Value.Bytes, &inner.Value); err != nil {
		return "", false
	}
	return inner.text(), true
}
