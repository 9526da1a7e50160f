package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/engine"
)

type getCmd struct {
	CS getConnectorsCmd `cmd:"" name:"cs" help:"Objects of the connector space of an agent."`
	MV getObjectsCmd    `cmd:"" name:"mv" help:"Objects of the metaverse."`

	Containers getContainersCmd `cmd:"" name:"containers" help:"Containers of the system of an agent, and which are imported."`
}

// where is the flag of commands that search.
type where struct {
	Where []string `sep:"none" placeholder:"CONDITION" help:"Only objects for which 'ATTRIBUTE OPERATOR VALUE' holds; may be repeated. Operators: equals, not-equal, contains, not-contains, starts, ends, present, not-present, and those of scopes."`
}

// limit is the flag of commands that list.
type limit struct {
	Limit *int `placeholder:"N" help:"At most N of them; 0 is all (default: 20, all with --json)."`
}

// unasked is how many people get to see unless they ask for a number.
const unasked = 20

// most returns the greatest number to list.
func (l limit) most(a *app) int {
	switch {
	case l.Limit != nil && *l.Limit > 0:
		return *l.Limit
	case l.Limit != nil || a.JSON:
		return math.MaxInt32
	}
	return unasked
}

// mention tells that there may be more than what was listed.
func (l limit) mention(a *app, listed int) {
	if l.Limit == nil && !a.JSON && listed == unasked {
		fmt.Fprintf(a.stderr, "the first %d; --limit 0 shows all\n", unasked)
	}
}

// list prints objects, one after the other or as one JSON array.
func list[T any](a *app, l limit, views []T, show func(T) error) error {
	if a.JSON {
		return a.printJSON(views)
	}
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := show(v); err != nil {
			return err
		}
	}
	l.mention(a, len(views))
	return nil
}

// A lister prints objects as they come.
type lister[T any] struct {
	app  *app
	show func(T) error
	n    int
}

// print prints one object.
func (l *lister[T]) print(v T) error {
	l.n++
	if !l.app.JSON {
		if l.n > 1 {
			fmt.Fprintln(l.app.stdout)
		}
		return l.show(v)
	}
	before := ",\n  "
	if l.n == 1 {
		before = "[\n  "
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("  ", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(l.app.stdout, before+strings.TrimSuffix(text.String(), "\n"))
	return err
}

// end prints what follows the last one.
func (l *lister[T]) end(most limit) error {
	if !l.app.JSON {
		most.mention(l.app, l.n)
		return nil
	}
	text := "\n]\n"
	if l.n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(l.app.stdout, text)
	return err
}

type getConnectorsCmd struct {
	Agent   string `arg:"" help:"The agent."`
	State   string `placeholder:"STATE" help:"Only objects in this state: connector, explicit-connector, disconnector, explicit-disconnector, filtered-disconnector, placeholder."`
	Pending string `enum:",import,export" default:"" placeholder:"import|export" help:"Only objects with a pending import or export."`
	Error   bool   `help:"Only objects whose last synchronization or export failed."`
	Failure string `placeholder:"ERROR" help:"Only objects whose last synchronization or export failed with this error, such as permission-issue."`
	Key     string `placeholder:"KEY" help:"Only the object with this anchor, DN or id."`
	DN      string `name:"dn" placeholder:"DN" help:"Only the object with this DN."`
	Anchor  string `placeholder:"ANCHOR" help:"Only the object with this anchor."`
	Under   string `placeholder:"DN" help:"Only the object with this DN and what is below it."`
	where
	limit
}

func (c *getConnectorsCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		l := &lister[engine.ConnectorView]{app: a, show: a.printConnector}
		err := service.Connectors(a.ctx, engine.ConnectorQuery{
			Agent: c.Agent, State: c.State, Pending: c.Pending, Error: c.Error, Key: c.Key, DN: c.DN, Anchor: c.Anchor,
			Under: c.Under, Failure: c.Failure, Where: c.Where, Limit: c.most(a),
		}, l.print)
		if err != nil {
			return err
		}
		return l.end(c.limit)
	})
}

func (a *app) printConnector(v engine.ConnectorView) error {
	title := v.Anchor
	if v.DN != "" {
		title = v.DN
	}
	fmt.Fprintf(a.stdout, "%s %s %s\n", v.Agent, v.Object, oneLine(title))
	t := newTable(a.stdout)
	t.row("  id", v.ID)
	t.row("  state", v.State)
	if v.Metaverse != nil {
		t.row("  metaverse", *v.Metaverse)
	}
	for _, rule := range v.Detected {
		t.row("  detected rule", rule)
	}
	if e := v.Error; e != nil {
		t.row("  error", fmt.Sprintf("%s: %s", e.Name, e.Detail))
	}
	if p := v.Parked; p != nil {
		t.row("  parked", fmt.Sprintf("since %s, until %s, after %s", stamp(p.Since), stamp(p.Until), number(p.Count, "export")))
		for i := range p.Attributes {
			t.row("    "+p.Attributes[i].Name, parkedText(&p.Attributes[i]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Attributes)) {
		t.row("    "+name, valuesText(v.Attributes[name]))
	}
	for _, d := range []struct {
		name  string
		delta *engine.DeltaView
	}{{"pending import", v.PendingImport}, {"pending export", v.PendingExport}, {"unconfirmed export", v.Unconfirmed}} {
		if d.delta == nil {
			continue
		}
		t.row("  "+d.name, d.delta.Operation)
		if d.delta.DN != "" {
			t.row("    DN", d.delta.DN)
		}
		for _, name := range slices.Sorted(maps.Keys(d.delta.Changes)) {
			t.row("    "+name, changeText(d.delta.Changes[name]))
		}
	}
	return t.end()
}

// changeText is a change of an attribute as people read it.
func changeText(c engine.ChangeView) string {
	parts := []string{c.Operation}
	if len(c.Removed) > 0 {
		parts = append(parts, "-"+valuesText(c.Removed))
	}
	if len(c.Values) > 0 {
		parts = append(parts, valuesText(c.Values))
	}
	return strings.Join(parts, " ")
}

// valuesText is the values of an attribute as people read them.
func valuesText(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, " | ")
}

type getContainersCmd struct {
	Agent string `arg:"" help:"The agent."`
	Under string `placeholder:"DN" help:"Only the container with this DN and those in it."`
}

func (c *getContainersCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		views, err := service.Containers(a.ctx, engine.ContainerQuery{Agent: c.Agent, Under: c.Under})
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(views)
		}
		t := newTable(a.stdout)
		for _, v := range views {
			included, objects := "excluded", ""
			if v.Included {
				included = "included"
			}
			if v.Objects > 0 {
				objects = fmt.Sprint(v.Objects)
			}
			t.row(included, v.DN, objects)
		}
		return t.end()
	})
}

type getObjectsCmd struct {
	Type string `arg:"" help:"The object type."`
	Key  string `placeholder:"ID" help:"Only the object with this id."`
	where
	limit
}

func (c *getObjectsCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		l := &lister[engine.ObjectView]{app: a, show: a.printObject}
		if err := service.Objects(a.ctx, engine.ObjectQuery{Type: c.Type, Key: c.Key, Where: c.Where, Limit: c.most(a)}, l.print); err != nil {
			return err
		}
		return l.end(c.limit)
	})
}

func (a *app) printObject(v engine.ObjectView) error {
	fmt.Fprintf(a.stdout, "%s %s\n", v.Type, v.ID)
	t := newTable(a.stdout)
	for _, name := range slices.Sorted(maps.Keys(v.Attributes)) {
		attribute := v.Attributes[name]
		t.row("  "+name, valuesText(attribute.Values), attribute.Contributor, attribute.Rule)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, link := range v.Connectors {
		fmt.Fprintf(a.stdout, "  connector: %s %s %s\n", link.Agent, link.Object, oneLine(link.Anchor))
	}
	return nil
}
