package daemon_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/notify"
)

// A postbox is a mail server that keeps what it gets.
type postbox struct {
	mu    sync.Mutex
	mails []string
}

func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return p, nil }
func (p *postbox) Mail(string, *smtp.MailOptions) error        { return nil }
func (p *postbox) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (p *postbox) Reset()                                      {}
func (p *postbox) Logout() error                               { return nil }

func (p *postbox) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, string(data))
	return err
}

func (p *postbox) subjects() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, m := range p.mails {
		for line := range strings.Lines(m) {
			if subject, ok := strings.CutPrefix(line, "Subject: "); ok {
				list = append(list, strings.TrimSpace(subject))
			}
		}
	}
	return list
}

// An outOfOrder is a listener that hangs up on everybody until it works. It has its port
// all the time, which another process could take otherwise.
type outOfOrder struct {
	net.Listener
	works atomic.Bool
}

// Accept implements [net.Listener].
func (l *outOfOrder) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.works.Load() {
			return conn, err
		}
		_ = conn.Close() // as a server that is down
	}
}

// work runs a daemon until the returned function is called.
func work(t *testing.T, o daemon.Options) (d *daemon.Daemon, stop func()) {
	t.Helper()
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return d, stop
}

func exec(t *testing.T, d *daemon.Daemon, want string) {
	t.Helper()
	record, err := whenFree(t, d, "full-import")
	if err != nil || string(record.Result) != want {
		t.Fatalf("%+v, %v", record, err)
	}
}

// A mail server that is down delays no run, and no mail is lost: neither by that nor
// by a restart.
func TestDeadMailServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	box := &postbox{}
	server := smtp.NewServer(box)
	office := &outOfOrder{Listener: listener}
	served := make(chan struct{})
	go func() { _ = server.Serve(office); close(served) }()
	defer func() { _, _ = listener.Close(), server.Close(); <-served }()
	settings := "\nnotify: {mail: {server: \"" + address + "\", tls: none, from: metasync@example.org, to: [idm@example.org]}}\n"
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": configuration + settings})
	d, stop := work(t, o)
	eventually(t, "the first import", func() bool { s, err := d.Status(t.Context()); return err == nil && s.Agents[0].Imported })
	write(t, filepath.Join(dir, "hr.csv"), "name\nAda\n")
	exec(t, d, "no-start-header-row-mismatch")
	exec(t, d, "no-start-header-row-mismatch")
	eventually(t, "a failure of the mail server", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && s.Notify.Failed > 0 && s.Notify.Queued == 1 && s.Notify.LastError != ""
	})
	s, err := d.Status(t.Context())
	if err != nil || len(s.Notify.Incidents) != 1 || s.Notify.Incidents[0].Count != 2 || s.Notify.Incidents[0].State != "no-start-header-row-mismatch" {
		t.Errorf("%+v, %v", s.Notify, err)
	}
	stop()

	office.works.Store(true)
	d, stop = work(t, o)
	defer stop()
	eventually(t, "the mail", func() bool { return len(box.subjects()) == 1 })
	write(t, filepath.Join(dir, "hr.csv"), "id,name\n1,Ada\n")
	exec(t, d, "success")
	eventually(t, "the mail of the recovery", func() bool { return len(box.subjects()) == 2 })
	want := []string{
		"HR full-import: no-start-header-row-mismatch",
		"HR full-import: success (was no-start-header-row-mismatch)",
	}
	if got := box.subjects(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A refused configuration and a failing trigger are told, and that they are right
// again; what commands do by themselves is not told.
func TestNotices(t *testing.T) {
	t.Setenv("HOOK", "hunter2")
	var mu sync.Mutex
	var got []notify.Payload
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var p notify.Payload
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, p)
	}))
	defer hook.Close()
	settings := "\nnotify: {webhooks: [{url: \"" + hook.URL + "/${env:HOOK}\"}]}\n"
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": configuration + settings, "scripts/broken.js": `
trigger("moody", { agent: "HR", every: "1s", check: () => { throw new Error("no mood, hunter2"); } });
trigger("careful", { agent: "HR", every: "1s", check: () => { throw new UnexpectedChange("half of them are gone"); } });`})
	told := func(subject string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(got, func(p notify.Payload) bool { return p.Subject == subject })
		}
	}
	d, err := daemon.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "hr.csv"), "name\nAda\n")
	exec(t, d, "no-start-header-row-mismatch")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "hr.csv"), "id,name\n1,Ada\n")
	_, stop := work(t, o)
	defer stop()
	eventually(t, "the failing trigger", told("HR trigger moody: failing"))
	eventually(t, "the stop", told("HR: stopped"))
	write(t, o.File, strings.ReplaceAll(configuration, "shown(name)", "shwn(name)")+settings)
	eventually(t, "the refusal", told("configuration: refused"))
	write(t, filepath.Join(dir, "scripts/broken.js"), "")
	write(t, o.File, configuration+settings)
	eventually(t, "the recovery", told("configuration: resolved (was refused)"))
	eventually(t, "the end of the trigger", told("HR trigger moody: no longer configured (was failing)"))
	stop()

	// Somebody resumes the agent while no daemon is at work.
	if d, err = daemon.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := d.Order(t.Context(), daemon.Order{Do: daemon.OrderResume, Agent: "HR", User: "tester"}); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop = work(t, o)
	defer stop()
	eventually(t, "the end of the stop", told("HR: resolved (was stopped)"))
	mu.Lock()
	defer mu.Unlock()
	for _, p := range got {
		if p.Kind == notify.Runs {
			t.Errorf("the run of a command is told: %s", p.Subject)
		}
		if strings.Contains(p.Text, "hunter2") {
			t.Errorf("a secret is told: %s", p.Text)
		}
		if p.Name == "moody" && p.Event == "opened" && !strings.Contains(p.Text, "no mood, [redacted]") {
			t.Errorf("the reason is missing: %s", p.Text)
		}
	}
}

// A change that is held is told, also after a restart, and so is what became of it.
func TestHeldChangeIsTold(t *testing.T) {
	for verdict, want := range map[string]string{"approve": "configuration: resolved (was held)", "reject": "configuration: rejected by ada (was held)"} {
		t.Run(verdict, func(t *testing.T) {
			o, dir, _ := heldFolder(t)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			box := &postbox{}
			server := smtp.NewServer(box)
			served := make(chan struct{})
			go func() { defer close(served); _ = server.Serve(listener) }()
			defer func() { server.Close(); <-served }()
			write(t, filepath.Join(dir, "metasync.yaml"), guarded+
				"notify: {mail: {server: \""+listener.Addr().String()+"\", tls: none, from: metasync@example.org, to: [idm@example.org]}}\n")
			// What is in force has no mail yet: the held change brings it. Let it in first.
			write(t, filepath.Join(dir, "scripts", "names.js"), lets)
			d := reopen(t, o)
			once(t, d)
			shut(t, d)
			write(t, filepath.Join(dir, "scripts", "names.js"), stops)

			_, stop := work(t, o)
			eventually(t, "the mail", func() bool { return slices.Equal(box.subjects(), []string{"configuration: held"}) })
			stop()
			d, _ = work(t, o)
			h := held(t, d)
			if h == nil {
				t.Fatal("it is not held any more")
			}
			if _, err := d.DecideGeneration(t.Context(), daemon.GenerationVerdict{Generation: h.Generation, Approve: verdict == "approve"}, "ada"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the mail about the end", func() bool { return slices.Equal(box.subjects(), []string{"configuration: held", want}) })
			box.mu.Lock()
			defer box.mu.Unlock()
			for _, text := range []string{"metasync approve --generation " + h.Generation, "2 objects", "scripts/names.js"} {
				if !strings.Contains(box.mails[0], text) {
					t.Errorf("the mail does not have %q:\n%s", text, box.mails[0])
				}
			}
		})
	}
}

// Who puts the configuration right does not wait for the back-off of what failed.
func TestTriedAgainAfterAChange(t *testing.T) {
	o, dir, _ := folder(t, map[string]string{"metasync.yaml": strings.Replace(configuration, "file: hr.csv", "file: missing.csv", 1)})
	d, _ := work(t, o)
	var next time.Time
	eventually(t, "the failures", func() bool {
		s, err := d.Status(t.Context())
		if err != nil || len(s.Scheduler.Backoff) != 1 || s.Scheduler.Backoff[0].Failures < 2 {
			return false
		}
		next = s.Scheduler.Backoff[0].Next // ten seconds later at least
		return true
	})
	write(t, filepath.Join(dir, "metasync.yaml"), configuration)
	imported := time.Time{}
	eventually(t, "the import", func() bool {
		s, err := d.Status(t.Context())
		if err != nil || !s.Agents[0].Imported {
			return false
		}
		imported = time.Now()
		return true
	})
	if !imported.Before(next) {
		t.Errorf("it waited until %s for %s", imported, next)
	}
}
