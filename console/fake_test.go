package console

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/scripting"
)

// A fake is a service with a little of everything in it. Its runs go on until
// finish is closed or their context is done.
type fake struct {
	started chan execRequest // told of each run
	finish  chan struct{}
	backup  func(io.Writer) error // nil is one that works
}

func newFake() *fake {
	return &fake{started: make(chan execRequest, 10), finish: make(chan struct{})}
}

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func (f *fake) Order(_ context.Context, o daemon.Order) error {
	if o.Agent == "" {
		err := fault.New("nothing-to-"+o.Do, "no run is going on")
		err.Hint = o.Reason
		return err
	}
	return nil
}

func (f *fake) Plan(context.Context) ([]daemon.AgentPlan, error) {
	return []daemon.AgentPlan{{Agent: "HR", Role: daemon.RoleSource, Operations: map[string]string{"export": "export"}}}, nil
}

func (f *fake) Holds(_ context.Context, q daemon.HoldQuery) (daemon.Holds, error) {
	if q.Agent == "HRX" {
		return daemon.Holds{}, fault.New("unknown-agent", "there is no agent %q", q.Agent)
	}
	return daemon.Holds{
		Holds: []hold.Hold{{
			Agent: q.Agent, Step: hold.Export, Of: hold.Export, Since: noon, Digest: "ab",
			Reasons: []hold.Reason{{Kind: hold.Deletes, Count: 3, Of: 9, Limit: "10%", Window: "24h", Before: 2}},
			Objects: []hold.Object{{ID: identity.NewID(1, 2), Object: "user", DN: "CN=a", What: "would be deleted"}},
		}},
		Raised: []hold.Raised{},
	}, nil
}

func (f *fake) Decide(_ context.Context, by daemon.Decision) (daemon.Holds, error) {
	if by.Do != daemon.DecideApprove {
		err := fault.New("nothing-held", "nothing is held")
		err.Agent = by.Agent
		return daemon.Holds{}, err
	}
	return daemon.Holds{
		Holds:  []hold.Hold{{Agent: by.Agent, Step: by.Step, Rejected: &hold.Decision{By: by.User, Reason: by.Reason, At: noon}}},
		Raised: []hold.Raised{{Agent: by.Agent, Step: by.Step, Kind: hold.Deletes, Window: by.Raise, Count: 3}},
	}, nil
}

func (f *fake) Log(_ context.Context, q daemon.LogQuery) ([]daemon.Note, error) {
	return []daemon.Note{{Number: q.After + 1, At: noon, Kind: q.Kind, Agent: q.Agent, User: "ada", Until: noon}}, nil
}

func (f *fake) Status(context.Context) (daemon.Status, error) {
	return daemon.Status{
		Version: "1", Running: true, PID: 7, Started: noon, State: "/var/lib",
		Rejected: &daemon.Rejected{At: noon, Errors: []daemon.Problem{{Name: "script-syntax-error", File: "a.js", Line: 2}}},
		Agents:   []daemon.AgentStatus{{Facts: autosync.Facts{Agent: "HR", PendingImports: 3}, Count: map[string]int{"all": 3}}},
	}, nil
}

func (f *fake) History(_ context.Context, limit int) ([]*run.Record, error) {
	records := []*run.Record{record(2), record(1)}
	return records[:min(limit, 2)], nil
}

func (f *fake) Record(_ context.Context, number uint64) (*run.Record, error) {
	if number > 2 {
		return nil, nil
	}
	return record(number), nil
}

func record(number uint64) *run.Record {
	return &run.Record{
		Run: number, Agent: "HR", Profile: "full-import", Result: run.Success, Started: noon, Ended: noon.Add(time.Second),
		Cause: run.Cause{Kind: "trigger", Name: "file"},
		Steps: []*run.Report{{
			Type: run.FullImport, Result: run.Success, Staging: map[string]int{"stage-add": 3},
			DiscoveryErrors: []run.ErrorRecord{{Type: "parse-error", ID: identity.NewID(1, 2), Line: 4}},
		}},
	}
}

func (f *fake) Connectors(_ context.Context, q engine.ConnectorQuery, yield func(engine.ConnectorView) error) error {
	if q.Agent != "HR" {
		err := fault.New("unknown-agent", "there is no agent %q", q.Agent)
		err.Hint = "did you mean HR?"
		return err
	}
	id := identity.NewID(0, 9)
	return yield(engine.ConnectorView{
		ID: identity.NewID(1, 1), Agent: q.Agent, State: q.State, Anchor: q.Key, Metaverse: &id,
		Attributes:    map[string][]any{"name": {"Zoë <&>\u2028"}, "number": {int64(9007199254740993)}, "flag": {true}},
		PendingExport: &engine.DeltaView{Operation: q.Pending, Changes: map[string]engine.ChangeView{"a": {Operation: "add"}}},
	})
}

func (f *fake) Containers(_ context.Context, q engine.ContainerQuery) ([]engine.ContainerView, error) {
	return []engine.ContainerView{{DN: q.Under, Included: true, Objects: len(q.Agent)}}, nil
}

func (f *fake) Objects(_ context.Context, q engine.ObjectQuery, yield func(engine.ObjectView) error) error {
	switch q.Type {
	case "broken":
		return errors.New("no name for this")
	case "wrong":
		return errors.Join(
			&fault.Error{
				Name: "invalid", Text: "one", Hint: "do it", Position: fault.Position{File: "m.yaml", Line: 1, Column: 2},
				Agent: "A", Object: "O", Attribute: "at", Rule: "R", Step: "join",
			},
			&fault.Error{Name: "invalid", Position: fault.Position{File: "m.yaml", Line: 3}, Err: errors.New("two")},
		)
	}
	return yield(engine.ObjectView{ID: identity.NewID(0, 1), Type: q.Type, Attributes: map[string]engine.AttributeView{
		"sn": {Values: []any{"Berg"}, Contributor: "HR", Time: noon},
	}})
}

func (f *fake) Details(_ context.Context, q engine.DetailQuery) ([]engine.DetailView, error) {
	id := identity.NewID(1, 1)
	return []engine.DetailView{{Step: q.Step, Agent: q.Agent, ID: &id, Operation: "update", Changes: map[string]engine.ChangeView{
		"number": {Operation: "replace", Values: []any{int64(9007199254740993)}, Removed: []any{int64(1)}},
	}}}, nil
}

func (f *fake) PendingExports(_ context.Context, agent string, yield func(engine.ExportRow) error) error {
	for i := range 3 {
		if err := yield(engine.ExportRow{Agent: agent, ID: identity.NewID(1, uint64(i+1)), New: []any{int64(9007199254740993)}}); err != nil {
			return err
		}
	}
	if agent != "HR" {
		return fault.New("unknown-agent", "there is no agent %q", agent)
	}
	return nil
}

func (f *fake) Verify(context.Context) ([]string, error) { return []string{"a finding"}, nil }

func (f *fake) Backup(_ context.Context, w io.Writer) error {
	if f.backup != nil {
		return f.backup(w)
	}
	_, err := w.Write([]byte("the stores"))
	return err
}

func (f *fake) Release(ctx context.Context, agentName, key, user string) (*engine.ParkedView, error) {
	if key == "free" {
		return nil, fault.New("not-parked", "the object is not parked")
	}
	v := &engine.ParkedView{Agent: agentName, DN: key, Anchor: user}
	v.Count, v.Attributes = 4, []space.ParkedAttribute{{Name: "name", Wanted: []string{"a"}, Found: []string{"b"}, Contributors: []string{"HR"}}}
	return v, ctx.Err()
}

func (f *fake) ByHand(ctx context.Context, m engine.Manual, user string) (*run.Record, error) {
	if m.Key == "linked" {
		err := fault.New("object-already-linked", "the object is linked")
		err.Hint = "disconnect it first"
		return nil, err
	}
	r := record(6)
	r.Profile, r.Cause.User = string(m.What), user+m.Agent+m.Metaverse
	return r, ctx.Err()
}

func (f *fake) Preview(_ context.Context, q engine.PreviewQuery) (*engine.Preview, error) {
	if q.Key == "nobody" {
		return nil, fault.New("unknown-object", "agent %q has no object %q", q.Agent, q.Key)
	}
	return &engine.Preview{
		Agent: q.Agent, ID: identity.NewID(1, 1), Mode: "full", Result: run.Success,
		ImportFlows: []engine.ImportFlowView{{FlowView: engine.FlowView{Attribute: "number", Value: []any{int64(9007199254740993)}}}},
	}, nil
}

func (f *fake) CommitPreview(ctx context.Context, q engine.PreviewQuery, user string) (*engine.Preview, error) {
	return &engine.Preview{Agent: q.Agent, DN: user, Committed: true, Run: 8}, ctx.Err()
}

func (f *fake) SyncObject(ctx context.Context, q engine.SingleQuery, user string) (*engine.SingleSync, error) {
	if q.Key == "nobody" {
		return nil, fault.New("unknown-object", "agent %q has no object %q", q.Agent, q.Key)
	}
	return &engine.SingleSync{Agent: q.Agent, DN: user, DryRun: q.DryRun, Run: 9, Steps: []engine.SingleStep{{
		Step: engine.SingleImport, Objects: []engine.SingleObject{{Changes: map[string]engine.ValueForecast{"number": {After: []any{int64(9007199254740993)}}}}},
	}}}, ctx.Err()
}

func (f *fake) Forecast(_ context.Context, q daemon.ForecastQuery, progress run.Progress) (*engine.Forecast, error) {
	if q.With == "broken.yaml" {
		return nil, &fault.Error{Name: "invalid", Text: "no", Position: fault.Position{File: q.With, Line: 3}}
	}
	progress("HR", run.FullSync, 1, 2)
	return &engine.Forecast{Different: q.With != "", Warnings: []string{"a warning"}}, nil
}

func (f *fake) DecideGeneration(_ context.Context, v daemon.GenerationVerdict, user string) (*daemon.Held, error) {
	if v.Generation != "b2" {
		err := fault.New("unknown-generation", "no generation %q is held", v.Generation)
		err.Hint = "generation b2 is held"
		return nil, err
	}
	return &daemon.Held{
		Generation: v.Generation, Running: "a1", At: noon, Changed: []daemon.ChangedFile{{File: "a.js", Change: "changed"}},
		GuardReport: engine.GuardReport{Deletes: 3, First: []engine.Guarded{{Agent: "AD", DN: "CN=Ada", Operation: "delete"}}},
		Rejected:    &daemon.Verdict{User: user, Reason: v.Reason, At: noon},
	}, nil
}

func (f *fake) Scripts(context.Context) (*daemon.ScriptsView, error) {
	return &daemon.ScriptsView{
		Running:  daemon.RunningScripts{Scripts: daemon.Scripts{Generation: "a1", Tests: 2}, Registrations: []daemon.Registration{{Kind: "flow", Name: "HR.employee x", Line: 3}}},
		Rejected: &daemon.Rejected{At: noon, Generation: "b2", Errors: []daemon.Problem{{Name: "script-test-failed", Line: 2}}},
	}, nil
}

func (f *fake) Try(_ context.Context, q daemon.TryQuery) (*daemon.Tried, error) {
	if q.Object == "nobody" {
		return nil, fault.New("unknown-object", "there is no object %q", q.Object)
	}
	return &daemon.Tried{Kind: q.Kind, Name: q.Name, Object: q.Object, Returned: int64(9007199254740993), Log: []daemon.Logged{{Level: "INFO", Text: "x"}}}, nil
}

func (f *fake) Explain(_ context.Context, q engine.ExplainQuery) (*engine.Explanation, error) {
	return &engine.Explanation{Attribute: q.Attribute, Metaverse: &engine.ObjectExplanation{Name: q.Metaverse + q.Agent + q.Key}}, nil
}

func (f *fake) Resync(ctx context.Context, q engine.Resync, user string, progress run.Progress) ([]*run.Record, error) {
	if q.Agent == "HRX" {
		return nil, fault.New("unknown-agent", "there is no agent %q", q.Agent)
	}
	if progress != nil {
		progress("HR", run.Resync, 1, 2)
	}
	r := record(7)
	r.Profile, r.Cause.User, r.Cause.Name = string(run.Resync), user, q.Agent+q.Type+q.Where
	return []*run.Record{r}, ctx.Err()
}

func (f *fake) Remove(ctx context.Context, r engine.Removal, user string, progress run.Progress) (*run.Record, error) {
	if r.Agent == "HR" {
		return nil, fault.New("still-configured", "the configuration still has the %s", r.String())
	}
	if progress != nil {
		progress(r.Agent, run.Remove, 1, 2)
	}
	made := record(8)
	made.Profile, made.Cause.User, made.Cause.Name = string(run.Remove), user, r.String()
	return made, ctx.Err()
}

func (f *fake) PreviewRemoval(ctx context.Context, q daemon.RemovalQuery, progress run.Progress) (*engine.RemovalPreview, error) {
	if progress != nil {
		progress(q.Agent, run.Remove, 1, 2)
	}
	return &engine.RemovalPreview{Removal: q.Removal, Objects: 3, Limit: q.Samples}, ctx.Err()
}

func (f *fake) Orphans(_ context.Context, file string) ([]engine.Orphan, error) {
	return []engine.Orphan{{Type: engine.AgentNotConfigured, Agent: file, Objects: 2}}, nil
}

func (f *fake) NotifyTest(_ context.Context, to string) ([]notify.Trial, error) {
	if to == "nobody" {
		return nil, notify.ErrNotConfigured
	}
	return []notify.Trial{{Channel: "mail", To: to, OK: true}, {Channel: "webhook", Error: "no"}}, nil
}

func (f *fake) CloseIncident(_ context.Context, q daemon.IncidentClosing) (*notify.Incident, error) {
	if q.Incident == "none" {
		return nil, fault.New("unknown-incident", "no incident is open that is called %q", q.Incident)
	}
	return &notify.Incident{ID: q.Incident, Kind: notify.Runs, State: q.User + q.Reason}, nil
}

func (f *fake) DecideWorkflow(_ context.Context, v daemon.WorkflowVerdict, user string) (int, error) {
	if v.ID == 99 {
		return 0, fault.New("unknown-entry", "%s decides about nothing", user)
	}
	return int(v.ID), nil
}

func (f *fake) Once(ctx context.Context, sweep autosync.Sweep, progress run.Progress) (autosync.Summary, error) {
	summary := autosync.Summary{Runs: []autosync.Completed{{Run: 4, Agent: "HR", Result: run.Success}}, Errors: true}
	err := f.work(ctx, execRequest{}, progress)
	if err != nil {
		err = fault.Wrap("stopped-service-shutdown", err)
	}
	return summary, err
}

func (f *fake) Exec(ctx context.Context, agent, profile, user string, progress run.Progress) (*run.Record, error) {
	if agent == "busy" {
		return nil, run.ErrBusy
	}
	if err := f.work(ctx, execRequest{agent, profile, user}, progress); err != nil {
		return nil, err
	}
	return record(5), nil
}

func (f *fake) work(ctx context.Context, request execRequest, progress run.Progress) error {
	f.started <- request
	if progress != nil {
		progress("HR", run.FullImport, 1, 2)
	}
	select {
	case <-f.finish:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start serves a service in a folder. The returned function ends the server and
// waits for it.
func start(t *testing.T, folder string, service Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, folder, service, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// connect returns a client of the server in a folder, as soon as there is one.
func connect(t *testing.T, folder string) *Client {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		c, err := Dial(t.Context(), folder)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if !errors.Is(err, ErrNotRunning) || time.Now().After(deadline) {
			t.Fatalf("Dial: %v", err)
		}
	}
}

func (f *fake) Isolate(_ context.Context, q daemon.IsolationQuery) (*daemon.Isolation, error) {
	return &daemon.Isolation{Objects: q.Sample, Uncalled: []string{q.File}, Dependent: []scripting.Dependent{{Kind: "flow", Line: 3, Used: "1"}}}, nil
}
