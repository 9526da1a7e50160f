package scripting

import (
	"context"
	"slices"
	"strconv"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

// A scriptExport is an export that a script carries out, batch by batch.
type scriptExport struct {
	agent   *scriptAgent
	calls   caller
	release func()
	state   systemCall
	opened  bool // the script's open has returned
}

// OpenExport implements [agent.Exporter].
func (s exporting) OpenExport(ctx context.Context, req agent.ExportRequest) (agent.Export, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := &scriptExport{agent: s.scriptAgent, state: systemCall{
		run: hookExport, partition: req.Partition, schema: req.Schema, full: req.Full,
	}}
	x.calls, x.release = s.apart()
	var err error
	if x.state.session, x.opened, err = s.openSession(ctx, x.calls, x.state); err != nil {
		x.release()
		return nil, err
	}
	return x, nil
}

// Put implements [agent.Export]: the script gets the changes in batches. A call that
// fails ends the export; nobody knows what became of the changes in it.
func (x *scriptExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results := make([]agent.Result, len(changes))
	for start := 0; start < len(changes); start += x.agent.spec.Batch {
		end := min(start+x.agent.spec.Batch, len(changes))
		if err := x.batch(ctx, changes[start:end], results[start:end]); err != nil {
			return nil, err
		}
		stop := slices.IndexFunc(results[start:end], func(r agent.Result) bool { return r.Action == agent.StopRun })
		if stop >= 0 {
			return results[:start+stop+1], nil
		}
	}
	return results, nil
}

// batch has the script carry out changes, those that the schema admits.
func (x *scriptExport) batch(ctx context.Context, changes []agent.Change, results []agent.Result) error {
	var sent []int
	for i := range changes {
		if results[i].Err = x.refusal(&changes[i]); results[i].Err == nil {
			sent = append(sent, i)
		}
	}
	if len(sent) == 0 {
		return nil
	}
	c := x.state
	return x.agent.call(ctx, x.calls, &c, hookExport, func(a *host.Active) ([]goja.Value, error) {
		list := make([]any, len(sent))
		for i, at := range sent {
			shown, err := x.shown(a, &changes[at])
			if err != nil {
				return nil, err
			}
			list[i] = shown
		}
		return []goja.Value{a.Runtime().NewArray(list...)}, nil
	}, func(a *host.Active, v goja.Value) error {
		list, ok := v.(*goja.Object)
		if !ok || list.ClassName() != "Array" {
			e := unexpected("%s as the results of %d changes", a.Describe(v), len(sent))
			e.Hint = "export returns an array with a result for each change, in their order"
			return e
		}
		if n := list.Get("length").ToInteger(); n > int64(len(sent)) {
			return unexpected("%d results for %d changes", n, len(sent))
		}
		for i, at := range sent {
			results[at] = x.result(a, list.Get(strconv.Itoa(i)))
			if err := results[at].Err; err != nil && stopsStep(err.Name) {
				return err
			}
		}
		return nil
	})
}

// refusal returns why the system cannot be sent a change (sync-engine §2.8).
func (x *scriptExport) refusal(c *agent.Change) *fault.Error {
	t := x.state.schema.Type(c.ObjectType)
	if t == nil {
		return fault.New("no-export-to-this-object-type", "the system has no object type %q", c.ObjectType)
	}
	for i := range c.Changes {
		switch a := t.Attribute(c.Changes[i].Name); {
		case a == nil:
			err := fault.New("schema-violation", "the schema has no such attribute")
			err.Attribute = c.Changes[i].Name
			return err
		case a.ImportOnly:
			err := fault.New("readonly-attribute", "the attribute cannot be written, according to the schema")
			err.Attribute = a.Name
			return err
		}
	}
	return nil
}

// shown is a change as scripts see it: a plain object.
func (x *scriptExport) shown(a *host.Active, c *agent.Change) (goja.Value, error) {
	t := x.state.schema.Type(c.ObjectType)
	attributes := make(map[string]any, len(c.Changes))
	for i := range c.Changes {
		change := &c.Changes[i]
		multi := t.Attribute(change.Name).Multi
		switch change.Op {
		case identity.Delete:
			attributes[change.Name] = nil
		case identity.Update:
			added, err := shownValues(a, change.Values, true)
			if err != nil {
				return nil, err
			}
			removed, err := shownValues(a, change.Removed, true)
			if err != nil {
				return nil, err
			}
			attributes[change.Name] = map[string]any{"add": added, "remove": removed}
		default:
			v, err := shownValues(a, change.Values, multi)
			if err != nil {
				return nil, err
			}
			attributes[change.Name] = v
		}
	}
	shown := map[string]any{"op": c.Op.String(), "object": c.ObjectType, "dn": c.DN, "attributes": attributes}
	for name, text := range map[string]string{"anchor": c.Anchor, "newDN": c.NewDN} {
		if text != "" {
			shown[name] = text
		}
	}
	for name, on := range map[string]bool{"repeated": c.Repeated, "newObject": c.NewObject, "namePassed": c.NamePassed} {
		if on {
			shown[name] = true
		}
	}
	return a.ToScript(shown)
}

// shownValues are values of an attribute: an array if it may have several.
func shownValues(a *host.Active, values []identity.Value, multi bool) (any, error) {
	if !multi && len(values) == 1 {
		return singleToScript(a, values[0])
	}
	items := make([]any, len(values))
	for i, value := range values {
		v, err := singleToScript(a, value)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return items, nil
}

// The actions that a script may answer with, in the order of their constants.
var exportActions = []string{"none", "retry-references", "convert-update-to-add", "convert-add-to-update", "provision-parent", "stop-run"}

// result reads the result of one change. What does not say that it succeeded has not.
func (x *scriptExport) result(a *host.Active, v goja.Value) agent.Result {
	const usual, silent = "cd-error", "cd-connectivity-error"
	v, err := a.Settled(v)
	if err != nil {
		return agent.Result{Err: x.agent.objectError(fault.As(err, usual), usual, silent)}
	}
	obj, isObject := v.(*goja.Object)
	switch {
	case exported(v) == true:
		return agent.Result{}
	case isObject && obj.ClassName() == "Error":
		return agent.Result{Err: x.agent.readError(a, v, usual, silent)}
	case !isObject || obj.ClassName() != "Object":
		e := fault.New("unexpected-error", "the script returned %s as the result of this change", a.Describe(v))
		e.Hint = "return true, {anchor, dn} or {error} for each change"
		return agent.Result{Err: x.agent.placed(e)}
	}
	o := readOptions("the result", v, "anchor", "dn", "error", "action", "refused")
	reader := &entryReader{agent: x.agent, a: a, e: &agent.Entry{}, t: &identity.ObjectType{}}
	r := agent.Result{Anchor: reader.anchor(o.fields["anchor"]), DN: o.optional("dn")}
	r.Action = agent.Action(o.choiceIndex("action", exportActions...))
	refused, problem := readNames("refused", o.fields["refused"])
	o.fail(problem)
	r.Refused = refused
	if !nothing(o.fields["error"]) {
		r.Err = x.agent.readError(a, o.fields["error"], usual, silent)
	}
	if o.fail(reader.e.Err); o.err != nil {
		e := *o.err
		e.Name = "unexpected-error"
		return agent.Result{Err: x.agent.placed(&e)}
	}
	return r
}

// Close implements [agent.Export].
func (x *scriptExport) Close(ctx context.Context, outcome agent.Outcome) error {
	defer x.release()
	if !x.opened {
		return nil
	}
	x.opened = false
	return x.agent.closeSession(ctx, x.calls, x.state, outcome)
}
