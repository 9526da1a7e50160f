package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Anchors of entries that an export has created. When there are few of them, the server
// tells each along with its answer, or is asked for it. Of many it is asked together, by
// what their names begin with: of 10,000 new entries OpenLDAP tells so in a tenth of a
// second, while telling them along takes it more than three.

const (
	together = 25 // entries that are asked for in one search

	// patience is how long the server may look for them, in seconds: names that it has no
	// index of take it a look at every entry.
	patience = 1
)

// asksTogether reports whether the anchors of what changes create are asked for together.
func (x *export) asksTogether(changes []agent.Change, which []int) bool {
	creations := 0
	for _, index := range which {
		if changes[index].Op == identity.Add {
			creations++
		}
	}
	return creations >= together && !x.d.asksEach.Load()
}

// nameCreated puts the anchors of entries that were created into the results; creation is
// how long one of those took.
func (x *export) nameCreated(ctx context.Context, changes []agent.Change, which []int, results []agent.Result, creation time.Duration) error {
	parts := slices.Collect(slices.Chunk(which, together))
	name := func(ctx context.Context, w *writer, i int) error { return w.nameSome(ctx, changes, parts[i], results) }
	if !x.tried && len(parts) > 0 { // alone, to see whether the server can do that well
		began := time.Now()
		if err := x.each(ctx, 1, name); err != nil {
			return err
		}
		if took := time.Since(began); took > creation*together/3 {
			x.d.asksEach.Store(true)
		}
		x.tried, parts = true, parts[1:]
	}
	return x.each(ctx, len(parts), name)
}

// nameSome does it for entries that are asked for at once.
func (w *writer) nameSome(ctx context.Context, changes []agent.Change, which []int, results []agent.Result) error {
	if !w.d.asksEach.Load() {
		if err := w.search(ctx, changes, which, results); err != nil {
			if !ldapconn.Answered(err) && !errors.Is(err, ldapconn.ErrEntries) {
				return err
			}
			w.d.asksEach.Store(true)
		}
	}
	for _, index := range which {
		if results[index].Anchor != "" {
			continue
		}
		anchor, err := w.anchorAt(ctx, changes[index].DN)
		if err != nil && !ldapconn.Answered(err) {
			return err
		}
		results[index].Anchor = anchor // or the next import brings it
	}
	return nil
}

// search asks for entries in one search for each base.
func (w *writer) search(ctx context.Context, changes []agent.Change, which []int, results []agent.Result) error {
	for b, base := range w.d.bases {
		var filter strings.Builder
		of := map[string]int{} // the index by the name
		for _, index := range which {
			dn, err := identity.ParseDN(changes[index].DN)
			if err != nil || len(dn) == 0 || !IsWithin(dn, base) {
				continue
			}
			of[dn.Fold()] = index
			filter.WriteString("(" + dn[0][0].Type + "=" + ldapconn.EscapeFilter(dn[0][0].Value) + ")")
		}
		if len(of) == 0 {
			continue
		}
		found, err := w.c.Search(ctx, ldapconn.Search{
			Base: w.d.settings.Base[b], Scope: ldapconn.ScopeSub, Filter: "(|" + filter.String() + ")",
			Attributes: []string{w.server.Anchor.Attribute}, Entries: 10 * together, Seconds: patience,
		})
		if err != nil {
			return err
		}
		for i := range found {
			if dn, err := identity.ParseDN(found[i].DN); err == nil {
				if index, ours := of[dn.Fold()]; ours {
					results[index].Anchor = w.server.Anchor.Of(&found[i])
				}
			}
		}
	}
	return nil
}
