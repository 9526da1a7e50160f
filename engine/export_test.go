package engine

import "github.com/metasync/metasync/engine/space"

// Space gives tests the objects themselves.
func (e *Engine) Space() *space.Space { return e.space }
