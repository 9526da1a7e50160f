package ldif

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/metasync/metasync/agents/internal/wholefile"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A dropAgent writes change records into a file for somebody else to apply. It reads
// nothing, so everything that it was given counts as done.
type dropAgent struct{ inner *ldifAgent }

var (
	_ agent.Agent    = (*dropAgent)(nil)
	_ agent.Importer = (*dropAgent)(nil)
	_ agent.Exporter = (*dropAgent)(nil)
)

// OpenImport implements agent.Importer: there is nothing to read, and nothing can be
// concluded from that.
func (d *dropAgent) OpenImport(ctx context.Context, req agent.ImportRequest) (agent.Import, error) {
	schema, err := d.Schema(ctx)
	if err != nil {
		return nil, err
	}
	if err := req.Check(schema); err != nil {
		return nil, err
	}
	return absentImport{}, nil
}

// Capabilities implements agent.Agent. Whoever applies the changes renames what is below
// a container with it.
func (d *dropAgent) Capabilities() agent.Capabilities {
	return agent.Capabilities{
		AnchorIsDN: !d.inner.anchored, LDAPNames: true, AllOrNothing: true, Confirmation: agent.NoConfirmation,
	}
}

// Schema implements agent.Agent.
func (d *dropAgent) Schema(ctx context.Context) (identity.Schema, error) { return d.inner.Schema(ctx) }

// OpenExport implements agent.Exporter: it copies what is in the file into a new one, to
// which changes are appended. Somebody may have taken the file away: then the new one
// begins with them.
func (d *dropAgent) OpenExport(ctx context.Context, _ agent.ExportRequest) (agent.Export, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := &dropExport{agent: d.inner}
	if err := x.open(); err != nil {
		return nil, errors.Join(err, x.discard())
	}
	return x, nil
}

// A dropExport is a new file; Close puts it in the place of the old one.
type dropExport struct {
	agent   *ldifAgent
	old     fs.FileInfo            // nil if there is no file
	file    *wholefile.Replacement // nil once it was put in place or discarded
	out     *bufio.Writer
	written bool
	closed  bool
	buf     []byte
}

func (x *dropExport) open() error {
	a := x.agent
	f, err := a.open(a.drop)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f != nil {
		defer f.Close()
		if x.old, err = f.Stat(); err != nil {
			return a.openFault(a.drop, err)
		}
	}
	if x.file, err = a.disk(a.drop).Begin(x.old); err != nil {
		return a.openFault(a.drop, err)
	}
	x.out = bufio.NewWriterSize(x.file, bufferSize)
	if x.old == nil {
		x.out.WriteString("version: 1\n\n")
		return nil
	}
	s, r := newScanner(a.drop, f), new(record)
	for {
		more, err := s.next(r)
		if err != nil {
			return a.named(a.drop, err)
		}
		x.out.Write(r.raw)
		if more {
			if _, err := s.change(r); err != nil {
				return a.named(a.drop, err)
			}
			continue
		}
		return nil
	}
}

func (x *dropExport) Put(ctx context.Context, changes []agent.Change) ([]agent.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if x.closed {
		return nil, x.agent.fileFault(x.agent.drop, "stopped-export-write", fs.ErrClosed)
	}
	results := make([]agent.Result, len(changes))
	for i := range changes {
		result, err := x.put(&changes[i])
		if err != nil {
			err.Agent, err.Object = x.agent.name, changes[i].DN
			result = agent.Result{Err: err}
		}
		results[i] = result
	}
	return results, nil
}

func (x *dropExport) put(c *agent.Change) (agent.Result, *fault.Error) {
	a := x.agent
	typ := a.typeNamed(c.ObjectType)
	if typ < 0 {
		return agent.Result{}, fault.New("no-export-to-this-object-type", "there is no object type %q", c.ObjectType)
	}
	t := a.types[typ]
	delta, err := t.check(c)
	if err != nil {
		return agent.Result{}, err
	}
	dn, err := nameOf(c.DN)
	if err != nil {
		return agent.Result{}, err
	}
	x.buf = appendLine(x.buf[:0], "dn", dn.String(), "\n")
	result := agent.Result{Anchor: c.Anchor}
	switch c.Op {
	case identity.Add:
		if result.Anchor, err = a.newAnchor(t, c, dn); err != nil {
			return agent.Result{}, err
		}
		x.buf = append(x.buf, "changetype: add\n"...)
		for _, l := range t.newLines(dn.String(), delta, result.Anchor) {
			x.buf = appendLine(x.buf, l.desc, l.value, "\n")
		}
		x.end()
	case identity.Delete:
		x.buf = append(x.buf, "changetype: delete\n"...)
		x.end()
		return agent.Result{}, nil
	case identity.Update:
		if err := a.checkAnchor(t, c); err != nil {
			return agent.Result{}, err
		}
		to := dn
		if c.NewDN != "" {
			if to, err = nameOf(c.NewDN); err != nil {
				return agent.Result{}, err
			}
		}
		x.rename(dn, to)
		x.modify(to, delta)
		dn = to
	default:
		return agent.Result{}, fault.New("unexpected-error", "a change cannot be of kind %q", c.Op)
	}
	if !a.anchored {
		result.Anchor, result.DN = dn.String(), dn.String()
	}
	return result, nil
}

// end writes the record that was gathered.
func (x *dropExport) end() {
	x.out.Write(append(x.buf, '\n')) // errors show when it is flushed
	x.written = true
}

// rename writes the record of a rename, if there is one.
func (x *dropExport) rename(from, to identity.DN) {
	if from.String() == to.String() {
		return
	}
	x.buf = append(x.buf, "changetype: modrdn\n"...)
	x.buf = appendLine(x.buf, "newrdn", to[0].String(), "\n")
	x.buf = append(x.buf, "deleteoldrdn: 1\n"...)
	if from.Parent().Fold() != to.Parent().Fold() {
		x.buf = appendLine(x.buf, "newsuperior", to.Parent().String(), "\n")
	}
	x.end()
}

// modify writes the record of changed attributes, if there are any.
func (x *dropExport) modify(dn identity.DN, delta *identity.Delta) {
	if len(delta.Changes) == 0 {
		return
	}
	x.buf = appendLine(x.buf[:0], "dn", dn.String(), "\n")
	x.buf = append(x.buf, "changetype: modify\n"...)
	for i := range delta.Changes {
		change := &delta.Changes[i]
		name := change.Name
		if transferred[name] {
			name += ";binary"
		}
		list := func(op string, values []identity.Value) {
			x.buf = appendLine(x.buf, op, name, "\n")
			for _, v := range values {
				x.buf = appendLine(x.buf, name, textOf(v), "\n")
			}
			x.buf = append(x.buf, "-\n"...)
		}
		switch {
		case change.Op != identity.Update:
			list("replace", change.Values)
		default:
			if len(change.Removed) > 0 {
				list("delete", change.Removed)
			}
			if len(change.Values) > 0 {
				list("add", change.Values)
			}
		}
	}
	x.end()
}

func (x *dropExport) Close(_ context.Context, outcome agent.Outcome) error {
	if x.closed {
		return nil
	}
	x.closed = true
	if outcome != agent.Completed || !x.written {
		return x.agent.writeFault(x.agent.drop, x.discard())
	}
	if err := x.out.Flush(); err != nil {
		return x.agent.writeFault(x.agent.drop, errors.Join(err, x.discard()))
	}
	_, err := x.file.Commit(x.unmoved)
	x.file = nil
	return x.agent.writeFault(x.agent.drop, err)
}

// unmoved checks that nobody took the file away, or wrote to it, meanwhile.
func (x *dropExport) unmoved() error {
	f, err := os.Open(x.agent.drop)
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.old == nil:
		return nil
	case err != nil:
		return err
	case x.old == nil:
		return errors.Join(errors.New("somebody else has created the file meanwhile"), f.Close())
	}
	return errors.Join(x.agent.disk(x.agent.drop).Unmoved(f, x.old), f.Close())
}

// discard leaves no new file.
func (x *dropExport) discard() error {
	if x.file == nil {
		return nil
	}
	err := x.file.Discard()
	x.file = nil
	return err
}
