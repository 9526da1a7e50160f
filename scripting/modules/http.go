package modules

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

const (
	httpTimeout  = 10 * time.Second
	httpBody     = 1 << 20
	maxHTTPBody  = 64 << 20
	maxRedirects = 5
)

var httpTypes = host.Type{
	Name: "Requests and answers",
	Doc:  "The options of `http`, and what it gives.",
	Text: `interface HTTPOptions {
	/** Texts, or secrets: {"X-Api-Key": secret("badges")}. */
	headers?: Record<string, string | number | Secret>;
	/** Who asks: a bearer token, or a user with a password. */
	auth?: { bearer: string | Secret } | { user: string; password: string | Secret };
	/** Parameters that are added to the URL. */
	query?: Record<string, string | number | boolean>;
	/** How long the whole request may take, such as "5s"; "10s" if absent. The call has a limit of its own. */
	timeout?: string;
	/** How many bytes the answer may have: 1 MiB if absent, 64 MiB at most. A longer one is an error. */
	limit?: number;
}
interface HTTPRequest extends HTTPOptions {
	/** A text, bytes, or an object that is sent as JSON. */
	body?: any;
}
interface HTTPResponse {
	readonly status: number;
	/** Whether the status is 200 to 299. */
	readonly ok: boolean;
	/** Where the answer came from, after redirects. */
	readonly url: string;
	/** By name in lower case. */
	readonly headers: Readonly<Record<string, string>>;
	text(): string;
	json(): any;
	bytes(): Uint8Array;
}`,
}

var httpObject = &host.Object{
	Name:    "HTTP",
	Globals: []string{"http"},
	Doc: "Asks the hosts in scripting.allow.http of the configuration. Whatever status comes back is an answer; no\n" +
		"answer is an error. For triggers and agents; rules cannot use it.",
	Members: []host.Member{
		{
			Name: "get", Signature: "(url: string, options?: HTTPOptions): HTTPResponse",
			Doc: "`http.get(\"https://api.example.org/changes\", { auth: { bearer: secret(\"badges\") } }).json()`",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				return httpCall(a, read(a, "http.get", args, 2), http.MethodGet, 0, 1, -1)
			},
		},
		{
			Name: "post", Signature: "(url: string, body: any, options?: HTTPOptions): HTTPResponse",
			Doc: "Sends a text, bytes, or an object as JSON.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				return httpCall(a, read(a, "http.post", args, 3), http.MethodPost, 0, 2, 1)
			},
		},
		{
			Name: "request", Signature: "(method: string, url: string, request?: HTTPRequest): HTTPResponse",
			Doc: "Any other method.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				r := read(a, "http.request", args, 3)
				return httpCall(a, r, r.text(0, "a method"), 1, 2, -1)
			},
		},
	},
}

// httpCall makes a request from the arguments at the given places; -1 is none.
func httpCall(a *host.Active, r *arguments, method string, urlAt, optionsAt, bodyAt int) (goja.Value, error) {
	if err := a.ReachOut(r.function); err != nil {
		return nil, err
	}
	q, err := readRequest(r, method, urlAt, optionsAt, bodyAt)
	if err != nil {
		return nil, err
	}
	env := envOf(a)
	if env.Stub == nil {
		if err := env.allowed(q.request.URL); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(a.Context(), q.timeout)
	defer cancel()
	answer, err := env.ask(ctx, q)
	if err != nil {
		return nil, q.failed(r.function, err)
	}
	defer answer.Body.Close()
	out, err := newResponse(answer, q.limit)
	if err != nil {
		return nil, q.failed(r.function, err)
	}
	return a.View(out), nil
}

// ErrNoAnswer is wrapped by the error of a request that got no answer, or not all
// of one.
var ErrNoAnswer = errors.New("no answer")

// noAnswer marks an error with [ErrNoAnswer], and leaves its text.
type noAnswer struct{ error }

func (e noAnswer) Unwrap() []error { return []error{e.error, ErrNoAnswer} }

// ask sends a request, and gives it to the stub if there is one.
func (e *Env) ask(ctx context.Context, q *httpRequest) (*http.Response, error) {
	if e.Stub == nil {
		answer, err := e.client(q).Do(q.request.WithContext(ctx))
		if err != nil {
			return nil, noAnswer{err}
		}
		return answer, nil
	}
	shown := q.request.Clone(ctx)
	for _, name := range q.secrets {
		shown.Header.Set(name, shownSecret)
	}
	answer, err := e.Stub(shown)
	if err != nil {
		return nil, noAnswer{errors.New(fault.As(err, "").Detail())} // whatever it is, it is no answer
	}
	answer.Request = shown
	return answer, nil
}

// failed describes what went wrong without the query of the URL, which may hold
// what is nobody's business.
func (q *httpRequest) failed(function string, err error) error {
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	silent := errors.Is(err, ErrNoAnswer)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	where := q.request.URL.Scheme + "://" + q.request.URL.Host + q.request.URL.Path
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) { // of the connection
		err = fmt.Errorf("no answer within %s: %w", q.timeout, err)
	}
	err = fmt.Errorf("%s: %s %s: %w", function, q.request.Method, where, err)
	if silent {
		return noAnswer{err}
	}
	return err
}

// allowed returns an error unless the host of a URL is granted.
func (e *Env) allowed(u *url.URL) error {
	port, usual := uint16(0), false
	switch u.Scheme {
	case "http":
		port = 80
	case "https":
		port = 443
	default:
		return refused("URLs begin with https:// or http://", "%q cannot be asked", u.Scheme+"://"+u.Host)
	}
	name := u.Hostname()
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a port", text)
		}
		usual = uint16(n) == port
		port = uint16(n)
	} else {
		usual = true
	}
	if e.HTTP.Host(name, port, usual) {
		return nil
	}
	grant := name
	if !usual {
		grant = net.JoinHostPort(name, strconv.Itoa(int(port)))
	}
	return refused(fmt.Sprintf("add %q to scripting.allow.http of the configuration", grant), "the host %s is not granted to scripts", grant)
}

// control refuses addresses that are not granted, when the name has been resolved
// and before anything is sent.
func (e *Env) control(network, address string, _ syscall.RawConn) error {
	dialled, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s %s: %w", network, address, err)
	}
	if e.HTTP.Address(dialled) {
		return nil
	}
	ip := dialled.Addr().Unmap().WithZone("").String()
	return refused(fmt.Sprintf("add %q to scripting.allow.http of the configuration, if it is meant to be reached", ip),
		"the host leads to %s, which is not a public address", ip)
}

// client returns a client for one request. No connection outlives it.
func (e *Env) client(q *httpRequest) *http.Client {
	dialer := &net.Dialer{Control: e.control}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext, // and no proxy, behind which addresses cannot be seen
			TLSClientConfig:        &tls.Config{RootCAs: e.Roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 256 << 10,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
				return errors.New("a redirect from https to " + next.URL.Scheme)
			}
			if next.URL.User != nil {
				return errors.New("a redirect with a user in the URL")
			}
			if err := e.allowed(next.URL); err != nil {
				return err
			}
			if next.URL.Host != via[0].URL.Host || next.URL.Scheme != via[0].URL.Scheme {
				for _, name := range q.secrets {
					next.Header.Del(name)
				}
				next.Header.Del("Referer")
				// Go keeps the body where the method stays, 307 and 308. What was meant
				// for one host is not sent to another.
				if next.Body != nil && next.Body != http.NoBody && next.ContentLength != 0 {
					return errors.New("a redirect of a request with a body to another host")
				}
			}
			return nil
		},
	}
}

// An httpRequest is a request as a script describes it.
type httpRequest struct {
	request *http.Request
	secrets []string // headers that hold one
	timeout time.Duration
	limit   int64
}

func (q *httpRequest) setSecret(name, value string) {
	q.request.Header.Set(name, value)
	if !slices.Contains(q.secrets, name) {
		q.secrets = append(q.secrets, name)
	}
}
