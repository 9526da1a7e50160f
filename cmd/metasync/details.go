package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine"
)

// printDetail prints an object behind a counter, and what happened to it.
func (a *app) printDetail(v engine.DetailView) error {
	title := v.DN
	if title == "" {
		title = v.Anchor
	}
	id := "-"
	if v.ID != nil {
		id = v.ID.String()
	}
	t := newTable(a.stdout)
	t.row(fmt.Sprintf("%s %s %s", v.Agent, v.Object, title))
	t.row("  id", id)
	if v.Anchor != "" && v.Anchor != title {
		t.row("  anchor", v.Anchor)
	}
	if v.Operation != "" {
		t.row("  operation", v.Operation)
	}
	if v.NewDN != "" {
		t.row("  new DN", v.NewDN)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Changes)) {
		t.row("    "+name, changeText(v.Changes[name]))
	}
	return t.end()
}
