package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var things = identity.Schema{Types: []identity.ObjectType{{
	Name: "thing", Anchor: []string{"id"},
	Attributes: []identity.AttributeType{
		{Name: "id", Type: identity.TypeString},
		{Name: "n", Type: identity.TypeInteger},
		{Name: "list", Type: identity.TypeString, Multi: true},
		{Name: "peer", Type: identity.TypeReference},
		{Name: "secret", Type: identity.TypeString, ExportOnly: true},
	},
}}}

func newHostile(caps agent.Capabilities) *agenttest.Hostile {
	h := &agenttest.Hostile{Directory: agenttest.NewDirectory(things, caps)}
	for _, id := range []string{"1", "2"} {
		dn := id
		if caps.LDAPNames {
			dn = "CN=" + id
		}
		h.Put(agenttest.Object{DN: dn, Anchor: id, Attributes: agenttest.Attrs("id", id)})
	}
	return h
}

// use makes every call that an engine makes and returns the first error.
func use(ctx context.Context, a agent.Agent) (entries int, err error) {
	a.Capabilities()
	schema, err := a.Schema(ctx)
	if err != nil {
		return 0, err
	}
	in, err := a.(agent.Importer).OpenImport(ctx, agent.ImportRequest{Schema: schema, PageSize: 1})
	if err != nil {
		return 0, err
	}
	in.Complete()
	in.Unchanged()
	var page agent.Page
	for err = in.Next(ctx, &page); err == nil; err = in.Next(ctx, &page) {
		entries += len(page.Entries)
	}
	if !errors.Is(err, io.EOF) {
		_, closeErr := in.Close(context.WithoutCancel(ctx), agent.Aborted)
		return entries, errors.Join(err, closeErr)
	}
	if _, err = in.Close(ctx, agent.Completed); err != nil {
		return entries, err
	}
	out, err := a.(agent.Exporter).OpenExport(ctx, agent.ExportRequest{Schema: schema})
	if err != nil {
		return entries, err
	}
	change := agent.Change{
		Op: identity.Add, ObjectType: "thing", DN: "9",
		Changes: []identity.Change{{Name: "id", Op: identity.Add, Values: []identity.Value{identity.String("9")}}},
	}
	if _, err = out.Put(ctx, []agent.Change{change}); err != nil {
		return entries, errors.Join(err, out.Close(context.WithoutCancel(ctx), agent.Aborted))
	}
	return entries, out.Close(ctx, agent.Completed)
}

// TestCarefulAgent: a guard changes nothing about an agent that behaves, and
// implements no more than it does.
func TestCarefulAgent(t *testing.T) {
	var k guard.Keeper
	h := newHostile(agent.Capabilities{AnchorIsDN: true})
	a := k.Wrap("A", h)
	if n, err := use(t.Context(), a); n != 2 || err != nil {
		t.Fatalf("%d entries, %v", n, err)
	}
	if _, found := h.Object("9"); !found {
		t.Error("the export did not arrive")
	}
	if !a.Capabilities().AnchorIsDN {
		t.Error("the capabilities are lost")
	}
	var in struct {
		agent.Agent
		agent.Importer
	}
	in.Agent, in.Importer = h, h
	if wrapped := k.Wrap("A", in); !implements[agent.Importer](wrapped) || implements[agent.Exporter](wrapped) {
		t.Errorf("an agent that only imports became %T", wrapped)
	}
	var out struct {
		agent.Agent
		agent.Exporter
	}
	out.Agent, out.Exporter = h, h
	if wrapped := k.Wrap("A", out); implements[agent.Importer](wrapped) || !implements[agent.Exporter](wrapped) {
		t.Errorf("an agent that only exports became %T", wrapped)
	}
	if wrapped := k.Wrap("A", struct{ agent.Agent }{h}); implements[agent.Importer](wrapped) || implements[agent.Exporter](wrapped) {
		t.Errorf("an agent that does neither became %T", wrapped)
	}
}

func implements[T any](x any) bool {
	_, ok := x.(T)
	return ok
}

var allCalls = []agenttest.Call{
	agenttest.CallSchema, agenttest.CallOpenImport, agenttest.CallNext, agenttest.CallCloseImport,
	agenttest.CallOpenExport, agenttest.CallPut, agenttest.CallCloseExport,
}

// TestPanics has every method panic in turn, or end its goroutine.
func TestPanics(t *testing.T) {
	for _, call := range allCalls {
		for _, exits := range []bool{false, true} {
			var log bytes.Buffer
			k := guard.Keeper{Log: slog.New(slog.NewTextHandler(&log, nil))}
			h := newHostile(agent.Capabilities{AnchorIsDN: true})
			h.OnCall(func(c agenttest.Call) {
				switch {
				case c != call:
				case exits:
					runtime.Goexit()
				default:
					panic("out of the blue")
				}
			})
			_, err := use(t.Context(), k.Wrap("A", h))
			if fault.Name(err) != "stopped-extensible-extension-error" {
				t.Errorf("%s: %v", call, err)
			}
			if !strings.Contains(log.String(), "guard_test.go") {
				t.Errorf("%s: the log has no stack:\n%s", call, log.String())
			}
		}
	}
	h := newHostile(agent.Capabilities{})
	h.Says = func() agent.Capabilities { panic("not even that") }
	var k guard.Keeper
	if _, err := use(t.Context(), k.Wrap("A", h)); fault.Name(err) != "stopped-extensible-extension-error" {
		t.Errorf("Capabilities: %v", err)
	}
}

// TestHangs: a call that ignores its context is left behind after the grace
// time; the agent of that name, also a new one, is refused until it is back.
func TestHangs(t *testing.T) {
	for _, call := range allCalls {
		k := guard.Keeper{Grace: time.Millisecond, AbortTime: time.Millisecond}
		ctx, cancel := context.WithCancel(t.Context())
		back := make(chan struct{})
		h := newHostile(agent.Capabilities{AnchorIsDN: true})
		h.OnCall(func(c agenttest.Call) {
			if c == call {
				cancel()
				<-back
			}
		})
		_, err := use(ctx, k.Wrap("A", h))
		if fault.Name(err) != "stopped-ma-extension-timeout" {
			t.Errorf("%s: %v", call, err)
		}
		calm := newHostile(agent.Capabilities{AnchorIsDN: true})
		if _, err := use(t.Context(), k.Wrap("A", calm)); fault.Name(err) != "no-start-ma" {
			t.Errorf("%s: while it hangs: %v", call, err)
		}
		if _, err := use(t.Context(), k.Wrap("B", newHostile(agent.Capabilities{AnchorIsDN: true}))); err != nil {
			t.Errorf("%s: another agent: %v", call, err)
		}
		h.OnCall(nil)
		close(back)
		for deadline := time.Now().Add(time.Minute); ; {
			if _, err = use(t.Context(), k.Wrap("A", calm)); fault.Name(err) != "no-start-ma" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the agent is refused though it is back", call)
			}
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			t.Errorf("%s: when it is back: %v", call, err)
		}
		if opened, closed := h.Calls(agenttest.CallOpenImport), h.Calls(agenttest.CallCloseImport); opened != closed && call != agenttest.CallOpenImport {
			t.Errorf("%s: %d imports were opened and %d closed", call, opened, closed)
		}
	}
}

// TestBrokenContracts: answers that make no sense end the step.
func TestBrokenContracts(t *testing.T) {
	tests := map[string]func(h *agenttest.Hostile){
		"no import": func(h *agenttest.Hostile) { h.Opens = func(agent.Import) agent.Import { return nil } },
		"no export": func(h *agenttest.Hostile) { h.OpensOut = func(agent.Export) agent.Export { return nil } },
		"nothing changed since never": func(h *agenttest.Hostile) {
			h.Opens = func(in agent.Import) agent.Import { return unchanged{in} }
		},
		"empty pages without end": func(h *agenttest.Hostile) { h.Fills = func(int, *agent.Page) error { return nil } },
		"a huge page": func(h *agenttest.Hostile) {
			h.Fills = func(_ int, page *agent.Page) error {
				page.Entries = make([]agent.Entry, 1000)
				return nil
			}
		},
		"a failure called a success": func(h *agenttest.Hostile) {
			h.Fills = func(int, *agent.Page) error { return fault.New("success", "so it says") }
		},
		"a failure called a threshold": func(h *agenttest.Hostile) {
			h.Fills = func(int, *agent.Page) error { return fault.New("stopped-deletion-limit", "so it says") }
		},
		"a failure without a name": func(h *agenttest.Hostile) {
			h.Fills = func(int, *agent.Page) error { return errors.New("so it says") }
		},
		"a huge watermark": func(h *agenttest.Hostile) { h.Leaves = func() []byte { return make([]byte, 2<<20) } },
		"no results":       func(h *agenttest.Hostile) { h.Answers = results() },
		"too many results": func(h *agenttest.Hostile) { h.Answers = results(agent.Result{}, agent.Result{}) },
		"a huge anchor":    func(h *agenttest.Hostile) { h.Answers = results(agent.Result{Anchor: strings.Repeat("x", 399)}) },
		"a garbled anchor": func(h *agenttest.Hostile) { h.Answers = results(agent.Result{Anchor: "\xff"}) },
		"a garbled name":   func(h *agenttest.Hostile) { h.Answers = results(agent.Result{DN: "\xff"}) },
	}
	for name, schema := range map[string]func(*identity.ObjectType){
		"no name":              func(o *identity.ObjectType) { o.Name = "" },
		"name with null":       func(o *identity.ObjectType) { o.Name = "a\x00" },
		"attribute twice":      func(o *identity.ObjectType) { o.Attributes[1].Name = "id" },
		"attribute nameless":   func(o *identity.ObjectType) { o.Attributes[1].Name = "" },
		"attribute typeless":   func(o *identity.ObjectType) { o.Attributes[1].Type = 0 },
		"attribute of no type": func(o *identity.ObjectType) { o.Attributes[1].Type = 77 },
		"anchor missing":       func(o *identity.ObjectType) { o.Anchor = []string{"gone"} },
		"anchor multi-valued":  func(o *identity.ObjectType) { o.Anchor = []string{"list"} },
		"anchor twice":         func(o *identity.ObjectType) { o.Anchor = []string{"id", "id"} },
	} {
		tests["schema: "+name] = func(h *agenttest.Hostile) {
			h.Describes = func(s identity.Schema) identity.Schema {
				t := s.Types[0]
				t.Attributes = append([]identity.AttributeType(nil), t.Attributes...)
				schema(&t)
				return identity.Schema{Types: []identity.ObjectType{t}}
			}
		}
	}
	tests["schema: type twice"] = func(h *agenttest.Hostile) {
		h.Describes = func(s identity.Schema) identity.Schema {
			return identity.Schema{Types: []identity.ObjectType{s.Types[0], s.Types[0]}}
		}
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			var k guard.Keeper
			h := newHostile(agent.Capabilities{AnchorIsDN: true})
			spoil(h)
			if _, err := use(t.Context(), k.Wrap("A", h)); fault.Name(err) != "stopped-ma" {
				t.Errorf("%v, want stopped-ma", err)
			}
		})
	}
}

type unchanged struct{ agent.Import }

func (unchanged) Unchanged() bool { return true }

func results(list ...agent.Result) func([]agent.Change) ([]agent.Result, error) {
	return func([]agent.Change) ([]agent.Result, error) { return list, nil }
}

// TestLastPage: what comes together with the end of the stream is not lost, for
// what an import does not show is taken for gone.
func TestLastPage(t *testing.T) {
	var k guard.Keeper
	h := newHostile(agent.Capabilities{AnchorIsDN: true})
	h.Fills = func(n int, page *agent.Page) error {
		page.Add().Anchor = fmt.Sprint(n)
		if n == 3 {
			return io.EOF
		}
		return nil
	}
	if n, err := use(t.Context(), k.Wrap("A", h)); n != 3 || err != nil {
		t.Errorf("%d entries, %v; want 3", n, err)
	}
}

// TestMeddling: an agent that changes what it was given, or what it gave,
// changes nothing of the engine's.
func TestMeddling(t *testing.T) {
	var k guard.Keeper
	h := newHostile(agent.Capabilities{AnchorIsDN: true})
	given := identity.Schema{}
	h.Describes = func(s identity.Schema) identity.Schema {
		given = identity.Schema{Types: []identity.ObjectType{{Name: "thing", Attributes: []identity.AttributeType{{Name: "a", Type: identity.TypeString}}}}}
		return given
	}
	h.Answers = func(changes []agent.Change) ([]agent.Result, error) {
		changes[0].Changes[0].Values[0] = identity.String("other")
		changes[0].Changes[0].Name = "other"
		changes[0].Image[0].Values[0] = identity.String("other")
		return make([]agent.Result, 1), nil
	}
	a := k.Wrap("A", h)
	schema, err := a.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	given.Types[0].Attributes[0].Name = "other"
	if schema.Types[0].Attributes[0].Name != "a" {
		t.Error("the schema changed afterwards")
	}
	out, err := a.(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	change := agent.Change{
		Op: identity.Update, ObjectType: "thing", DN: "1", Image: agenttest.Attrs("a", "x"),
		Changes: []identity.Change{{Name: "a", Op: identity.Replace, Values: []identity.Value{identity.String("x")}}},
	}
	if _, err := out.Put(t.Context(), []agent.Change{change}); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(t.Context(), agent.Completed); err != nil {
		t.Fatal(err)
	}
	if c := change.Changes[0]; c.Name != "a" || c.Values[0].Str() != "x" || change.Image[0].Values[0].Str() != "x" {
		t.Errorf("the change changed: %+v", change)
	}
}

// TestRefusedChanges: what no system can take is not sent, and the results of
// the others stay with their changes.
func TestRefusedChanges(t *testing.T) {
	var k guard.Keeper
	h := newHostile(agent.Capabilities{LDAPNames: true})
	h.Answers = func(changes []agent.Change) ([]agent.Result, error) {
		answers := make([]agent.Result, len(changes))
		for i, c := range changes {
			answers[i].Anchor = "anchor of " + c.DN[:4]
		}
		return answers, nil
	}
	out, err := k.Wrap("A", h).(agent.Exporter).OpenExport(t.Context(), agent.ExportRequest{Schema: things})
	if err != nil {
		t.Fatal(err)
	}
	add := func(objectType, dn string) agent.Change {
		return agent.Change{Op: identity.Add, ObjectType: objectType, DN: dn}
	}
	answers, err := out.Put(t.Context(), []agent.Change{
		add("thing", "no name"), add("thing", "CN=a"), add("other", "CN=b"), add("thing", "CN=c"), add("thing", "CN=a2"),
		{Op: identity.Update, ObjectType: "thing", DN: "CN=d", NewDN: "CN=" + strings.Repeat("x", 10000)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range answers {
		name := r.Anchor
		if r.Err != nil {
			name = r.Err.Name
		}
		got = append(got, name)
	}
	want := "[invalid-dn anchor of CN=a no-export-to-this-object-type anchor of CN=c duplicate-anchor invalid-dn]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if err := out.Close(t.Context(), agent.Completed); err != nil {
		t.Error(err)
	}
}
