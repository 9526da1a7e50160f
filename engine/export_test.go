package engine

import (
	"github.com/metasync/metasync/engine/agent/guard"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Space gives tests the objects themselves.
func (e *Engine) Space() *space.Space { return e.space }

// Guard gives tests the guard of the agents, to make it impatient.
func (e *Engine) Guard() *guard.Keeper { return e.guard }

// SetBatch has everything done in batches of n objects.
func (e *Engine) SetBatch(n int) { e.runner.SetBatch(n) }

// Rules gives tests the rules in force.
func (e *Engine) Rules() *rules.Set { return e.current.Load().Rules }
