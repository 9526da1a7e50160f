package space

import (
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/identity"
)

// An Object is an object of the metaverse (sync-engine §1.7).
type Object struct {
	ID         identity.ID
	Type       string
	Attributes identity.Attributes // change them only by Set and Remove
	Connectors []identity.ID       // linked connector-space objects, ordered

	// Rules is the fingerprint of the rules of the last outbound synchronization,
	// "" if there was none.
	Rules string

	contributions []Contribution // parallel to Attributes
	mixed         []mixed        // of attributes whose values came from several, sorted by name
	nulls         []emptied      // attributes that are empty on purpose, sorted by name
	origin        origin
	dirty         bool
}

// A Contribution says where the values of a metaverse attribute came from.
type Contribution struct {
	Connector identity.ID // the contributing connector-space object
	Rule      string
	Time      time.Time // when the value was set, to the microsecond

	// Null: the contributor says that there shall be no value. The attribute is
	// absent, and weaker contributors may not fill it (sync-engine §4.3).
	Null bool
}

// Contribution returns where the values of an attribute came from; if from
// several, the one that was given first. False if the attribute is absent and
// nobody said that it shall be.
func (o *Object) Contribution(attribute string) (Contribution, bool) {
	if i, found := o.find(attribute); found {
		return o.contributions[i], true
	}
	if len(o.nulls) > 0 {
		if i, found := o.findNull(attribute); found {
			return o.nulls[i].by, true
		}
	}
	return Contribution{}, false
}

// Set gives an attribute its values and their contributor. Without values the
// attribute is removed.
func (o *Object) Set(attribute string, values []identity.Value, by Contribution) {
	if len(values) == 0 {
		o.Remove(attribute)
		return
	}
	o.forget(attribute)
	i, found := o.find(attribute)
	if !found {
		o.Attributes = slices.Insert(o.Attributes, i, identity.Attribute{Name: attribute})
		o.contributions = slices.Insert(o.contributions, i, Contribution{})
	}
	o.Attributes[i] = identity.Attribute{Name: attribute, Values: identity.Normalize(values)}
	o.contributions[i] = by
}

// Remove removes an attribute, and what was said about its absence.
func (o *Object) Remove(attribute string) {
	o.forget(attribute)
	if i, found := o.find(attribute); found {
		o.Attributes = slices.Delete(o.Attributes, i, i+1)
		o.contributions = slices.Delete(o.contributions, i, i+1)
	}
}

// ContributedBy returns the attributes of which a value, or the absence, came
// from a connector, sorted.
func (o *Object) ContributedBy(connector identity.ID) []string {
	var names []string
	for i, c := range o.contributions {
		if c.Connector == connector {
			names = append(names, o.Attributes[i].Name)
		}
	}
	if len(o.mixed)+len(o.nulls) > 0 {
		names = append(names, o.alsoBy(connector)...)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	return names
}

// AddConnector adds one end of a link.
func (o *Object) AddConnector(id identity.ID) {
	if i, found := slices.BinarySearch(o.Connectors, id); !found {
		o.Connectors = slices.Insert(o.Connectors, i, id)
	}
}

// RemoveConnector removes one end of a link.
func (o *Object) RemoveConnector(id identity.ID) {
	if i, found := slices.BinarySearch(o.Connectors, id); found {
		o.Connectors = slices.Delete(o.Connectors, i, i+1)
	}
}

func (o *Object) find(attribute string) (int, bool) {
	return slices.BinarySearchFunc(o.Attributes, attribute, func(a identity.Attribute, name string) int {
		return strings.Compare(a.Name, name)
	})
}

func appendReferences(into []identity.ID, attributes identity.Attributes) []identity.ID {
	for i := range attributes {
		into = appendReferenceValues(into, attributes[i].Values)
	}
	return into
}

func appendReferenceValues(into []identity.ID, values []identity.Value) []identity.ID {
	for i := range values {
		if id := values[i].Ref(); id != 0 {
			into = append(into, id)
		}
	}
	return into
}

func compactIDs(ids []identity.ID) []identity.ID {
	if len(ids) > 1 {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids
}
