package store

import "sync"

// A gate lets transactions in until it is closed, and knows when the last one
// has left.
type gate struct {
	mu      sync.RWMutex
	closed  bool
	running sync.WaitGroup
}

// enter begins a transaction, or returns [ErrClosed]. After nil, leave must be
// called.
func (g *gate) enter() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return ErrClosed
	}
	g.running.Add(1)
	return nil
}

func (g *gate) leave() { g.running.Done() }

// close keeps new transactions out and waits for the running ones. Only the
// first call returns nil; others return [ErrClosed] without waiting.
func (g *gate) close() error {
	g.mu.Lock()
	closed := g.closed
	g.closed = true
	g.mu.Unlock()
	if closed {
		return ErrClosed
	}
	g.running.Wait()
	return nil
}
