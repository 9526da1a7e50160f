package expr

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"

	"github.com/metasync/metasync/engine/identity"
)

// certificateFunctions read X.509 certificates: DER in binary, or base64 in
// binary or text, with the lines of PEM or without. They give what the class
// X509Certificate2 of .NET gives. What is no certificate is an error of the
// object, but for IsCert.
var certificateFunctions = []Function{
	certificateText("CertFormat", "The name of the format: X509.", func(*certificate) string { return "X509" }),
	certificateText("CertFriendlyName", "The name that a certificate store gave to the certificate. A certificate does not hold one: the empty text.", func(*certificate) string { return "" }),
	certificateText("CertHashString", "The SHA-1 hash of the certificate in capital hexadecimal digits, as CertThumbprint.", (*certificate).thumbprint),
	certificateText("CertThumbprint", "The SHA-1 hash of the certificate in capital hexadecimal digits.", (*certificate).thumbprint),
	certificateText("CertIssuer", "The distinguished name of the issuer, beginning with its common name: CN=Issuing CA, O=Example, C=DE.", func(c *certificate) string { return c.issuer.String() }),
	certificateText("CertIssuerDN", "The distinguished name of the issuer, as CertIssuer.", func(c *certificate) string { return c.issuer.String() }),
	certificateText("CertSubject", "The distinguished name of the subject, beginning with its common name: CN=Ada Lovelace, O=Example, C=DE.", func(c *certificate) string { return c.subject.String() }),
	certificateText("CertSubjectNameDN", "The distinguished name of the subject, as CertSubject.", func(c *certificate) string { return c.subject.String() }),
	certificateText("CertKeyAlgorithm", "The OID of the algorithm of the public key, such as 1.2.840.113549.1.1.1 for RSA.", func(c *certificate) string { return c.key.Algorithm.Algorithm.String() }),
	certificateText("CertPublicKeyOid", "The OID of the public key, as CertKeyAlgorithm.", func(c *certificate) string { return c.key.Algorithm.Algorithm.String() }),
	certificateText("CertPublicKeyParametersOid", "The OID of the parameters of the public key, which in .NET is that of its algorithm.", func(c *certificate) string { return c.key.Algorithm.Algorithm.String() }),
	certificateText("CertKeyAlgorithmParams", "The parameters of the algorithm of the public key, DER in capital hexadecimal digits, such as 0500 for RSA. The empty text if there are none.", func(c *certificate) string { return upperHex(c.key.Algorithm.Parameters.FullBytes) }),
	certificateText("CertSignatureAlgorithmOid", "The OID of the algorithm of the signature, such as 1.2.840.113549.1.1.11 for SHA-256 with RSA.", func(c *certificate) string { return c.signatureAlgorithm.String() }),
	certificateText("CertSerialNumber", "The serial number in capital hexadecimal digits.", func(c *certificate) string { return upperHex(c.serial) }),
	{
		Name: "CertVersion", Dialects: entraOnly, Source: entraText, Result: identity.TypeInteger,
		Doc:    "The version of X.509 that the certificate has, such as 3.",
		Params: certificateParams, build: ofCertificate(func(c *certificate) Value { return Int(int64(c.version)) }),
	},
	{
		Name: "CertNotBefore", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc:    "When the certificate becomes valid.",
		Params: certificateParams, build: ofCertificate(func(c *certificate) Value { return Of(identity.DateTime(c.validity.NotBefore)) }),
	},
	{
		Name: "CertNotAfter", Dialects: entraOnly, Source: entraText, Result: identity.TypeDateTime,
		Doc:    "When the certificate expires.",
		Params: certificateParams, build: ofCertificate(func(c *certificate) Value { return Of(identity.DateTime(c.validity.NotAfter)) }),
	},
	{
		Name: "CertIssuerOid", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The OID that .NET has for the name of the issuer. Names have none: always null.",
		Params: certificateParams, build: ofCertificate(func(*certificate) Value { return Value{} }),
	},
	{
		Name: "CertSubjectNameOid", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "The OID that .NET has for the name of the subject. Names have none: always null.",
		Params: certificateParams, build: ofCertificate(func(*certificate) Value { return Value{} }),
	},
	{
		Name: "CertExtensionOids", Dialects: entraOnly, Source: entraText, Result: identity.TypeString, List: true,
		Doc:    "The OIDs of the critical extensions, in the order of the certificate.",
		Params: certificateParams, build: ofCertificate((*certificate).criticalOIDs),
	},
	{
		Name: "CertNameInfo", Dialects: entraOnly, Source: entraText, Result: identity.TypeString,
		Doc:    "A name of the subject, or of the issuer if the last argument is True: its simple name, or a mail address, user principal name, DNS name or URL from the alternative names. The empty text if it has none.",
		Params: []Param{certificateParams[0], oneOf("x509NameType", nameTypes...), param("includesIssuerName", Condition).whenNull(nullError)}, build: buildCertNameInfo,
	},
	{
		Name: "IsCert", Dialects: entraOnly, Source: entraText, Result: identity.TypeBoolean,
		Doc:    "Whether the value is a certificate. False for null.",
		Params: []Param{param("certificate", Single).whenNull(passNull)},
		build: fixed1(func(_ *Context, v identity.Value) (Value, error) {
			_, err := parseCertificate(v)
			return Bool(err == nil), nil
		}),
	},
}

var certificateParams = []Param{param("certificate", Single)}

func certificateText(name, doc string, read func(*certificate) string) Function {
	return Function{
		Name: name, Dialects: entraOnly, Source: entraText, Result: identity.TypeString, Doc: doc,
		Params: certificateParams, build: ofCertificate(func(c *certificate) Value { return Str(read(c)) }),
	}
}

func ofCertificate(read func(*certificate) Value) builder {
	return fixed1(func(_ *Context, v identity.Value) (Value, error) {
		c, err := parseCertificate(v)
		if err != nil {
			return Value{}, err
		}
		return read(c), nil
	})
}

func buildCertNameInfo(_ *compiler, s *site) (operand, error) {
	certificate, kind, ofIssuer := &s.args[0], s.args[1].value.single.Str(), &s.args[2]
	return operand{code: func(ctx *Context) (Value, error) {
		v, done, err := certificate.eval(ctx)
		if done {
			return v, err
		}
		issuer, done, err := ofIssuer.eval(ctx)
		if done {
			return issuer, err
		}
		c, err := parseCertificate(v.single)
		if err != nil {
			return Value{}, s.fail(err)
		}
		name, err := c.nameInfo(kind, issuer.single.Bool())
		if err != nil {
			return Value{}, s.fail(err)
		}
		return Str(name), nil
	}}, nil
}

func (c *certificate) thumbprint() string {
	sum := sha1.Sum(c.raw)
	return upperHex(sum[:])
}

func (c *certificate) criticalOIDs() Value {
	var oids []identity.Value
	for _, extension := range c.extensions {
		if extension.Critical {
			oids = append(oids, identity.String(extension.Id.String()))
		}
	}
	return OfList(oids)
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
