package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// What a client returns prints as the same JSON as what the service returned.
func TestClientIsTheService(t *testing.T) {
	folder, service := t.TempDir(), newFake()
	close(service.finish)
	start(t, folder, service)
	client := connect(t, folder)
	for name, ask := range map[string]func(Service) (any, error){
		"status":         func(s Service) (any, error) { return s.Status(t.Context()) },
		"history":        func(s Service) (any, error) { return s.History(t.Context(), 1) },
		"record":         func(s Service) (any, error) { return s.Record(t.Context(), 2) },
		"unknown record": func(s Service) (any, error) { return s.Record(t.Context(), 3) },
		"connectors": func(s Service) (any, error) {
			return connectors(t, s, engine.ConnectorQuery{Agent: "HR", State: "connector", Pending: "export", Key: "k/ä", Limit: 3})
		},
		"unknown agent": func(s Service) (any, error) {
			return connectors(t, s, engine.ConnectorQuery{Agent: "HRX"})
		},
		"objects":        func(s Service) (any, error) { return objects(t, s, engine.ObjectQuery{Type: "person"}) },
		"unnamed error":  func(s Service) (any, error) { return objects(t, s, engine.ObjectQuery{Type: "broken"}) },
		"several errors": func(s Service) (any, error) { return objects(t, s, engine.ObjectQuery{Type: "wrong"}) },
		"containers": func(s Service) (any, error) {
			return s.Containers(t.Context(), engine.ContainerQuery{Agent: "AD", Under: "OU=ä"})
		},
		"details": func(s Service) (any, error) {
			return s.Details(t.Context(), engine.DetailQuery{Run: 2, Step: 1, Counter: "stage-update", Agent: "HR"})
		},
		"notify test": func(s Service) (any, error) { return s.NotifyTest(t.Context(), "ada@example.org") },
		"close incident": func(s Service) (any, error) {
			return s.CloseIncident(t.Context(), daemon.IncidentClosing{Incident: "1", User: "ada", Reason: "why"})
		},
		"close none": func(s Service) (any, error) {
			return s.CloseIncident(t.Context(), daemon.IncidentClosing{Incident: "none"})
		},
		"workflow": func(s Service) (any, error) {
			return s.DecideWorkflow(t.Context(), daemon.WorkflowVerdict{ID: 7, Drop: true}, "ada")
		},
		"unknown entry": func(s Service) (any, error) {
			return s.DecideWorkflow(t.Context(), daemon.WorkflowVerdict{ID: 99}, "ada")
		},
		"notify nobody":   func(s Service) (any, error) { return s.NotifyTest(t.Context(), "nobody") },
		"verify":          func(s Service) (any, error) { return s.Verify(t.Context()) },
		"pending exports": func(s Service) (any, error) { return allRows(t, s, "HR") },
		"broken exports":  func(s Service) (any, error) { return allRows(t, s, "AD") },
		"join": func(s Service) (any, error) {
			return s.ByHand(t.Context(), engine.Manual{What: run.Join, Agent: "HR", Key: "1", Metaverse: "m"}, "ada")
		},
		"refused join": func(s Service) (any, error) {
			return s.ByHand(t.Context(), engine.Manual{What: run.Join, Agent: "HR", Key: "linked"}, "ada")
		},
		"release":         func(s Service) (any, error) { return s.Release(t.Context(), "HR", "1", "ada") },
		"refused release": func(s Service) (any, error) { return s.Release(t.Context(), "HR", "free", "ada") },
		"sync": func(s Service) (any, error) {
			return s.SyncObject(t.Context(), engine.SingleQuery{Agent: "HR", Key: "1", DryRun: true, NoExport: true}, "ada")
		},
		"refused sync": func(s Service) (any, error) {
			return s.SyncObject(t.Context(), engine.SingleQuery{Agent: "HR", Key: "nobody"}, "ada")
		},
		"scripts": func(s Service) (any, error) { return s.Scripts(t.Context()) },
		"try": func(s Service) (any, error) {
			return s.Try(t.Context(), daemon.TryQuery{Kind: "flow", Name: []string{"HR.employee", "x"}, Object: "HR/1"})
		},
		"refused try": func(s Service) (any, error) {
			return s.Try(t.Context(), daemon.TryQuery{Object: "nobody"})
		},
		"approve": func(s Service) (any, error) {
			return s.DecideGeneration(t.Context(), daemon.GenerationVerdict{Generation: "b2", Approve: true, Reason: "as planned"}, "ada")
		},
		"refused approval": func(s Service) (any, error) {
			return s.DecideGeneration(t.Context(), daemon.GenerationVerdict{Generation: "a1"}, "ada")
		},
		"resync": func(s Service) (any, error) {
			return s.Resync(t.Context(), engine.Resync{Agent: "HR", Where: "Eq(a, b)"}, "ada", nil)
		},
		"resync by type": func(s Service) (any, error) {
			return s.Resync(t.Context(), engine.Resync{Type: "person", Where: "true"}, "ada", nil)
		},
		"refused resync": func(s Service) (any, error) {
			return s.Resync(t.Context(), engine.Resync{Agent: "HRX"}, "ada", nil)
		},
		"remove": func(s Service) (any, error) {
			return s.Remove(t.Context(), engine.Removal{Agent: "Old", Partition: "p", Deletes: 7}, "ada", nil)
		},
		"refused removal": func(s Service) (any, error) {
			return s.Remove(t.Context(), engine.Removal{Agent: "HR"}, "ada", nil)
		},
		"preview of a removal": func(s Service) (any, error) {
			return s.PreviewRemoval(t.Context(), daemon.RemovalQuery{Removal: engine.Removal{Metaverse: "guest"}, Samples: 9}, nil)
		},
		"isolate": func(s Service) (any, error) {
			return s.Isolate(t.Context(), daemon.IsolationQuery{File: "/etc/metasync.yaml", Sample: 7})
		},
		"orphans":       func(s Service) (any, error) { return s.Orphans(t.Context(), "/etc/metasync.yaml") },
		"holds":         func(s Service) (any, error) { return s.Holds(t.Context(), daemon.HoldQuery{Agent: "HR"}) },
		"refused holds": func(s Service) (any, error) { return s.Holds(t.Context(), daemon.HoldQuery{Agent: "HRX"}) },
		"approve a step": func(s Service) (any, error) {
			return s.Decide(t.Context(), daemon.Decision{Do: daemon.DecideApprove, Agent: "HR", Step: "sync", Raise: true, Reason: "because", User: "ada"})
		},
		"refused rejection": func(s Service) (any, error) {
			return s.Decide(t.Context(), daemon.Decision{Do: daemon.DecideReject, Agent: "HR"})
		},
		"backup": func(s Service) (any, error) {
			var b strings.Builder
			err := s.Backup(t.Context(), &b)
			return b.String(), err
		},
		"once": func(s Service) (any, error) { return s.Once(t.Context(), autosync.Changes, nil) },
		"exec": func(s Service) (any, error) { return s.Exec(t.Context(), "HR", "export", "ada", nil) },
		"busy": func(s Service) (any, error) { return s.Exec(t.Context(), "busy", "export", "ada", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			want, wantErr := ask(service)
			got, gotErr := ask(client)
			if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
				t.Errorf("(-service +client):\n%s", diff)
			}
			if diff := cmp.Diff(describe(wantErr), describe(gotErr)); diff != "" {
				t.Errorf("error (-service +client):\n%s", diff)
			}
		})
	}
}

func connectors(t *testing.T, s Service, q engine.ConnectorQuery) (list []engine.ConnectorView, err error) {
	err = s.Connectors(t.Context(), q, func(v engine.ConnectorView) error {
		list = append(list, v)
		return nil
	})
	return list, err
}

func objects(t *testing.T, s Service, q engine.ObjectQuery) (list []engine.ObjectView, err error) {
	err = s.Objects(t.Context(), q, func(v engine.ObjectView) error {
		list = append(list, v)
		return nil
	})
	return list, err
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// describe lists all that a command prints of an error.
func describe(err error) []string {
	if err == nil {
		return nil
	}
	lines := []string{err.Error()}
	if fault.Name(err) == "" {
		return lines
	}
	for _, e := range fault.All(err) {
		lines = append(lines, e.Name, e.Error(), e.Hint, e.Position.String(), e.Step)
	}
	return lines
}

// The number of a request, the profile and the user arrive; what happens is
// reported while it happens.
func TestProgress(t *testing.T) {
	folder, service := t.TempDir(), newFake()
	start(t, folder, service)
	client := connect(t, folder)
	type report struct {
		agent       string
		step        run.StepType
		done, total int
	}
	var reports []report
	got, err := client.Exec(t.Context(), "HR", "full-import", "ada", func(agent string, step run.StepType, done, total int) {
		reports = append(reports, report{agent, step, done, total})
		close(service.finish) // only now, so that the report came while it ran
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record(5), got, cmpopts.IgnoreUnexported(run.Report{})); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]report{{"HR", run.FullImport, 1, 2}}, reports, cmp.AllowUnexported(report{})); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(execRequest{"HR", "full-import", "ada"}, <-service.started); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// A run goes on when the client that asked for it has gone, and ends with the
// server.
func TestRunOutlivesItsClient(t *testing.T) {
	folder, service := t.TempDir(), &outliving{newFake(), make(chan error, 1)}
	stop := start(t, folder, service)
	client := connect(t, folder)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-service.started
		leave()
	}()
	if _, err := client.Exec(ctx, "HR", "full-import", "ada", nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Exec: %v, want %v", err, context.Canceled)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err) // the server has noticed by now, if it ever does
	}
	select {
	case err := <-service.ended:
		t.Fatalf("the run ended with its client: %v", err)
	default:
	}
	stop()
	select {
	case err := <-service.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the run ended with %v, want %v", err, context.Canceled)
		}
	default:
		t.Error("the server ended before its run")
	}
}

// An outliving tells how its runs end.
type outliving struct {
	*fake
	ended chan error
}

func (o *outliving) Exec(ctx context.Context, agent, profile, user string, progress run.Progress) (*run.Record, error) {
	record, err := o.fake.Exec(ctx, agent, profile, user, progress)
	o.ended <- err
	return record, err
}

// A server that ends gives running requests their answers: the summary of what
// was done until then, and why it was not more.
func TestShutdownAnswers(t *testing.T) {
	folder, service := t.TempDir(), newFake()
	stop := start(t, folder, service)
	client := connect(t, folder)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-service.started
		stop()
	}()
	summary, err := client.Once(t.Context(), autosync.Changes, nil)
	if fault.Name(err) != "stopped-service-shutdown" {
		t.Errorf("Once: %v, want the error of the service", err)
	}
	if len(summary.Runs) != 1 || !summary.Errors {
		t.Errorf("the summary did not arrive: %+v", summary)
	}
	<-stopped
	if _, err := client.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Status after the end: %v, want %v", err, ErrNotRunning)
	}
}

// Requests that do not end by themselves are cut off when the server ends.
func TestShutdownEndsReaders(t *testing.T) {
	folder, service := t.TempDir(), &hanging{newFake(), make(chan struct{})}
	stop := start(t, folder, service)
	client := connect(t, folder)
	go func() {
		<-service.asked
		stop()
	}()
	if _, err := client.History(t.Context(), 1); err == nil {
		t.Error("History of a service that hangs: no error")
	}
}

// The history of a hanging service takes until nobody waits for it.
type hanging struct {
	*fake
	asked chan struct{}
}

func (h *hanging) History(ctx context.Context, _ int) ([]*run.Record, error) {
	close(h.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestBadRequests(t *testing.T) {
	handler := newHandler(t.Context(), newFake())
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", pathHistory, `{"limit": "many"}`, http.StatusBadRequest},
		{"POST", pathHistory, ``, http.StatusBadRequest},
		{"POST", pathExec, `[]`, http.StatusBadRequest},
		{"POST", pathObjects, `{"key": "` + strings.Repeat("x", maxRequest) + `"}`, http.StatusBadRequest},
		{"POST", pathHistory, `[]`, http.StatusBadRequest},
		{"GET", pathOnce, ``, http.StatusMethodNotAllowed},
		{"POST", "/api/nothing", `{}`, http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body)))
		if w.Code != tt.status {
			t.Errorf("%s %s %.30s: status %d, want %d", tt.method, tt.path, tt.body, w.Code, tt.status)
		}
		var f failure
		if w.Code < http.StatusUnauthorized && (json.Unmarshal(w.Body.Bytes(), &f) != nil || f.Message == "") {
			t.Errorf("%s %s: the answer is no failure: %s", tt.method, tt.path, w.Body)
		}
	}
}

// A client tells a daemon of another version, and one that died, from one that
// answers.
func TestStrangeServers(t *testing.T) {
	for _, tt := range []struct{ name, answer, want string }{
		{"another version", "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nno\n", "of another version"},
		{"nothing at all", "", "ended before it answered"},
		{"half an answer", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"runs\":", "ended before it answered"},
		{"no JSON", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "talk to the daemon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			l, err := listen(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					strange(c, tt.answer)
				}
			}()
			client := connect(t, folder)
			for name, ask := range map[string]func() error{
				"History": func() error { _, err := client.History(t.Context(), 1); return err },
				"Once":    func() error { _, err := client.Once(t.Context(), autosync.Changes, nil); return err },
			} {
				if err := ask(); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", name, err, tt.want)
				}
			}
			l.Close()
			<-ended
		})
	}
}

// strange answers a request without reading it whole.
func strange(c net.Conn, answer string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if n, _ := c.Read(make([]byte, 4096)); n > 0 {
		_, _ = io.Copy(c, bytes.NewReader([]byte(answer)))
	}
}
