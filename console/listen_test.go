package console

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns a pool
// that trusts it.
func certificate(t *testing.T, c *config.Console) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	c.Certificate, c.Key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for path, block := range map[string]*pem.Block{
		c.Certificate: {Type: "CERTIFICATE", Bytes: der}, c.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

func TestServeWeb(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c := config.Console{Listen: "127.0.0.1:0"}
		scheme, transport := "http://", &http.Transport{}
		if secure {
			scheme, transport = "https://", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate(t, &c)}}
		}
		listener, err := Listen(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
		go func() { ended <- ServeWeb(ctx, listener, handler, nil) }()
		answer, err := (&http.Client{Transport: transport}).Get(scheme + listener.Addr().String() + "/hooks/x")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || string(text) != "/hooks/x" {
			t.Errorf("got %q, %v", text, err)
		}
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestCannotListen(t *testing.T) {
	at := fault.Position{File: "metasync.yaml", Line: 3, Column: 5}
	taken, err := Listen(t.Context(), config.Console{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []config.Console{
		{Listen: taken.Addr().String(), Position: at},
		{Listen: "127.0.0.1:0", Certificate: "none.pem", Key: "none.key", Position: at},
	} {
		if _, err := Listen(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "metasync.yaml:3:5: cannot-listen: ") {
			t.Errorf("got %v", err)
		}
	}
}
