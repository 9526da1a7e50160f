package scripting

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// A scriptAgent is a management agent whose functions a script has registered. It
// holds the generation that it was opened with.
type scriptAgent struct {
	generation *Generation
	r          *host.Registration
	spec       *agentTypeSpec
	name       string
	objects    []agent.Object
	timeout    time.Duration
	settings   map[string]any
	secrets    map[string]bool // the settings that scripts must not see

	test *agentTest // nil outside of tests
}

// importing and exporting are what an agent has if its script has the function.
type (
	importing struct{ *scriptAgent }
	exporting struct{ *scriptAgent }
)

// capable returns the agent as one that can do what its script can.
func (s *scriptAgent) capable() agent.Agent {
	switch in, out := s.spec.has(hookImport), s.spec.has(hookExport); {
	case in && out:
		return struct {
			*scriptAgent
			agent.Importer
			agent.Exporter
		}{s, importing{s}, exporting{s}}
	case in:
		return struct {
			*scriptAgent
			agent.Importer
		}{s, importing{s}}
	}
	return struct {
		*scriptAgent
		agent.Exporter
	}{s, exporting{s}}
}

// Capabilities implements [agent.Agent].
func (s *scriptAgent) Capabilities() agent.Capabilities { return s.spec.Capabilities }

// Schema implements [agent.Agent].
func (s *scriptAgent) Schema(ctx context.Context) (identity.Schema, error) {
	if err := ctx.Err(); err != nil {
		return identity.Schema{}, err
	}
	if s.spec.Schema != nil {
		return s.completed(*s.spec.Schema)
	}
	var schema identity.Schema
	err := s.once(ctx, &systemCall{run: hookSchema}, hookSchema, nil, func(_ *host.Active, v goja.Value) error {
		var err *fault.Error
		if schema, err = readSchema(v); err != nil {
			return wrongAnswer(err)
		}
		return nil
	})
	if err != nil {
		return identity.Schema{}, err
	}
	return s.completed(schema)
}

// Partitions implements [agent.Partitioner].
func (s *scriptAgent) Partitions(ctx context.Context) ([]agent.Partition, error) {
	if !s.spec.has(hookPartitions) {
		return s.spec.Partitions, ctx.Err()
	}
	var list []agent.Partition
	err := s.once(ctx, &systemCall{run: hookPartitions}, hookPartitions, nil, func(_ *host.Active, v goja.Value) error {
		var err *fault.Error
		if list, err = readPartitions(v); err != nil {
			return wrongAnswer(err)
		}
		return nil
	})
	return list, err
}

// ReadObject implements [agent.ObjectReader]: null says that the object is gone,
// and undefined that it was not found.
func (s *scriptAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	page.Reset()
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.spec.has(hookRead) {
		return errors.ErrUnsupported
	}
	check := agent.ImportRequest{Required: req.Required}
	if err := check.Check(req.Schema); err != nil {
		return err
	}
	c := &systemCall{run: hookRead, partition: req.Partition, schema: req.Schema, full: true}
	key := func(a *host.Active) ([]goja.Value, error) {
		given := map[string]any{}
		for name, text := range map[string]string{"object": req.ObjectType, "anchor": req.Anchor, "dn": req.DN} {
			if text != "" {
				given[name] = text
			}
		}
		v, err := a.ToScript(given)
		return []goja.Value{v}, err
	}
	return s.once(ctx, c, hookRead, key, func(a *host.Active, v goja.Value) error {
		switch {
		case v == nil || goja.IsUndefined(v):
			return fault.New("cd-missing-object", "the script did not find the object")
		case goja.IsNull(v):
			return nil
		}
		e := page.Add()
		*e = s.entry(a, req.Schema, v)
		if e.Err == nil && e.Op != identity.Add {
			page.Reset()
			return unexpected("a change where a complete object was asked for")
		}
		return nil
	})
}

var (
	_ agent.Agent        = (*scriptAgent)(nil)
	_ agent.Partitioner  = (*scriptAgent)(nil)
	_ agent.ObjectReader = (*scriptAgent)(nil)
)

// A caller makes calls of scripts: a generation, or a worker apart.
type caller interface {
	Do(ctx context.Context, c host.Call, body func(*host.Active) error) error
}

// apart returns what makes the calls of one import or export, and what ends its use.
// Other workers stay free for rules, however long the system takes to answer.
func (s *scriptAgent) apart() (w caller, release func()) {
	if s.test != nil {
		return s.generation.host, func() {}
	}
	apart := s.generation.host.Apart()
	return apart, apart.Close
}

// once makes a call that stands alone.
func (s *scriptAgent) once(ctx context.Context, c *systemCall, hook string, args func(*host.Active) ([]goja.Value, error), read func(*host.Active, goja.Value) error) error {
	w, release := s.apart()
	defer release()
	return s.call(ctx, w, c, hook, args, read)
}

// call calls a function of the script with the context and further arguments, and
// has its answer read. The error is that of a step, see stepError.
func (s *scriptAgent) call(ctx context.Context, w caller, c *systemCall, hook string, args func(*host.Active) ([]goja.Value, error), read func(*host.Active, goja.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.agent = s
	call := host.Call{
		Of: s.r, Timeout: s.timeout, Data: c, Outside: true,
		Log: []slog.Attr{slog.String("agentType", s.r.Name), slog.String("agent", s.name)},
	}
	if s.test != nil {
		call.Now, call.Env = s.test.now, s.test.env
	}
	err := w.Do(ctx, call, func(a *host.Active) error {
		values := []goja.Value{a.Object(agentContext)}
		if args != nil {
			more, err := args(a)
			if err != nil {
				return err
			}
			values = append(values, more...)
		}
		result, err := a.Invoke(hook, values...)
		if err != nil {
			return err
		}
		return a.Guard(func() error { return read(a, result) })
	})
	return s.stepError(ctx, err)
}

// An agentFailure is what an AgentError says beside its message.
type agentFailure struct{ name, attribute string }

func (e *agentFailure) Error() string { return "an error of an agent" }

// Is reports whether an error is of the class.
func (e *agentFailure) Is(target error) bool {
	_, ok := target.(*agentFailure)
	return ok
}

// agentErrorClass is how the functions of an agent name what went wrong.
var agentErrorClass = host.ErrorClass{
	Name: "AgentError", Options: "{ name?: ErrorName; attribute?: string }",
	Doc: "Thrown by a function of an agent type, it stops the step under its name, such as stopped-bad-server-credentials;\n" +
		"stopped-connectivity if it has none. Given in place of a result, or as the error of an object, it is the error of that\n" +
		"object alone, such as cd-existing-object, unless the name is that of a step.",
	Err: func(options any) error {
		e := &agentFailure{}
		fields, _ := options.(map[string]any)
		e.name, _ = fields["name"].(string)
		e.attribute, _ = fields["attribute"].(string)
		return e
	},
}

// stepNames are the results of a step for what can go wrong in a call
// (sync-engine §2.6).
var stepNames = map[string]string{
	"extension-dll-exception": "stopped-extension-dll-exception",
	"extension-dll-timeout":   "stopped-ma-extension-timeout",
	"extension-dll-crash":     "stopped-extensible-extension-error",
	host.NameUnexpectedValue:  "stopped-unexpected-data",
	host.NameNotAllowed:       "stopped-bad-ma-configuration",
}

const noConnection = "stopped-connectivity"

// stepError names what a call ended with as the result of a step (sync-engine §2.6):
// what an AgentError says; stopped-connectivity for a request without an answer.
func (s *scriptAgent) stepError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	out := *fault.As(err, "extension-dll-exception")
	var said *agentFailure
	switch {
	case errors.As(err, &said):
		out.Name, out.Attribute, out.Err = noConnection, said.attribute, nil
		if stopsStep(said.name) {
			out.Name = said.name
		}
	case errors.Is(err, modules.ErrNoAnswer):
		out.Name = noConnection
	case errors.Is(err, rules.ErrTerminateRun):
		out.Name = "stopped-user-termination-from-extension"
	case stepNames[out.Name] != "":
		out.Name = stepNames[out.Name]
	}
	out.Agent = s.name
	if out.Position.IsZero() {
		out.Position = s.r.Position
	}
	return &out
}

// stopsStep reports whether an error has the name of a result with which a step ends
// (sync-engine §2.6), so that it is never the error of one object.
func stopsStep(name string) bool {
	return strings.HasPrefix(name, "stopped-") || strings.HasPrefix(name, "no-start-")
}

var errorNamePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)

// objectError makes what a script threw the error of one object: usual is its name
// unless the script gives one, or there was no connection.
func (s *scriptAgent) objectError(thrown *fault.Error, usual, silent string) *fault.Error {
	out := *thrown
	out.Name = usual
	var said *agentFailure
	switch {
	case errors.As(thrown, &said):
		out.Attribute, out.Err = said.attribute, nil
		if errorNamePattern.MatchString(said.name) {
			out.Name = said.name
		}
	case errors.Is(thrown, modules.ErrNoAnswer):
		out.Name = silent
	}
	return s.placed(&out)
}

// placed gives an error about an object its place, that of the registration.
func (s *scriptAgent) placed(err *fault.Error) *fault.Error {
	if err.Position.IsZero() {
		err.Position = s.r.Position
	}
	return err
}

// wrongAnswer is the error about an answer that cannot be used.
func wrongAnswer(err *fault.Error) error {
	e := unexpected("something else than expected: %s", err.Detail())
	e.Hint = err.Hint
	return e
}
