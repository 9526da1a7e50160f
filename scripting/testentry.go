package scripting

import (
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/scripting/host"
)

// Objects that tests make up. They are shown to functions by the same views as
// those of the engine.

// A plainEntry is what both kinds of objects have.
type plainEntry struct {
	id         identity.ID
	objectType string
	attributes identity.Attributes
	several    map[string]bool // the attributes that were given as arrays
}

// Multi implements [rules.Entry].
func (e *plainEntry) Multi(attribute string) bool { return e.several[attribute] }

// ID implements [rules.Entry].
func (e *plainEntry) ID() identity.ID { return e.id }

// ObjectType implements [rules.Entry].
func (e *plainEntry) ObjectType() string { return e.objectType }

// Attributes implements [rules.Entry].
func (e *plainEntry) Attributes() identity.Attributes { return e.attributes }

// Get implements [expr.Getter].
func (e *plainEntry) Get(name string) []identity.Value { return e.attributes.Get(name) }

// A plainConnector is a connector-space object of a test.
type plainConnector struct {
	plainEntry
	agent, dn, anchor string
	target            *plainObject
}

// Agent implements [rules.ConnectorEntry].
func (e *plainConnector) Agent() string { return e.agent }

// DN implements [rules.ConnectorEntry].
func (e *plainConnector) DN() string { return e.dn }

// Anchor implements [rules.ConnectorEntry].
func (e *plainConnector) Anchor() string { return e.anchor }

// Target implements [rules.FlowEntry].
func (e *plainConnector) Target() rules.MetaverseEntry { return e.target }

// A plainObject is a metaverse object of a test.
type plainObject struct {
	plainEntry
	connectors    []rules.ConnectorEntry
	contributors  map[string]string
	contributions map[string]time.Time
}

// Connectors implements [rules.MetaverseEntry].
func (e *plainObject) Connectors(agent string) ([]rules.ConnectorEntry, error) {
	var list []rules.ConnectorEntry
	for _, c := range e.connectors {
		if agent == "" || c.Agent() == agent {
			list = append(list, c)
		}
	}
	return list, nil
}

// Contributor implements [rules.MetaverseEntry].
func (e *plainObject) Contributor(attribute string) (agent string, at time.Time) {
	return e.contributors[attribute], e.contributions[attribute]
}

// What an object of a test may say of itself beside its attributes.
var (
	connectorKeys = []string{entryID, entryAgent, entryObject, entryDN, entryAnchor}
	metaverseKeys = []string{entryID, entryType, entryConnectors, entryBy, entryTime}
)

// testSpace is the space of made-up connectors in ids; 0 is the metaverse.
const testSpace = 1

// connector reads a connector-space object; what it does not say of agent and type
// is given.
func (r *testRun) connector(a *host.Active, v goja.Value, agent, objectType string) (*plainConnector, error) {
	given, attributes, several, err := splitEntry(a, v, connectorKeys)
	if err != nil {
		return nil, err
	}
	c := &plainConnector{agent: agent, target: &plainObject{}}
	c.objectType, c.attributes, c.several = objectType, attributes, several
	for _, text := range []struct {
		key string
		to  *string
	}{{entryAgent, &c.agent}, {entryObject, &c.objectType}, {entryDN, &c.dn}, {entryAnchor, &c.anchor}} {
		if value := given[text.key]; value != nil {
			if !goja.IsString(value) {
				return nil, invalid("%s must be a text, not %s", text.key, a.Describe(value))
			}
			*text.to = value.String()
		}
	}
	c.id, err = r.id(a, given[entryID], testSpace)
	return c, err
}

// object reads a metaverse object.
func (r *testRun) object(a *host.Active, v goja.Value, metaverseType string) (*plainObject, error) {
	given, attributes, several, err := splitEntry(a, v, metaverseKeys)
	if err != nil {
		return nil, err
	}
	o := &plainObject{contributors: map[string]string{}, contributions: map[string]time.Time{}}
	o.objectType, o.attributes, o.several = metaverseType, attributes, several
	if value := given[entryType]; value != nil {
		o.objectType = value.String()
	}
	if o.id, err = r.id(a, given[entryID], 0); err != nil {
		return nil, err
	}
	if value := given[entryConnectors]; value != nil {
		if err := r.connectors(a, o, value); err != nil {
			return nil, err
		}
	}
	if value := given[entryBy]; value != nil {
		agents, err := plainObjectOf(a, value, entryBy+" must be an object of agents by attribute")
		if err != nil {
			return nil, err
		}
		for _, attribute := range agents.Keys() {
			o.contributors[attribute] = agents.Get(attribute).String()
		}
	}
	if value := given[entryTime]; value != nil {
		times, err := plainObjectOf(a, value, entryTime+" must be an object of dates by attribute")
		if err != nil {
			return nil, err
		}
		for _, attribute := range times.Keys() {
			at, err := host.TimeOf(a, times.Get(attribute))
			if err != nil {
				return nil, err
			}
			o.contributions[attribute] = at
		}
	}
	return o, nil
}

// connectors reads the connectors of a metaverse object: arrays by agent.
func (r *testRun) connectors(a *host.Active, o *plainObject, v goja.Value) error {
	const shape = entryConnectors + " must be an object of arrays by agent"
	byAgent, err := plainObjectOf(a, v, shape)
	if err != nil {
		return err
	}
	for _, agent := range byAgent.Keys() {
		items, err := arrayOf(a, byAgent.Get(agent), shape)
		if err != nil {
			return err
		}
		for _, item := range items {
			c, err := r.connector(a, item, agent, "")
			if err != nil {
				return err
			}
			c.target = o
			o.connectors = append(o.connectors, c)
		}
	}
	return nil
}

// id reads an id; without one it is the next.
func (r *testRun) id(a *host.Active, v goja.Value, space uint16) (identity.ID, error) {
	if v == nil {
		r.ids++
		return identity.NewID(space, r.ids), nil
	}
	id, err := identity.ParseID(v.String())
	if err != nil {
		e := invalid("%s is not an id", a.Describe(v))
		e.Hint = "leave $id out, or write it like " + identity.NewID(space, 1).String()
		return 0, e
	}
	return id, nil
}

// splitEntry takes a plain object apart into what begins with $ and attributes,
// which are converted as the values that scripts return; several are those given as
// arrays.
func splitEntry(a *host.Active, v goja.Value, known []string) (given map[string]goja.Value, attributes identity.Attributes, several map[string]bool, err error) {
	obj, err := plainObjectOf(a, v, "an object must be a plain object of attributes")
	if err != nil {
		return nil, nil, nil, err
	}
	given, several = map[string]goja.Value{}, map[string]bool{}
	for _, key := range obj.Keys() {
		value := obj.Get(key)
		if nothing(value) {
			continue
		}
		if key == "" || key[0] != '$' {
			converted, err := fromScript(a, value)
			if err != nil {
				named := fault.As(err, host.NameInvalid)
				return nil, nil, nil, invalid("attribute %q: %s", key, named.Detail())
			}
			if list, ok := value.(*goja.Object); ok && list.ClassName() == "Array" {
				several[key] = true
			}
			attributes = attributes.Set(key, identity.Normalize(converted.Values())...)
			continue
		}
		if err := checkKey(key, known); err != nil {
			return nil, nil, nil, err
		}
		given[key] = value
	}
	return given, attributes, several, nil
}

func checkKey(key string, known []string) error {
	for _, k := range known {
		if k == key {
			return nil
		}
	}
	e := invalid("this object has no %s", key)
	if near := fault.Suggest(key, known); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

func plainObjectOf(a *host.Active, v goja.Value, otherwise string) (*goja.Object, error) {
	if obj, ok := v.(*goja.Object); ok && host.IsPlain(obj) {
		return obj, nil
	}
	return nil, invalid("%s, not %s", otherwise, a.Describe(v))
}

func arrayOf(a *host.Active, v goja.Value, otherwise string) ([]goja.Value, error) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return nil, invalid("%s, not %s", otherwise, a.Describe(v))
	}
	return elements(obj)
}

// An asked is one thing that a provisioning function asked for.
type asked struct {
	what       string // create, rename or disconnect
	agent      string
	object     string // to create: the object type
	connector  string // of the others: the DN, anchor or id of the connector
	dn         string // to create or rename
	attributes identity.Attributes
}

// view returns it as people see it; show shows the value of an attribute.
func (x asked) view(show func(expr.Value) (any, error)) (any, error) {
	about := map[string]any{"agent": x.agent}
	switch x.what {
	case askedCreate:
		attributes := map[string]any{}
		if x.dn != "" {
			attributes[rules.DNAttribute] = x.dn
		}
		for _, attribute := range x.attributes {
			shown, err := show(expr.OfValues(x.attributes.Get(attribute.Name)))
			if err != nil {
				return nil, err
			}
			attributes[attribute.Name] = shown
		}
		about["object"], about["attributes"] = x.object, attributes
	case askedRename:
		about["connector"], about["dn"] = x.connector, x.dn
	case askedDisconnect:
		about["connector"] = x.connector
	}
	return map[string]any{x.what: about}, nil
}

// What a provisioning function may ask for.
const (
	askedCreate     = "create"
	askedRename     = "rename"
	askedDisconnect = "disconnect"
)

// A recorder is a metaverse object that notes what a provisioning function asks
// for, and does nothing of it.
type recorder struct {
	rules.MetaverseEntry
	asked []asked
}

// NewConnector implements [rules.ProvisioningEntry].
func (r *recorder) NewConnector(agent, objectType, dn string, initial identity.Attributes) error {
	r.asked = append(r.asked, asked{what: askedCreate, agent: agent, object: objectType, dn: dn, attributes: initial})
	return nil
}

// Rename implements [rules.ProvisioningEntry].
func (r *recorder) Rename(connector identity.ID, dn string) error {
	if dn == "" {
		return fault.New("invalid-dn", "a connector cannot be without a name")
	}
	agent, name, err := r.named(connector)
	r.asked = append(r.asked, asked{what: askedRename, agent: agent, connector: name, dn: dn})
	return err
}

// Disconnect implements [rules.ProvisioningEntry].
func (r *recorder) Disconnect(connector identity.ID) error {
	agent, name, err := r.named(connector)
	r.asked = append(r.asked, asked{what: askedDisconnect, agent: agent, connector: name})
	return err
}

// Taken implements [rules.ProvisioningEntry]: nothing but what was asked for and the
// connectors of the object have names.
func (r *recorder) Taken(agent, dn string) (bool, error) {
	connectors, err := r.Connectors(agent)
	for _, c := range connectors {
		if c.DN() == dn || c.Anchor() == dn {
			return true, nil
		}
	}
	for _, x := range r.asked {
		if x.what == askedCreate && x.agent == agent && x.dn == dn {
			return true, nil
		}
	}
	return false, err
}

// named returns what people call a connector.
func (r *recorder) named(id identity.ID) (agent, name string, err error) {
	connectors, err := r.Connectors("")
	if err != nil {
		return "", "", err
	}
	for _, c := range connectors {
		if c.ID() == id {
			for _, name := range []string{c.DN(), c.Anchor()} {
				if name != "" {
					return c.Agent(), name, nil
				}
			}
			return c.Agent(), id.String(), nil
		}
	}
	return "", "", fault.New("unexpected-error", "the object has no connector %s", id)
}
