package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/scripting"
)

// An IsolationQuery says which scripts to look at, and on how many objects.
type IsolationQuery struct {
	File   string `json:"file"`   // the absolute path of the configuration
	Sample int    `json:"sample"` // objects of each connector space
}

// An Isolation tells which rule functions of scripts depend on what earlier calls
// left behind. Its JSON form is the public one.
type Isolation struct {
	Objects   int                   `json:"objects"`   // that were synchronized, and thrown away
	Calls     int                   `json:"calls"`     // that were compared
	Uncalled  []string              `json:"uncalled"`  // functions of which nothing is known
	Dependent []scripting.Dependent `json:"dependent"` // functions
}

// Isolate synchronizes samples of the stored objects, throws away what comes of it,
// and compares what the rule functions of a configuration's scripts answer in fresh
// scripts with what they answer in scripts that were called before, in several
// orders of the objects. The error is [store.ErrLocked] if another process is at work
// on the state: ask that.
func Isolate(ctx context.Context, o Options, q IsolationQuery) (_ *Isolation, err error) {
	o = o.withDefaults()
	o.File = q.File
	c, err := assemble(ctx, o, fromFolder)
	if err != nil {
		return nil, err
	}
	defer c.scripts.Close()
	state, inUse, unreadable := existingState(c.config.State, o.Log)
	defer func() { err = errors.Join(err, state.Close()) }()
	switch {
	case inUse:
		return nil, store.ErrLocked
	case unreadable != nil:
		return nil, unreadable
	}
	e, err := engine.Open(engine.Options{State: state, History: store.NewMemory()})
	if err != nil {
		return nil, err
	}
	return c.isolate(ctx, e, q.Sample)
}

// Isolate does on the objects of this daemon what [Isolate] does.
func (d *Daemon) Isolate(ctx context.Context, q IsolationQuery) (*Isolation, error) {
	o := d.options
	o.File = q.File
	c, err := assemble(ctx, o, fromFolder)
	if err != nil {
		return nil, placed(err, filepath.Dir(q.File))
	}
	defer c.scripts.Close()
	return c.isolate(ctx, d.engine, q.Sample)
}

func (c *candidate) isolate(ctx context.Context, e *engine.Engine, sample int) (*Isolation, error) {
	watch := c.scripts.Isolate()
	defer watch.Close()
	passes := 0
	objects, err := e.Samples(ctx, c.definition, watch.Rules(), engine.SampleOptions{
		PerAgent: sample,
		Orders:   []func(int) []int{engine.Forward, engine.Backward, engine.Shuffled},
		Next: func(object string, first bool) {
			if first {
				passes++
			}
			// The second pass goes on with what the first left behind.
			watch.Next(object, first && passes != 2)
		},
	})
	if err != nil {
		return nil, redactedError(err, c.config.Secrets)
	}
	out := &Isolation{Objects: objects, Dependent: watch.Dependents()}
	out.Calls, out.Uncalled = watch.Calls()
	for i := range out.Dependent {
		d := &out.Dependent[i]
		d.Object = config.Redact(c.config.Secrets, d.Object)
		d.Fresh, d.Used = config.Redact(c.config.Secrets, d.Fresh), config.Redact(c.config.Secrets, d.Used)
	}
	return out, nil
}
