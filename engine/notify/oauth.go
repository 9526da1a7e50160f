package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// OAuth says where the access tokens come from with which a mail server is logged in to
// (RFC 6749): by client credentials, or by a refresh token.
type OAuth struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	RefreshToken string // "" is client credentials
	Scopes       []string
	CA           []byte // as of Mail
}

// source returns what gives tokens and keeps the present one until it expires.
func (o *OAuth) source() (oauth2.TokenSource, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // one token an hour
	if o.CA != nil {
		roots, err := pool(o.CA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{
		Transport: transport, Timeout: mailTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would get the secret
	}
	// The source outlives the sending for which it is made; the client bounds each request.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
	if o.RefreshToken != "" {
		c := oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: oauth2.Endpoint{TokenURL: o.TokenURL}, Scopes: o.Scopes}
		return c.TokenSource(ctx, &oauth2.Token{RefreshToken: o.RefreshToken}), nil
	}
	c := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.TokenURL, Scopes: o.Scopes}
	return c.TokenSource(ctx), nil
}

// token returns an access token. The error has what the server said of why not.
func (m *mailer) token(ctx context.Context) (string, error) {
	if m.tokens == nil {
		source, err := m.settings.OAuth.source()
		if err != nil {
			return "", err
		}
		m.tokens = source
	}
	type answer struct {
		token *oauth2.Token
		err   error
	}
	answers := make(chan answer, 1)
	tokens := m.tokens
	go func() {
		token, err := tokens.Token()
		answers <- answer{token, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", fmt.Errorf("no access token from %s: %w", m.settings.OAuth.TokenURL, a.err)
		}
		return a.token.AccessToken, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
