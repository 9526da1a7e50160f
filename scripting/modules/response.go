package modules

import (
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

// A response is an answer that was read as a whole.
type response struct {
	status  int
	url     string
	headers http.Header
	charset string
	body    []byte
}

func newResponse(answer *http.Response, limit int64) (*response, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, noAnswer{err}
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("the answer is longer than %d bytes; the option limit allows more", limit)
	}
	r := &response{status: answer.StatusCode, url: answer.Request.URL.String(), headers: answer.Header, body: body}
	if _, parameters, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err == nil {
		r.charset = strings.ToLower(parameters["charset"])
	}
	return r, nil
}

// Describe implements [host.View].
func (r *response) Describe() string { return "the answer" }

// Keys implements [host.View].
func (r *response) Keys() []string {
	return []string{"bytes", "headers", "json", "ok", "status", "text", "url"}
}

// Get implements [host.View].
func (r *response) Get(a *host.Active, key string) (goja.Value, error) {
	switch key {
	case "status":
		return a.Runtime().ToValue(r.status), nil
	case "ok":
		return a.Runtime().ToValue(r.status >= 200 && r.status <= 299), nil
	case "url":
		return a.Runtime().ToValue(r.url), nil
	case "headers":
		return r.headerObject(a), nil
	case "text":
		return a.Function(func([]goja.Value) (goja.Value, error) {
			text, err := r.text()
			if err != nil {
				return nil, err
			}
			return a.Runtime().ToValue(text), nil
		}), nil
	case "json":
		return a.Function(func([]goja.Value) (goja.Value, error) {
			text, err := r.text()
			if err != nil {
				return nil, err
			}
			v, err := a.ParseJSON(text)
			if err != nil {
				return nil, fmt.Errorf("the answer of status %d is not JSON: %s", r.status, fault.As(err, "").Detail())
			}
			return v, nil
		}), nil
	case "bytes":
		return a.Function(func([]goja.Value) (goja.Value, error) { return a.Bytes(r.body) }), nil
	}
	return nil, nil
}

func (r *response) headerObject(a *host.Active) goja.Value {
	obj := a.Runtime().NewObject()
	for _, name := range slices.Sorted(maps.Keys(r.headers)) {
		_ = obj.Set(strings.ToLower(name), strings.Join(r.headers[name], ", ")) // a new object takes every property
	}
	return obj
}

// text returns the body as text: in UTF-8, or in Latin-1 if the answer says so.
func (r *response) text() (string, error) {
	switch r.charset {
	case "iso-8859-1", "latin1":
		var b strings.Builder
		for _, c := range r.body {
			b.WriteRune(rune(c))
		}
		return b.String(), nil
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return "", fmt.Errorf("the answer is a text in %s; bytes() gives it as it is", r.charset)
	}
	if !utf8.Valid(r.body) {
		return "", fmt.Errorf("the answer is not encoded as UTF-8; bytes() gives it as it is")
	}
	return strings.TrimPrefix(string(r.body), "\ufeff"), nil
}
