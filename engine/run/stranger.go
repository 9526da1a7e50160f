package run

import (
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// isStranger reports whether an entry with the name of an object that is yet to be created
// is surely not that object: somebody else has created it, and the join criteria say that
// it belongs to another one. Nobody's account is taken over because of its name.
func (x *staging) isStranger(tx *space.Tx, c *space.Connector, e *agent.Entry) (bool, error) {
	object := x.env.Rules.Agent(x.agent.Name).Objects[c.ObjectType]
	if !c.Provisioned || c.Exported != nil || object == nil || len(object.Joins) == 0 || e.ObjectType != c.ObjectType {
		return false, nil
	}
	mv, err := tx.Object(c.Link)
	if err != nil || mv == nil {
		return false, err
	}
	t := x.env.Rules.Type(mv.Type)
	return t != nil && object.Denies(entryView{e}, mv.Attributes, t), nil
}

// An entryView shows the attributes of an entry to rules.
type entryView struct{ *agent.Entry }

// Get implements [expr.Getter].
func (v entryView) Get(name string) []identity.Value {
	if values := v.Attributes.Get(name); values != nil {
		return values
	}
	return rules.ConnectorIntrinsic(name, v.DN, v.Anchor, v.ObjectType)
}
