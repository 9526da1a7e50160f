package console

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// Bounds of connections from elsewhere: whoever is slower does not count.
const (
	webHeaders = 10 * time.Second
	webBody    = 30 * time.Second
	webIdle    = 2 * time.Minute
	webAnswer  = time.Minute
)

// Listen opens the address of a configuration, with TLS if it has a certificate. The
// error has the place of the address.
func Listen(ctx context.Context, c config.Console) (net.Listener, error) {
	wrong := func(err error) error {
		named := fault.Wrap("cannot-listen", err)
		named.Position = c.Position
		return named
	}
	var secure *tls.Config
	if c.Certificate != "" {
		if _, err := tls.LoadX509KeyPair(c.Certificate, c.Key); err != nil {
			return nil, wrong(fmt.Errorf("the certificate of the console: %w", err))
		}
		secure = &tls.Config{
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
			// Read anew for each connection: certificates are renewed.
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
				return &pair, err
			},
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, wrong(err)
	}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	return listener, nil
}

// ServeWeb serves what is open to other machines until ctx is done. It then lets
// answers go out, closes the listener and returns nil. log may be nil.
func ServeWeb(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log.Debug("the console listens", "address", listener.Addr().String())
	return serveUntil(ctx, listener, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: webHeaders, ReadTimeout: webBody, IdleTimeout: webIdle, WriteTimeout: webAnswer,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of what anybody may send
	})
}
