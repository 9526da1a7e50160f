package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// SampleOptions say which objects to synchronize as samples, and how.
type SampleOptions struct {
	PerAgent int // how many objects of each connector space; 0 is 100

	// Orders are called one after another with the number of samples, and return
	// their indexes in the order in which they are to be synchronized.
	Orders []func(n int) []int

	// Next is called before each of them with the name of the object, as
	// AGENT/KEY. first says that an order begins. May be nil.
	Next func(object string, first bool)
}

// A pick is a connector-space object.
type pick struct {
	agent, name string
	id          identity.ID
}

// Samples synchronizes stored objects fully by a definition, each as if it were the
// only one, and throws away what comes of it. They are spread evenly over each
// connector space. It returns how many there are.
//
// It is for functions that watch what they are asked: errors on objects are none here.
func (e *Engine) Samples(ctx context.Context, d Definition, functions rules.Functions, o SampleOptions) (n int, err error) {
	env, _, err := e.compile(ctx, d, functions)
	if err != nil {
		return 0, err
	}
	err = e.space.Rehearse(env.named(), env.indexes(), func(_, tx *space.Tx) error {
		var samples []pick
		for _, agent := range env.order {
			some, err := samplesOf(env, tx, agent, cmp.Or(o.PerAgent, 100))
			if err != nil {
				return err
			}
			samples = append(samples, some...)
		}
		n = len(samples)
		for _, order := range o.Orders {
			for i, index := range order(n) {
				if err := ctx.Err(); err != nil {
					return err
				}
				s := samples[index]
				if o.Next != nil {
					o.Next(s.name, i == 0)
				}
				if err := e.trySample(ctx, env, tx, s); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("synchronize samples: %w", err)
	}
	return n, nil
}

func samplesOf(env *environment, tx *space.Tx, agent string, most int) ([]pick, error) {
	const page = 1000
	var ids []identity.ID
	for after := identity.ID(0); ; {
		some, err := tx.IDs(agent, after, page)
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
		if len(some) < page {
			break
		}
		after = some[len(some)-1]
	}
	v := &viewer{env: env, tx: tx}
	var samples []pick
	for i := range min(most, len(ids)) {
		c, err := tx.Connector(ids[i*len(ids)/min(most, len(ids))])
		if err != nil {
			return nil, err
		}
		if c == nil || c.State == space.Placeholder {
			continue // it was never imported
		}
		samples = append(samples, pick{agent, agent + "/" + cmp.Or(v.text(c.Anchor), v.text(c.DN), c.ID.String()), c.ID})
	}
	return samples, v.err
}

func (e *Engine) trySample(ctx context.Context, env *environment, tx *space.Tx, s pick) error {
	nested, err := tx.Nested()
	if err != nil {
		return err
	}
	_, err = e.runner.Preview(ctx, &env.Environment, s.agent, nested, func(by *sync.Synchronizer) (sync.Result, error) {
		return by.Connector(nested, s.id, sync.Full)
	})
	return err
}

// Forward, Backward and Shuffled are orders of samples; the last is the same each time.
func Forward(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// Backward is the reverse of [Forward].
func Backward(n int) []int {
	order := Forward(n)
	slices.Reverse(order)
	return order
}

// Shuffled is an order without a pattern, and always the same.
func Shuffled(n int) []int {
	order := Forward(n)
	state := uint64(n)
	for i := range order {
		state = state*6364136223846793005 + 1442695040888963407
		j := i + int(state>>33)%(n-i)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
