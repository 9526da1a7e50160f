package config

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/run"
)

// thresholds are the limits of what steps may do.
type thresholds struct {
	Import importThresholds `yaml:"import" doc:"Limits of an import."`
	Sync   syncLimits       `yaml:"sync" doc:"Limits of a synchronization."`
	Export exportThresholds `yaml:"export" doc:"Limits of an export."`
	Window limitWindow      `yaml:"window" doc:"Limits of all imports, synchronizations and exports together in a length of time."`
}

type importThresholds struct {
	importLimits
	Objects count `yaml:"objects" doc:"Entries that one import may read; with more of them it stops and deletes nothing. 0 is any number."`
	Errors  count `yaml:"errors" doc:"Entries with errors that one import may have, unless said 5000; with more of them it stops. 0 is any number."`
}

// importLimits are limits of what imports find.
type importLimits struct {
	Deletes limit `yaml:"deletes" doc:"Objects that may be found missing."`
	Adds    limit `yaml:"adds" doc:"Objects that may be found new before their synchronization is held."`
	Updates limit `yaml:"updates" doc:"Objects that may be found changed before their synchronization is held."`
	Renames limit `yaml:"renames" doc:"Objects that may be found under another name before their synchronization is held."`
	Changes limit `yaml:"changes" doc:"Changes of all kinds that may be found before their synchronization is held."`
}

// syncLimits are limits of what synchronizations do to the metaverse.
type syncLimits struct {
	Deletes     limit `yaml:"deletes" doc:"Metaverse objects that may be deleted; what would delete more of them is not synchronized."`
	Disconnects limit `yaml:"disconnects" doc:"Objects of all agents that may be disconnected from the metaverse; what would disconnect more of them is not synchronized."`
}

type exportThresholds struct {
	Deletes limit `yaml:"deletes" default:"500" doc:"Deletions that one export may carry out; 100% is without limit."`
	exportLimits
	Errors count `yaml:"errors" doc:"Changes with errors that one export may have, unless said 5000; with more of them it stops. 0 is any number."`

	SuppressDeletesOnly bool `yaml:"suppressDeletesOnly" default:"false" doc:"Whether an export that exceeds its limit leaves out only the deletions; otherwise it sends nothing."`
}

// exportLimits are limits of what exports send, without deletions.
type exportLimits struct {
	Adds           limit `yaml:"adds" doc:"Objects that may be created."`
	Updates        limit `yaml:"updates" doc:"Objects that may be changed."`
	Renames        limit `yaml:"renames" doc:"Objects that may be renamed."`
	Changes        limit `yaml:"changes" doc:"Changes of all kinds that may be sent."`
	MemberRemovals limit `yaml:"memberRemovals" doc:"Values that may be taken out of references with many values, such as the members of groups."`
}

// A limitWindow is what may be done in a length of time.
type limitWindow struct {
	Length interval      `yaml:"length" default:"24h" doc:"The length of time."`
	Import importLimits  `yaml:"import" doc:"Limits of what all imports find in that time."`
	Sync   syncLimits    `yaml:"sync" doc:"Limits of what all synchronizations do in that time."`
	Export windowExports `yaml:"export" doc:"Limits of what all exports send in that time."`
}

type windowExports struct {
	Deletes limit `yaml:"deletes" doc:"Deletions that may be carried out."`
	exportLimits
}

// thresholds returns them as package run has them.
func (t *thresholds) thresholds() run.Thresholds {
	limits, inWindow := run.Limits{}, run.Limits{}
	t.Import.into(limits)
	delete(limits, run.Measure{Step: hold.Import, Kind: hold.Deletes}) // it has a field of its own
	t.Sync.into(limits)
	t.Export.into(limits)
	t.Window.Import.into(inWindow)
	t.Window.Sync.into(inWindow)
	t.Window.Export.into(inWindow)
	t.Window.Export.Deletes.into(inWindow, hold.Export, hold.Deletes)
	out := run.Thresholds{
		ImportDeletes: run.Limit(t.Import.Deletes),
		ImportObjects: t.Import.Objects.Count,
		ImportErrors:  run.Limit(t.Import.Errors),
		ExportDeletes: run.Limit(t.Export.Deletes),
		ExportErrors:  run.Limit(t.Export.Errors),

		SuppressDeletesOnly: t.Export.SuppressDeletesOnly,
	}
	if len(limits) > 0 {
		out.Limits = limits
	}
	if len(inWindow) > 0 {
		out.Window = run.Window{Length: t.Window.Length.length, Limits: inWindow}
	}
	return out
}

func (m limit) into(limits run.Limits, step hold.Step, kind hold.Kind) {
	if m.IsSet {
		limits[run.Measure{Step: step, Kind: kind}] = run.Limit(m)
	}
}

func (l *importLimits) into(limits run.Limits) {
	l.Deletes.into(limits, hold.Import, hold.Deletes)
	l.Adds.into(limits, hold.Import, hold.Adds)
	l.Updates.into(limits, hold.Import, hold.Updates)
	l.Renames.into(limits, hold.Import, hold.Renames)
	l.Changes.into(limits, hold.Import, hold.Changes)
}

func (l *syncLimits) into(limits run.Limits) {
	l.Deletes.into(limits, hold.Sync, hold.Deletes)
	l.Disconnects.into(limits, hold.Sync, hold.Disconnects)
}

func (l *exportLimits) into(limits run.Limits) {
	l.Adds.into(limits, hold.Export, hold.Adds)
	l.Updates.into(limits, hold.Export, hold.Updates)
	l.Renames.into(limits, hold.Export, hold.Renames)
	l.Changes.into(limits, hold.Export, hold.Changes)
	l.MemberRemovals.into(limits, hold.Export, hold.MemberRemovals)
}

// A limit is a number of objects, or a share of them.
type limit run.Limit

// limitKeys is a limit that is a mapping.
type limitKeys struct {
	Percent percentage `yaml:"percent,required" doc:"A percentage of the objects, such as 10%."`
	AtLeast count      `yaml:"atLeast" doc:"So many are allowed in any case, however few objects there are."`
}

// A percentage is a share of the objects.
type percentage float64

var (
	limitPattern      = regexp.MustCompile(`^([0-9]{1,9}|(100|[0-9]{1,2}(\.[0-9]+)?)%)$`)
	percentagePattern = regexp.MustCompile(`^(100|[0-9]{1,2}(\.[0-9]+)?)%$`)
)

func (p *percentage) decode(l *loader, n *node) {
	if n.kind != textNode || !percentagePattern.MatchString(n.text) {
		l.fail(n.at, "want a percentage such as 10%%")
		return
	}
	value, _ := strconv.ParseFloat(strings.TrimSuffix(n.text, "%"), 64) // the pattern holds
	*p = percentage(value)
}

func (p *percentage) schema(g *generator) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "string", Pattern: percentagePattern.String()},
		g.reference(),
	}}
}

func (m *limit) decode(l *loader, n *node) {
	const form = "a number such as 50 or a percentage such as 10%"
	switch {
	case n.kind == mappingNode:
		var keys limitKeys
		l.fill(n, &keys)
		*m = limit{Percent: float64(keys.Percent), AtLeast: keys.AtLeast.Count, IsSet: true}
		return
	case n.kind != numberNode && n.kind != textNode:
		l.fail(n.at, "want %s, not %s", form, n.kind)
		return
	case !limitPattern.MatchString(n.text):
		l.fail(n.at, "%s is not %s", strconv.Quote(n.written), form)
		return
	}
	share, isShare := strings.CutSuffix(n.text, "%")
	value, _ := strconv.ParseFloat(share, 64) // the pattern holds
	*m = limit{IsSet: true}
	if isShare {
		m.Percent = value
	} else {
		m.Count = int(value)
	}
}

func (m *limit) schema(g *generator) *jsonschema.Schema {
	return g.define("limit", &jsonschema.Schema{
		Description: "A number of objects, or a percentage of the objects, such as 10%; {percent: 10%, atLeast: 20} allows 20 in any case.",
		AnyOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: ptr(0.0), Maximum: ptr(999999999.0)},
			{Type: "string", Pattern: limitPattern.String()},
			g.reference(),
			g.object(&limitKeys{}),
		},
	})
}
