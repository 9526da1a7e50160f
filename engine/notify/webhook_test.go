package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metasync/metasync/engine/store"
)

// A receiver is the other side of a webhook.
type receiver struct {
	mu      sync.Mutex
	answers []int // statuses to answer first; then 200
	after   string
	got     []*http.Request
	bodies  [][]byte
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, request)
	r.bodies = append(r.bodies, body)
	if len(r.answers) > 0 {
		w.Header().Set("Retry-After", r.after)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.answers[0])
		r.answers = r.answers[1:]
	}
}

// What a webhook posts says what happened, and is signed as documented.
func TestWebhook(t *testing.T) {
	inUTC(t)
	r := &receiver{answers: []int{503, 429}}
	server := httptest.NewServer(r)
	defer server.Close()
	n, err := New(Options{Store: store.NewMemory(), Settings: Settings{
		Webhooks: []Webhook{{URL: server.URL + "/hook?token=hunter2", Secret: "key"}}, Policy: DefaultPolicy(),
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") },
	}})
	if err != nil {
		t.Fatal(err)
	}
	n.pause = time.Millisecond
	defer start(t, n)()
	e := RunEnded(failing())
	n.Post(e)
	until(t, "the message is accepted", func() bool { s, err := n.Status(); return err == nil && s.Sent == 1 })
	if len(r.got) != 3 {
		t.Fatalf("%d requests", len(r.got))
	}
	for i, request := range r.got {
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(request.Header.Get("Metasync-Timestamp") + "." + string(r.bodies[i])))
		if got, want := request.Header.Get("Metasync-Signature"), "v1="+hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		if id := request.Header.Get("Metasync-Id"); id == "" || id != r.got[0].Header.Get("Metasync-Id") {
			t.Errorf("id %q", id)
		}
		if request.Method != http.MethodPost || request.Header.Get("Content-Type") != "application/json" || request.URL.Query().Get("token") != "hunter2" {
			t.Errorf("%s %s %s", request.Method, request.URL, request.Header)
		}
	}
	var p Payload
	if err := json.Unmarshal(r.bodies[0], &p); err != nil {
		t.Fatal(err)
	}
	if p.Event != "opened" || p.Kind != Runs || p.Agent != "HR" || p.Name != "nightly" || p.State != "completed-discovery-errors" || p.Run != 12 ||
		p.Subject != "HR nightly: completed-discovery-errors" || !strings.Contains(p.Text, "no date") || len(p.Body.Sections) != 1 || p.ID == "" {
		t.Errorf("payload %+v", p)
	}
	if strings.Contains(string(r.bodies[0]), "hunter2") {
		t.Errorf("the payload tells a secret: %s", r.bodies[0])
	}
	if s, _ := n.Status(); strings.Contains(s.Channels[0].Channel, "hunter2") || !strings.HasPrefix(s.Channels[0].Channel, "webhook http://127.0.0.1:") {
		t.Errorf("the channel is called %s", s.Channels[0].Channel)
	}
}

// What an answer means for the message and for those behind it.
func TestWebhookAnswers(t *testing.T) {
	for _, tt := range []struct {
		status  int
		after   string
		refused bool
		want    time.Duration
	}{
		{500, "", false, 0},
		{503, "120", false, 2 * time.Minute},
		{429, "99999", false, maxAfter},
		{429, "-5", false, 0},
		{404, "", false, 0},
		{400, "60", true, 0},
		{302, "", false, 0},
	} {
		r := &receiver{answers: []int{tt.status}, after: tt.after}
		server := httptest.NewServer(r)
		h := newHook(Webhook{URL: server.URL})
		err := h.send(t.Context(), &message{ID: "a", Payload: json.RawMessage(`{}`)})
		var delivery *deliveryError
		if !errors.As(err, &delivery) || delivery.refused != tt.refused || delivery.after != tt.want {
			t.Errorf("%d: %#v", tt.status, err)
		}
		if len(r.got) != 1 || r.got[0].Header.Get(HeaderSignature) != "" {
			t.Errorf("%d: %d requests", tt.status, len(r.got))
		}
		h.idle()
		server.Close()
	}
	if got := retryAfter(noon.Add(time.Minute).Format(http.TimeFormat), noon); got != time.Minute {
		t.Errorf("a date: %s", got)
	}
}

// The certificate of a receiver is checked.
func TestWebhookCertificate(t *testing.T) {
	server := httptest.NewTLSServer(&receiver{})
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	_, other := newCertificate(t)
	server.Config.ErrorLog = nil
	for name, tt := range map[string]struct {
		ca   []byte
		want string
	}{"its own": {ca, ""}, "another": {other, "certificate"}, "the machine's": {nil, "certificate"}, "none": {[]byte("x"), "no certificate"}} {
		h := newHook(Webhook{URL: server.URL + "/secret-path", CA: tt.ca})
		err := h.send(t.Context(), &message{ID: "a", Payload: json.RawMessage(`{}`)})
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret-path")) {
			t.Errorf("%s: %v", name, err)
		}
		h.idle()
	}
	h := newHook(Webhook{URL: "file:///etc/passwd"})
	if err := h.send(t.Context(), &message{}); err == nil || !strings.Contains(err.Error(), "neither http nor https") {
		t.Errorf("another scheme: %v", err)
	}
}

// A test message goes through every channel, past the outbox.
func TestTrial(t *testing.T) {
	config, ca := newCertificate(t)
	office := &postOffice{refuses: "left@example.org"}
	address, _ := office.serve(t, "127.0.0.1:0", config, false)
	r := &receiver{answers: []int{200, 500}}
	server := httptest.NewServer(r)
	defer server.Close()
	n, err := New(Options{Store: store.NewMemory(), Settings: Settings{
		Mail:     &Mail{Server: address, CA: ca, From: "metasync@example.org", To: []string{"idm@example.org"}},
		Routes:   map[string][]string{"HR": {"left@example.org", "idm@example.org"}},
		Webhooks: []Webhook{{URL: server.URL}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	trials, err := n.Test(t.Context(), "")
	if err != nil || len(trials) != 3 || !trials[0].OK || trials[1].OK || !strings.Contains(trials[1].Error, "no such user") || !trials[2].OK {
		t.Errorf("%+v, %v", trials, err)
	}
	trials, err = n.Test(t.Context(), "ada@example.org")
	if err != nil || len(trials) != 2 || trials[0].To != "ada@example.org" || !trials[0].OK || trials[1].OK || !strings.Contains(trials[1].Error, "500") {
		t.Errorf("%+v, %v", trials, err)
	}
	if got := office.letters(); len(got) != 2 || !strings.Contains(string(got[1].data), "test message") {
		t.Errorf("%d letters", len(got))
	}
	n.Configure(Settings{})
	if _, err := n.Test(t.Context(), ""); !errors.Is(err, ErrNotConfigured) {
		t.Errorf("got %v", err)
	}
}
