package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// runReport tells of a run as autosync §6 does: the summary, the steps with what they
// counted, and what failed.
func runReport(r *run.Record) Document {
	var d Document
	d.row("Management agent", r.Agent)
	d.row("Run profile", r.Profile)
	d.row("Result", string(r.Result))
	d.row("Start time", stamp(r.Started))
	d.row("End time", stamp(r.Ended))
	d.row("User", r.Cause.User)
	d.row("Cause", causeText(r.Cause))
	d.row("Run number", fmt.Sprint(r.Run))
	steps := &Table{Title: "Steps", Head: []string{"Step", "Type", "Result", "Direction", "Details"}}
	for i, s := range r.Steps {
		number := fmt.Sprint(i + 1)
		label := "Step " + number
		if s.Result.Severity() == held {
			label = "Threshold information"
		}
		why := s.Error
		if s.Hint != "" {
			why += "\nhint: " + s.Hint
		}
		d.row(label, why)
		for _, w := range s.Warnings {
			text := w.Type + ": " + w.Detail
			if w.Hint != "" {
				text += "\nhint: " + w.Hint
			}
			d.row("Warning", text)
		}
		for j, counted := range counts(s) {
			row := []string{"", "", "", counted.direction, counted.text}
			if j == 0 {
				row[0], row[1], row[2] = number, string(s.Type), string(s.Result)
				if s.Agent != "" {
					row[1] += " of " + s.Agent
				}
			}
			steps.Rows = append(steps.Rows, row)
		}
		for _, group := range []struct {
			title string
			list  []run.ErrorRecord
		}{
			{"Staging errors", s.DiscoveryErrors},
			{"Inbound synchronization errors", s.SyncErrors},
			{"Export errors", s.ExportErrors},
			{"Outbound synchronization errors", s.RetryErrors},
		} {
			if len(group.list) == 0 {
				continue
			}
			section := Section{Title: fmt.Sprintf("%s of step %s", group.title, number), Least: len(group.list) >= run.MaxListed}
			for j := range group.list {
				section.Items = append(section.Items, errorItem(&group.list[j]))
			}
			d.Sections = append(d.Sections, section)
		}
	}
	if len(steps.Rows) > 0 {
		d.Table = steps
	}
	return d
}

func causeText(c run.Cause) string {
	text := c.Kind
	if c.Name != "" {
		text += ": " + c.Name
	}
	if c.Parent != 0 {
		text += fmt.Sprintf(", after run %d", c.Parent)
	}
	return text
}

type counted struct{ direction, text string }

// counts lists what a step counted, by direction; at least one line.
func counts(s *run.Report) []counted {
	var list []counted
	add := func(direction, text string) {
		if text != "" {
			list = append(list, counted{direction, text})
		}
	}
	add("import", countText(s.Staging))
	add("discovery", countText(s.Discovery))
	add("inbound", countText(s.Inbound))
	for _, agent := range slices.Sorted(maps.Keys(s.Outbound)) {
		add("outbound to "+agent, countText(s.Outbound[agent]))
	}
	add("export", countText(s.Exports))
	add("removal", countText(s.Removed))
	if len(list) == 0 {
		list = append(list, counted{"", "nothing"})
	}
	return list
}

// countText lists counters by name, without those that are 0.
func countText[K ~string](counters map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		if n := counters[name]; n != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", string(name), n))
		}
	}
	return strings.Join(parts, "\n")
}

// errorItem tells of an error on an object.
func errorItem(e *run.ErrorRecord) Item {
	item := Item{Title: e.DN}
	for _, other := range []string{e.Anchor, idText(e.ID), idText(e.Object)} {
		if item.Title == "" {
			item.Title = other
		}
	}
	kind := e.Type
	if e.Warning {
		kind += " (warning)"
	}
	item.row("Error type", kind)
	if e.Anchor != item.Title {
		item.row("Anchor", e.Anchor)
	}
	item.row("Metaverse object", idText(e.Object))
	item.row("Detail", e.Detail)
	item.row("Attribute name", e.Attribute)
	item.row("Rule", e.Rule)
	item.row("Algorithm step", e.Step)
	item.row("Place", fault.Position{File: e.File, Line: e.Line, Column: e.Column}.String())
	item.row("Date occurred", stamp(e.Last))
	if !e.First.Equal(e.Last) {
		item.row("First occurred", stamp(e.First))
	}
	if e.Retries > 0 {
		item.row("Retry count", fmt.Sprint(e.Retries))
	}
	return item
}

// idText returns an id, "" if there is none.
func idText[T interface {
	comparable
	String() string
}](id T) string {
	var none T
	if id == none {
		return ""
	}
	return id.String()
}

// took is the time between two moments, for people.
func took(d time.Duration) string { return d.Round(time.Millisecond).String() }
