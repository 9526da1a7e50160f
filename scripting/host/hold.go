package host

import "sync"

// Hold keeps the generation in use for a unit of work of several calls:
// [Generation.Retire] does not close it before release was called. Releasing it
// again does nothing.
func (g *Generation) Hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holders++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		g.holders--
		last := g.retired && g.holders == 0
		g.mu.Unlock()
		if last {
			g.Close()
		}
	})
}

// Retire closes the generation as soon as nobody holds it: now, as
// [Generation.Close] does, or when the last one lets go of it. Nobody should get
// hold of it any more.
func (g *Generation) Retire() {
	g.mu.Lock()
	g.retired = true
	free := g.holders == 0
	g.mu.Unlock()
	if free {
		g.Close()
	}
}
