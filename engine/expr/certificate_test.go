package expr

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/identity"
)

// newCertificate returns the DER of a certificate that signs itself.
func newCertificate(t testing.TB, template *x509.Certificate, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func evalCertificate(t testing.TB, source string, der []byte) any {
	t.Helper()
	got, err := evaluate(source, Options{Dialect: Entra}, identity.Attributes{}.Set("c", identity.Binary(der)))
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return got.JSON()
}

// TestCertificateKeys: certificates with keys of every kind are read as
// crypto/x509 reads them.
func TestCertificateKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                         string
		key                          crypto.Signer
		algorithm, params, signature string
	}{
		{"RSA", rsaKey, "1.2.840.113549.1.1.1", "0500", "1.2.840.113549.1.1.11"},
		{"ECDSA", ecKey, "1.2.840.10045.2.1", "06052B81040022", "1.2.840.10045.4.3.3"},
		{"Ed25519", edKey, "1.3.101.112", "", "1.3.101.112"},
	} {
		t.Run(c.name, func(t *testing.T) {
			template := &x509.Certificate{
				SerialNumber: big.NewInt(0x80), NotBefore: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
				NotAfter: time.Date(2050, 1, 2, 3, 4, 5, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
				Subject: pkix.Name{CommonName: "CA " + c.name, Country: []string{"DE"}}, DNSNames: []string{"ca.example.org"},
			}
			der := newCertificate(t, template, c.key)
			for source, want := range map[string]any{
				`CertKeyAlgorithm([c])`:                            c.algorithm,
				`CertPublicKeyOid([c])`:                            c.algorithm,
				`CertKeyAlgorithmParams([c])`:                      c.params,
				`CertSignatureAlgorithmOid([c])`:                   c.signature,
				`CertSerialNumber([c])`:                            "0080",
				`CertVersion([c])`:                                 int64(3),
				`CertSubject([c])`:                                 "CN=CA " + c.name + ", C=DE",
				`CertIssuer([c])`:                                  "CN=CA " + c.name + ", C=DE",
				`CertExtensionOids([c])`:                           list("2.5.29.19"),
				`CertNotBefore([c])`:                               map[string]any{"$dt": "2025-01-02T03:04:05Z"},
				`CertNotAfter([c])`:                                map[string]any{"$dt": "2050-01-02T03:04:05Z"}, // a GeneralizedTime
				`CertNameInfo([c], DnsFromAlternativeName, False)`: "ca.example.org",
				`CertNameInfo([c], EmailName, False)`:              "",
				`IsCert([c])`:                                      true,
			} {
				if diff := cmp.Diff(want, evalCertificate(t, source, der)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", source, diff)
				}
			}
		})
	}
}

// TestCertificateNames: names are written as .NET writes them.
func TestCertificateNames(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value any
	}
	type relativeSET []attribute
	cn, ou, uid := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	bmp := func(s string) asn1.RawValue {
		var b []byte
		for _, r := range s {
			b = append(b, byte(r>>8), byte(r))
		}
		return asn1.RawValue{Tag: asn1.TagBMPString, Bytes: b}
	}
	for want, name := range map[string][]relativeSET{
		"":             {},
		`CN=Ada, OU=x`: {{{ou, "x"}}, {{cn, "Ada"}}},
		`CN=Ada + OID.0.9.2342.19200300.100.1.1=al, OU=x`: {{{ou, "x"}}, {{cn, "Ada"}, {uid, "al"}}},
		`CN="Lovelace, ""Ada"""`:                          {{{cn, `Lovelace, "Ada"`}}},
		`CN=" x"`:                                         {{{cn, " x"}}},
		`CN=""`:                                           {{{cn, ""}}},
		`CN=Łoś`:                                          {{{cn, bmp("Łoś")}}},
		`CN=Grün`:                                         {{{cn, asn1.RawValue{Tag: asn1.TagT61String, Bytes: []byte("Gr\xfcn")}}}},
		`CN="#020107"`:                                    {{{cn, 7}}},
		`CN=last, CN=first`:                               {{{cn, "first"}}, {{cn, "last"}}},
	} {
		raw, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		der := newCertificate(t, &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: raw}, key)
		if got := evalCertificate(t, "CertSubject([c])", der); got != want {
			t.Errorf("%v: got %v, want %s", name, got, want)
		}
		if want == `CN=last, CN=first` {
			if got := evalCertificate(t, "CertNameInfo([c], SimpleName, False)", der); got != "last" {
				t.Errorf("simple name %v", got)
			}
		}
	}
}

// TestOddCertificates: what crypto/x509 refuses and .NET reads is read.
func TestOddCertificates(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial := []byte{2, 4, 0x11, 0x22, 0x33, 0x44}
	der := newCertificate(t, &x509.Certificate{SerialNumber: big.NewInt(0x11223344), Subject: pkix.Name{CommonName: "Ada"}}, key)
	negative := []byte(strings.Replace(string(der), string(serial), "\x02\x04\xff\x22\x33\x44", 1))
	if _, err := x509.ParseCertificate(negative); err == nil {
		t.Error("crypto/x509 reads negative serial numbers; use it")
	}
	if got := evalCertificate(t, "CertSerialNumber([c])", negative); got != "FF223344" {
		t.Errorf("serial number %v", got)
	}
	broken := newCertificate(t, &x509.Certificate{SerialNumber: big.NewInt(1), ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: []byte{5, 0}}, // issuer alternative names
	}}, key)
	if got := evalCertificate(t, "IsCert([c])", broken); got != true {
		t.Errorf("IsCert is %v", got)
	}
	_, err = evaluate("CertNameInfo([c], UrlName, True)", Options{Dialect: Entra}, identity.Attributes{}.Set("c", identity.Binary(broken)))
	if err == nil || !strings.Contains(err.Error(), "1:1: sync-rule-invalid-expression: CertNameInfo: the alternative names") {
		t.Errorf("error %v", err)
	}
}

// FuzzCertificate: any bytes are a certificate or none, never a panic; what
// crypto/x509 reads is one, with the same serial number and times.
func FuzzCertificate(f *testing.F) {
	for _, c := range readCases(f, "testdata/certificates.json") {
		if document, ok := c.Attributes["p"].(map[string]any); ok {
			der, err := hex.DecodeString(document["$bin"].(string))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(der)
		}
	}
	var programs []*Program
	for _, row := range certificateFunctions {
		calls := []string{row.Name + "([c])"}
		if len(row.Params) == 3 {
			calls = nil
			for _, kind := range nameTypes {
				calls = append(calls, row.Name+"([c], "+kind+", True)", row.Name+"([c], "+kind+", False)")
			}
		}
		for _, call := range calls {
			program, err := Compile(call, Options{Dialect: Entra})
			if err != nil {
				f.Fatal(err)
			}
			programs = append(programs, program)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		ctx := &Context{Object: identity.Attributes{}.Set("c", identity.Binary(der))}
		c, err := parseCertificate(identity.Binary(der))
		for _, program := range programs {
			got, evalErr := program.Eval(ctx)
			if err != nil && evalErr == nil && (program.Type() != identity.TypeBoolean || !cmp.Equal(got.JSON(), false)) {
				t.Errorf("no certificate gives %v", got.JSON())
			}
		}
		known, knownErr := x509.ParseCertificate(der)
		if knownErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("crypto/x509 reads it: %v", err)
		}
		serial := new(big.Int).SetBytes(c.serial)
		if serial.Cmp(known.SerialNumber) != 0 || !c.validity.NotAfter.Equal(known.NotAfter) || c.version != known.Version {
			t.Errorf("%v differs from %v", c, known)
		}
	})
}
