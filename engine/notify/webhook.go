package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The headers of a webhook. The signature is "v1=" and, in hexadecimal digits, the
// HMAC-SHA256 over the timestamp, a dot and the body, with the secret as its key. The
// timestamp counts the seconds since 1970 and is that of the attempt.
const (
	HeaderID        = "Metasync-Id" // the same for each attempt
	HeaderTimestamp = "Metasync-Timestamp"
	HeaderSignature = "Metasync-Signature"
)

const (
	hookTimeout = 30 * time.Second
	maxAfter    = time.Hour // that a receiver may ask for
)

// A hook posts to a URL.
type hook struct {
	settings Webhook
	client   *http.Client
	err      error // why it cannot
	now      func() time.Time
}

func newHook(w Webhook) *hook {
	h := &hook{settings: w, now: time.Now}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, ForceAttemptHTTP2: true, TLSHandshakeTimeout: hookTimeout}
	if w.CA != nil {
		certificates, err := pool(w.CA)
		h.err = err
		transport.TLSClientConfig = &tls.Config{RootCAs: certificates, MinVersion: tls.VersionTLS12}
	}
	h.client = &http.Client{
		Transport: transport, Timeout: hookTimeout,
		// What was signed for one receiver is not handed to another one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h
}

// key names the webhook in the store, without the secrets that a URL may hold.
func (w *Webhook) key() string {
	sum := sha256.Sum256([]byte(w.URL))
	return "webhook-" + hex.EncodeToString(sum[:8])
}

// name leaves out what may be a secret: a user, the path and the query.
func (w *Webhook) name() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "webhook"
	}
	return "webhook " + u.Scheme + "://" + u.Host
}

func (h *hook) key() string { return h.settings.key() }

func (h *hook) name() string { return h.settings.name() }

func (h *hook) idle() { h.client.CloseIdleConnections() }

// Signature returns the signature of a body for a secret, as the header has it.
func Signature(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// send implements channel.
func (h *hook) send(ctx context.Context, m *message) error {
	if h.err != nil {
		return h.err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.settings.URL, bytes.NewReader(m.Payload))
	if err != nil {
		return h.clean(err)
	}
	if scheme := request.URL.Scheme; scheme != "http" && scheme != "https" {
		return fmt.Errorf("%s is neither http nor https", h.name())
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "metasync")
	request.Header.Set(HeaderID, m.ID)
	timestamp := strconv.FormatInt(h.now().Unix(), 10)
	request.Header.Set(HeaderTimestamp, timestamp)
	if h.settings.Secret != "" {
		request.Header.Set(HeaderSignature, Signature(h.settings.Secret, timestamp, m.Payload))
	}
	response, err := h.client.Do(request)
	if err != nil {
		return h.clean(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	if response.StatusCode/100 == 2 {
		return nil
	}
	failure := &deliveryError{err: fmt.Errorf("%s answered %s", h.name(), response.Status)}
	switch response.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		failure.refused = true
	default:
		failure.after = retryAfter(response.Header.Get("Retry-After"), h.now())
	}
	return failure
}

// clean takes the URL out of an error of the HTTP client.
func (h *hook) clean(err error) error {
	var wrong *url.Error
	if errors.As(err, &wrong) {
		err = wrong.Err
	}
	return fmt.Errorf("%s: %w", h.name(), err)
}

// retryAfter reads the header of that name: seconds, or a date. It is 0 if it says
// nothing, and bounded.
func retryAfter(header string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxAfter)
}
