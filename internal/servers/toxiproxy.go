//go:build unix

package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// toxiproxyModule is the program that stands between a client and a server, in its own
// module: nothing of it is in ours.
const toxiproxyModule = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0"

// A ToxiproxyServer makes proxies whose connections can be disturbed.
type ToxiproxyServer struct {
	*Server
	client  *http.Client
	proxies atomic.Int64
}

// Toxiproxy builds toxiproxy, or takes it from the cache of go, and starts it.
func Toxiproxy() (*ToxiproxyServer, error) {
	folder, err := folderFor("toxiproxy", nil)
	if err != nil {
		return nil, err
	}
	if err := prepare(folder, nil, "env", "GOBIN="+folder, "GOFLAGS=", "go", "install", toxiproxyModule); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	out := &ToxiproxyServer{client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	out.Server, err = launch(folder, program{
		signal: "TERM",
		command: func(s *Server) []string {
			return []string{filepath.Join(folder, "server"), "-host", s.Host, "-port", strconv.Itoa(s.Port)}
		},
		ready: func(ctx context.Context, s *Server) error {
			return greets(ctx, s.Address, []byte("GET /version HTTP/1.0\r\n\r\n"))
		},
	})
	return out, err
}

// A Proxy stands between clients and one server.
type Proxy struct {
	Address string // 127.0.0.1:port, where clients connect

	server *ToxiproxyServer
	name   string
}

// Proxy makes a proxy to a server, at host:port.
func (s *ToxiproxyServer) Proxy(upstream string) (*Proxy, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: s, name: fmt.Sprintf("proxy%d", s.proxies.Add(1)), Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	return p, s.call("/proxies", map[string]any{"name": p.name, "listen": p.Address, "upstream": upstream, "enabled": true})
}

// Down closes all connections and refuses new ones, as a server that was stopped.
func (p *Proxy) Down() error { return p.enable(false) }

// Up accepts connections again.
func (p *Proxy) Up() error { return p.enable(true) }

func (p *Proxy) enable(on bool) error {
	return p.server.call("/proxies/"+p.name, map[string]any{"enabled": on})
}

// Disturb adds a toxic of a kind such as latency, timeout, limit_data, reset_peer or
// bandwidth, to what comes from the server (downstream) or goes to it (upstream).
func (p *Proxy) Disturb(kind, stream string, attributes map[string]int) error {
	return p.server.call("/proxies/"+p.name+"/toxics", map[string]any{"type": kind, "stream": stream, "attributes": attributes})
}

// Calm takes away what Disturb added. Connections that it has cut stay cut.
func (p *Proxy) Calm() error {
	var toxics []struct{ Name string }
	if err := p.server.ask(http.MethodGet, "/proxies/"+p.name+"/toxics", nil, &toxics); err != nil {
		return err
	}
	for _, toxic := range toxics {
		if err := p.server.ask(http.MethodDelete, "/proxies/"+p.name+"/toxics/"+toxic.Name, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *ToxiproxyServer) call(path string, body any) error {
	return s.ask(http.MethodPost, path, body, nil)
}

func (s *ToxiproxyServer) ask(method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, "http://"+s.Address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("toxiproxy: %s %s: %s", method, path, strings.TrimSpace(string(said)))
	case into == nil:
		return nil
	}
	return json.Unmarshal(said, into)
}
