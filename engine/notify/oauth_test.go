package notify

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A tokenOffice gives tokens to those who know the secret.
type tokenOffice struct {
	given   atomic.Int32
	expires int // seconds
}

func (o *tokenOffice) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	name, secret, _ := r.BasicAuth()
	if name == "" {
		name, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	grant := r.FormValue("grant_type")
	allowed := grant == "client_credentials" && r.FormValue("scope") == "mail send" || grant == "refresh_token" && r.FormValue("refresh_token") == "again"
	if name != "metasync" || secret != "s3cret" || !allowed {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": "invalid_client", "error_description": "AADSTS7000215: the secret has expired"}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": o.token(o.given.Add(1)), "token_type": "Bearer", "expires_in": o.expires})
}

func (*tokenOffice) token(n int32) string { return fmt.Sprint("token-", n) }

// A mail server is logged in to with a token, which is asked for once and again when it
// has expired or was refused.
func TestOAuth(t *testing.T) {
	for _, tt := range []struct {
		name    string
		expires int
		change  func(*OAuth)
		want    string // part of the error; "" for none
		given   int32  // tokens, for two mails over two connections
	}{
		{"client credentials", 3600, func(*OAuth) {}, "", 1},
		{"refresh token", 3600, func(o *OAuth) { o.RefreshToken = "again" }, "", 1},
		{"expired", 1, func(*OAuth) {}, "", 2},
		{"wrong secret", 3600, func(o *OAuth) { o.ClientSecret = "guess" }, "AADSTS7000215", 0},
		{"another certificate", 3600, func(o *OAuth) { o.CA = nil }, "certificate", 0},
		{"not a certificate", 3600, func(o *OAuth) { o.CA = []byte("x") }, "no certificate", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, ca := newCertificate(t)
			tokens := &tokenOffice{expires: tt.expires}
			issuer := httptest.NewTLSServer(tokens)
			defer issuer.Close()
			office := &postOffice{token: func() string { return tokens.token(tokens.given.Load()) }}
			address, _ := office.serve(t, "127.0.0.1:0", config, false)
			settings := Mail{Server: address, CA: ca, Username: "sync", From: "metasync@example.org", OAuth: &OAuth{
				TokenURL: issuer.URL, ClientID: "metasync", ClientSecret: "s3cret", Scopes: []string{"mail", "send"},
				CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}),
			}}
			tt.change(settings.OAuth)
			m := newMailer(settings)
			var err error
			for range 2 {
				if err = m.send(t.Context(), &message{ID: "a", To: "ada@example.org", Subject: "x", Text: "x", HTML: "x"}); err != nil {
					break
				}
				m.idle()
			}
			m.idle()
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "guess")):
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if n := tokens.given.Load(); n != tt.given {
				t.Errorf("%d tokens were given, want %d", n, tt.given)
			}
		})
	}
}

// A token that the mail server does not take is not kept.
func TestRefusedToken(t *testing.T) {
	config, ca := newCertificate(t)
	tokens := &tokenOffice{expires: 3600}
	issuer := httptest.NewTLSServer(tokens)
	defer issuer.Close()
	office := &postOffice{token: func() string { return tokens.token(2) }}
	address, _ := office.serve(t, "127.0.0.1:0", config, false)
	m := newMailer(Mail{Server: address, CA: ca, Username: "sync", From: "metasync@example.org", OAuth: &OAuth{
		TokenURL: issuer.URL, ClientID: "metasync", ClientSecret: "s3cret", Scopes: []string{"mail", "send"},
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}),
	}})
	defer m.idle()
	letter := &message{ID: "a", To: "ada@example.org", Subject: "x", Text: "x", HTML: "x"}
	if err := m.send(t.Context(), letter); err == nil || strings.Contains(err.Error(), "token-1") {
		t.Errorf("the first token: %v", err)
	}
	if err := m.send(t.Context(), letter); err != nil {
		t.Error(err)
	}
}
