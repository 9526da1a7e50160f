package engine

import (
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/space"
	"github.com/metasync/metasync/engine/sync"
)

// A ConditionView is a condition of a scope or a filter, with what it was tested
// on.
type ConditionView struct {
	Attribute string `json:"attribute"`
	Operator  string `json:"operator"`
	Value     string `json:"value,omitempty"`
	Actual    []any  `json:"actual"`
	Holds     bool   `json:"holds"`
}

// A FlowView is what came of a flow. Its status is a word of the field
// (sync-engine §3.7).
type FlowView struct {
	Attribute string           `json:"attribute"` // the target
	Rule      string           `json:"rule"`
	Source    string           `json:"source,omitempty"`
	Status    sync.FlowStatus  `json:"status"`
	Value     []any            `json:"value"`          // what the flow says
	Null      bool             `json:"null,omitempty"` // it says that there shall be no value
	Before    []any            `json:"before"`
	After     []any            `json:"after"`
	Error     *run.ErrorRecord `json:"error,omitempty"`
}

// A ContributorView is who gave a metaverse attribute its value.
type ContributorView struct {
	Agent string    `json:"agent"`
	DN    string    `json:"dn"`
	Rule  string    `json:"rule"`
	Time  time.Time `json:"time"`
	Null  bool      `json:"null,omitempty"` // it says that there shall be no value
}

// A viewer shows what is in a transaction to people: references by name, secrets
// not at all. The first error of the store is kept.
type viewer struct {
	env *environment
	tx  *space.Tx
	was *space.Tx // as it was before, for what is gone; may be nil
	err error
}

const maxShown = 1000 // values of one attribute

// hidden stands for what only connected systems may know.
const hidden = "(not shown)"

// redactedValue returns a value without the secrets of the configuration.
func redactedValue(env *environment, v any) any {
	if text, ok := v.(string); ok && env.Redact != nil {
		return env.Redact(text)
	}
	return v
}

func (v *viewer) text(s string) string {
	if v.env.Redact != nil {
		return v.env.Redact(s)
	}
	return s
}

// values shows values that everybody may see.
func (v *viewer) values(values []identity.Value) []any {
	out := make([]any, 0, min(len(values), maxShown+1))
	for i, value := range values {
		if i == maxShown {
			return append(out, "...")
		}
		if id := value.Ref(); id != 0 {
			out = append(out, v.name(id))
			continue
		}
		out = append(out, redactedValue(v.env, value.JSON()))
	}
	return out
}

// secretive shows values of an attribute of a connected system.
func (v *viewer) secretive(agent, object, attribute string, values []identity.Value) []any {
	if len(values) > 0 && v.env.Secret(agent, object, attribute) {
		return []any{hidden}
	}
	return v.values(values)
}

// name is what people call an object.
func (v *viewer) name(id identity.ID) string {
	for _, tx := range [...]*space.Tx{v.tx, v.was} {
		if tx == nil {
			continue
		}
		name, err := namedReference(tx, id)
		v.keep(err)
		if text := name.Text(); err == nil && text != id.String() {
			return v.text(text)
		}
	}
	return id.String()
}

func (v *viewer) keep(err error) {
	if v.err == nil {
		v.err = err
	}
}

// connector returns an object as it is or, if it is gone, as it was.
func (v *viewer) connector(id identity.ID) *space.Connector {
	for _, tx := range [...]*space.Tx{v.tx, v.was} {
		if tx == nil || id.Space() == 0 {
			continue
		}
		c, err := tx.Connector(id)
		v.keep(err)
		if c != nil {
			return c
		}
	}
	return &space.Connector{ID: id}
}

func (v *viewer) agentOf(id identity.ID) string { return v.tx.Space().AgentOf(id) }

// conditions shows the conditions of a scope, by alternative.
func (v *viewer) conditions(agent, object string, tested [][]rules.Tested) [][]ConditionView {
	out := make([][]ConditionView, len(tested))
	for i, alternative := range tested {
		out[i] = []ConditionView{}
		for _, t := range alternative {
			out[i] = append(out[i], ConditionView{
				t.Attribute, t.Operator, v.text(t.Value), v.secretive(agent, object, t.Attribute, t.Actual), t.Holds,
			})
		}
	}
	return out
}

func (v *viewer) failure(err error) *run.ErrorRecord {
	named := sync.Failure(err)
	if named == nil {
		return nil
	}
	return &run.ErrorRecord{
		Type: named.Name, Attribute: named.Attribute, Rule: named.Rule, Step: named.Step,
		File: named.Position.File, Line: named.Position.Line, Column: named.Position.Column, Detail: v.text(named.Detail()),
	}
}

func (v *viewer) contributor(by space.Contribution, some bool) *ContributorView {
	if !some {
		return nil
	}
	return &ContributorView{v.agentOf(by.Connector), v.text(v.connector(by.Connector).DN), v.env.Rules.RuleName(by.Rule), by.Time, by.Null}
}

// exportFlow shows an outbound flow.
func (v *viewer) exportFlow(f sync.ExportFlowTrace) FlowView {
	c, agent := v.connector(f.Connector), v.agentOf(f.Connector)
	view := FlowView{
		Attribute: f.Attribute, Rule: f.Rule, Source: v.text(f.Source), Status: f.Status, Null: f.Said.Null,
		Value:  v.secretive(agent, c.ObjectType, f.Attribute, f.Said.Values),
		Before: v.secretive(agent, c.ObjectType, f.Attribute, f.Before),
		After:  v.secretive(agent, c.ObjectType, f.Attribute, f.After),
		Error:  v.failure(f.Err),
	}
	if v.env.Secret(agent, c.ObjectType, f.Attribute) {
		view.Source = hidden // a constant may be what nobody shall see
	}
	return view
}
