package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// The names of what an agent does wrong (sync-engine §2.6).
const (
	crashed  = "stopped-extensible-extension-error" // it panicked
	broken   = "stopped-ma"                         // it broke the contract
	timedOut = "stopped-ma-extension-timeout"       // it did not come back
	occupied = "no-start-ma"                        // an earlier call has not come back
)

// A Keeper guards the agents of one engine. The zero value is ready; it is safe
// for concurrent use.
type Keeper struct {
	Log *slog.Logger // gets the stacks of panics; nil is none

	// Grace is how long a call may take after its context is done; 0 is 10
	// seconds. Then the step ends, and the agent of that name, also one that a new
	// configuration opened, is refused until the call comes back.
	Grace time.Duration

	// AbortTime is how long the close of a stream may take that is given up, 0 is
	// 30 seconds; its context is not that of the step, which may be done.
	AbortTime time.Duration

	mu  sync.Mutex
	out map[string]int // calls that were left behind, by agent
}

func (k *Keeper) grace() time.Duration { return orElse(k.Grace, 10*time.Second) }

func (k *Keeper) abortTime() time.Duration { return orElse(k.AbortTime, 30*time.Second) }

func orElse(d, usual time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return usual
}

// Wrap returns an agent that does what a does as long as a keeps to the
// contract. It implements agent.Importer and agent.Exporter if a does.
func (k *Keeper) Wrap(name string, a agent.Agent) agent.Agent {
	c := &keptAgent{keeper: k, name: name, inner: a}
	asked := make(chan error, 1)
	go k.protect(name, "Capabilities", func() error {
		c.capabilities = a.Capabilities()
		return nil
	}, func(err error) { asked <- err })
	c.broken = <-asked
	in, imports := a.(agent.Importer)
	out, exports := a.(agent.Exporter)
	switch {
	case imports && exports:
		return struct {
			*keptAgent
			importer
			exporter
		}{c, importer{c, in}, exporter{c, out}}
	case imports:
		return struct {
			*keptAgent
			importer
		}{c, importer{c, in}}
	case exports:
		return struct {
			*keptAgent
			exporter
		}{c, exporter{c, out}}
	}
	return c
}

// A keptAgent is an agent behind its guard.
type keptAgent struct {
	keeper       *Keeper
	name         string
	inner        agent.Agent
	capabilities agent.Capabilities
	broken       error // its capabilities could not be asked for
}

// Capabilities implements agent.Agent: what the agent said when it was wrapped.
func (a *keptAgent) Capabilities() agent.Capabilities { return a.capabilities }

// Schema implements agent.Agent. What it returns is sound, and the caller's own.
func (a *keptAgent) Schema(ctx context.Context) (identity.Schema, error) {
	var schema identity.Schema
	if err := a.start(); err != nil {
		return schema, err
	}
	var answer identity.Schema
	err := a.call(ctx, "Schema", func() (err error) {
		answer, err = a.inner.Schema(ctx)
		return err
	}, nil)
	if err != nil {
		return schema, err
	}
	if err := checkSchema(answer); err != nil {
		err.Agent = a.name
		return schema, err
	}
	return ownSchema(answer), nil
}

// start refuses an agent that cannot be called.
func (a *keptAgent) start() error {
	a.keeper.mu.Lock()
	defer a.keeper.mu.Unlock()
	if n := a.keeper.out[a.name]; n > 0 {
		err := fault.New(occupied, "the agent is still busy with a call of a run that was ended")
		err.Hint = "restart metasync if the agent does not come back by itself"
		return err
	}
	return a.broken
}

// call makes a call of the agent. It returns when the call does, or when the
// grace time after the end of its context has passed. In the second case after is
// called when the call comes back, as the last thing that is done with the agent
// before it may be called again; fn must not touch what its caller looks at then.
func (a *keptAgent) call(ctx context.Context, method string, fn func() error, after func()) error {
	done := make(chan error, 1)
	go a.keeper.protect(a.name, method, fn, func(err error) { done <- err })
	select {
	case err := <-done:
		return a.named(ctx, method, err)
	case <-ctx.Done():
	}
	grace := time.NewTimer(a.keeper.grace())
	defer grace.Stop()
	select {
	case err := <-done:
		return a.named(ctx, method, err)
	case <-grace.C:
	}
	a.keeper.leave(a.name, 1)
	go func() {
		<-done
		a.keeper.protect(a.name, method, func() error {
			if after != nil {
				after()
			}
			return nil
		}, func(error) { a.keeper.leave(a.name, -1) }) // nobody is left to be told of the error
	}()
	return &fault.Error{
		Name: timedOut, Agent: a.name, Err: errLeft,
		Text: fmt.Sprintf("%s did not come back within %v after it was told to", method, a.keeper.grace()),
	}
}

// errLeft is wrapped by the error of a call that was left behind.
var errLeft = errors.New("the call was left behind")

func (k *Keeper) leave(name string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.out == nil {
		k.out = map[string]int{}
	}
	k.out[name] += n
}

// protect calls fn, and then end with its error, in any case: also if fn panics,
// or ends its goroutine. The stack of a panic goes to the log.
func (k *Keeper) protect(name, method string, fn func() error, end func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			reason := recover()
			if reason == nil {
				reason = "it ended its goroutine"
			}
			if k.Log != nil {
				k.Log.Error("agent panicked", "agent", name, "method", method, "err", fmt.Sprint(reason), "stack", string(debug.Stack()))
			}
			err = fault.New(crashed, "the agent panicked in %s: %v", method, reason)
		}
		end(err)
	}()
	err = fn()
	returned = true
}

// reserved are results that only the engine can know.
var reserved = map[string]bool{
	"stopped-deletion-limit": true, "stopped-object-limit": true, "stopped-error-limit": true, "stopped-service-shutdown": true,
}

// named makes sure that the name of an error is one that a step may have as its
// result: an agent must not call its failure a success.
func (a *keptAgent) named(ctx context.Context, method string, err error) error {
	if err == nil || errors.Is(err, io.EOF) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	name := fault.Name(err)
	stops := strings.HasPrefix(name, "stopped-") || strings.HasPrefix(name, "no-start-") || name == "missing-partition-for-run-step"
	if stops && !reserved[name] {
		return err
	}
	return &fault.Error{Name: broken, Text: method + " failed", Agent: a.name, Err: err}
}

func (a *keptAgent) violation(format string, args ...any) *fault.Error {
	err := fault.New(broken, "the agent breaks its contract: "+format, args...)
	err.Agent = a.name
	return err
}

// aborting returns a context for the close of a stream that is given up.
func (a *keptAgent) aborting(ctx context.Context, outcome agent.Outcome) (context.Context, context.CancelFunc) {
	if outcome == agent.Completed {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.keeper.abortTime())
}
