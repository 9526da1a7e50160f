package modules

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
)

var requestOptions = []string{"headers", "auth", "query", "timeout", "limit", "body"}

// readRequest reads the arguments of a request, at the given places; -1 is none.
func readRequest(r *arguments, method string, urlAt, optionsAt, bodyAt int) (*httpRequest, error) {
	address := r.text(urlAt, "a URL")
	if r.err != nil {
		return nil, r.err
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("%s: that is not a URL such as https://api.example.org/changes", r.function)
	case u.User != nil:
		return nil, fmt.Errorf("%s: no user in the URL; use the option auth", r.function)
	case holdsSecret(address):
		return nil, errors.New(r.function + ": a secret cannot be part of a URL; use a header")
	}
	request, err := http.NewRequest(strings.ToUpper(method), u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.function, err)
	}
	q := &httpRequest{request: request, timeout: httpTimeout, limit: httpBody}
	q.request.Header.Set("User-Agent", "metasync")
	var body goja.Value
	if bodyAt >= 0 && bodyAt < len(r.list) {
		body = r.list[bodyAt]
	}
	err = r.a.Guard(func() error {
		if r.has(optionsAt) {
			if err := q.readOptions(r, r.list[optionsAt], bodyAt < 0, &body); err != nil {
				return err
			}
		}
		return q.setBody(r.a, body)
	})
	if err != nil && fault.Name(err) == "" {
		err = fmt.Errorf("%s: %w", r.function, err)
	}
	return q, err
}

// readOptions reads the object of options. It may run the script, by getters.
func (q *httpRequest) readOptions(r *arguments, v goja.Value, withBody bool, body *goja.Value) error {
	options, err := plainObject("the options", v)
	if err != nil {
		return err
	}
	known := requestOptions
	if !withBody || q.request.Method == http.MethodGet {
		known = known[:len(known)-1]
	}
	for _, key := range options.Keys() {
		value := options.Get(key)
		if !slices.Contains(known, key) {
			e := fault.New(host.NameInvalid, "%s: there is no option %q", r.function, key)
			if near := fault.Suggest(key, known); near != "" {
				e.Hint = "did you mean " + near + "?"
			}
			return e
		}
		if value == nil || goja.IsUndefined(value) {
			continue
		}
		switch key {
		case "headers":
			err = q.setHeaders(value)
		case "auth":
			err = q.setAuth(value)
		case "query":
			err = q.addQuery(value)
		case "timeout":
			d, bad := time.ParseDuration(value.String())
			if bad != nil || d <= 0 {
				return fmt.Errorf(`timeout %q is not a duration such as "5s"`, value)
			}
			q.timeout = min(d, host.MaxTimeout)
		case "limit":
			n, ok := value.Export().(int64)
			if !ok || n < 1 || n > maxHTTPBody {
				return fmt.Errorf("limit must be a number of bytes from 1 to %d", maxHTTPBody)
			}
			q.limit = n
		case "body":
			*body = value
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func plainObject(what string, v goja.Value) (*goja.Object, error) {
	obj, ok := v.(*goja.Object)
	if ok {
		_, isSecret := secretOf(v)
		ok = obj.ClassName() == "Object" && !isSecret
	}
	if !ok {
		return nil, errors.New(what + " must be an object")
	}
	return obj, nil
}

// plainText returns the text of a primitive.
func plainText(what string, v goja.Value) (string, error) {
	if _, isObject := v.(*goja.Object); isObject || v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return "", errors.New(what + " must be a text")
	}
	if text := v.String(); !holdsSecret(text) {
		return text, nil
	}
	return "", errors.New(what + " holds a secret in a text; give the secret alone, or use the option auth")
}

func (q *httpRequest) setHeaders(v goja.Value) error {
	headers, err := plainObject("headers", v)
	if err != nil {
		return err
	}
	for _, name := range headers.Keys() {
		value := headers.Get(name)
		s, isSecret := secretOf(value)
		if !isSecret {
			if s.value, err = plainText("the header "+name, value); err != nil {
				return err
			}
		}
		switch {
		case !headerName.MatchString(name) || !validHeader(s.value):
			return fmt.Errorf("the header %q cannot be sent", name)
		case forbiddenHeaders[textproto.CanonicalMIMEHeaderKey(name)]:
			return fmt.Errorf("the header %q is not the script's to set", name)
		case isSecret || credentialHeaders[textproto.CanonicalMIMEHeaderKey(name)]:
			q.setSecret(name, s.value)
		default:
			q.request.Header.Set(name, s.value)
		}
	}
	return nil
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// validHeader reports whether a text can be the value of a header: a line break
// would begin another one.
func validHeader(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// forbiddenHeaders say where a request goes and how long it is: for a proxy or a
// server that believes them, the host in the URL would not be the one that is asked.
var forbiddenHeaders = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Upgrade": true, "Te": true, "Trailer": true,
}

// credentialHeaders are secret however they are given.
var credentialHeaders = map[string]bool{"Authorization": true, "Cookie": true, "Proxy-Authorization": true}

func (q *httpRequest) setAuth(v goja.Value) error {
	auth, err := plainObject("auth", v)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, key := range auth.Keys() {
		value := auth.Get(key)
		s, isSecret := secretOf(value)
		if !isSecret {
			if s.value, err = plainText("auth."+key, value); err != nil {
				return err
			}
		}
		fields[key] = s.value
	}
	bearer, isBearer := fields["bearer"]
	user, hasUser := fields["user"]
	password, hasPassword := fields["password"]
	switch {
	case isBearer && len(fields) == 1:
		if !validHeader(bearer) {
			return errors.New("the bearer token cannot be sent")
		}
		q.setSecret("Authorization", "Bearer "+bearer)
	case hasUser && hasPassword && len(fields) == 2:
		if strings.Contains(user, ":") {
			return errors.New("auth.user cannot hold a colon")
		}
		q.setSecret("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	default:
		return errors.New("auth takes {bearer} or {user, password}")
	}
	return nil
}

func (q *httpRequest) addQuery(v goja.Value) error {
	fields, err := plainObject("query", v)
	if err != nil {
		return err
	}
	values := url.Values{}
	for _, name := range fields.Keys() {
		text, err := plainText("query."+name, fields.Get(name))
		if err != nil {
			return err
		}
		values.Set(name, text)
	}
	if q.request.URL.RawQuery != "" {
		q.request.URL.RawQuery += "&"
	}
	q.request.URL.RawQuery += values.Encode()
	return nil
}

// setBody sets a text, bytes, or JSON.
func (q *httpRequest) setBody(a *host.Active, v goja.Value) error {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	obj, isObject := v.(*goja.Object)
	contentType := "text/plain; charset=utf-8"
	var data []byte
	if b, ok := []byte(nil), false; isObject {
		if b, ok = host.Uint8Array(obj); ok {
			data, contentType = b, "application/octet-stream"
		} else {
			plain, err := a.Plain(v)
			if err != nil {
				return fmt.Errorf("body: %w", err)
			}
			if data, err = json.Marshal(plain); err != nil {
				return fmt.Errorf("body: %w", err)
			}
			contentType = "application/json"
		}
	} else {
		data = []byte(v.String())
	}
	if holdsSecret(string(data)) {
		return errors.New("a secret cannot be part of a body; use a header")
	}
	q.request.Body = io.NopCloser(bytes.NewReader(data))
	q.request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	q.request.ContentLength = int64(len(data))
	if q.request.Header.Get("Content-Type") == "" {
		q.request.Header.Set("Content-Type", contentType)
	}
	return nil
}
