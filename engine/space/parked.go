package space

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// bucketParked holds what is known of parked objects, by id.
const bucketParked store.Bucket = "parked"

// ChangesGoRound is the name of the export error of an object that is parked: what
// is exported to it comes back as another change, again and again.
const ChangesGoRound = "changes-go-round"

// A Parked is an object that is left out of exports because its changes go round
// between systems. It is parked as long as it has the error [ChangesGoRound]: whatever
// takes that away, another change that is staged, its export, or the end of the
// object, ends this, too. Its JSON form is the public one.
type Parked struct {
	ID         identity.ID       `json:"-"`
	Change     string            `json:"change"` // fingerprint of the change that is not sent
	Since      time.Time         `json:"since"`
	Until      time.Time         `json:"until"`   // when it is tried again by itself
	Count      int               `json:"count"`   // how often it was sent before
	Growing    bool              `json:"growing"` // the values are new each time, and not the same
	Attributes []ParkedAttribute `json:"attributes"`
}

// A ParkedAttribute is an attribute that goes round, with the two values of it that
// take turns. Those of attributes that cannot be read back are left out.
type ParkedAttribute struct {
	Name         string   `json:"attribute"`
	Wanted       []string `json:"wanted"`                 // what would be sent again
	Found        []string `json:"found"`                  // what the system has
	Rule         string   `json:"rule,omitempty"`         // by which it flows out
	Contributors []string `json:"contributors,omitempty"` // agents that the values in the metaverse come from
}

// isParked reports whether the object may have a record in the bucket.
func (c *Connector) isParked() bool {
	return c.ExportError != nil && c.ExportError.Name == ChangesGoRound
}

// Park remembers that an object is left out of exports. Its error must be
// [ChangesGoRound] already.
func (tx *Tx) Park(p Parked) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return tx.kv.Put(bucketParked, idKey(p.ID), data)
}

// ParkedObject returns what is known of a parked object, nil if c is not parked.
func (tx *Tx) ParkedObject(c *Connector) (*Parked, error) {
	if !c.isParked() {
		return nil, nil
	}
	data := tx.kv.Get(bucketParked, idKey(c.ID))
	if data == nil {
		return nil, nil // its agent gave the error this name
	}
	return decodeParked(c.ID, data)
}

// Parked returns the parked objects of an agent, ordered by id.
func (tx *Tx) Parked(agent string) ([]Parked, error) {
	var list []Parked
	for key, data := range tx.kv.Scan(bucketParked, spaceKey(tx.space.Number(agent)), nil) {
		p, err := decodeParked(identity.ID(binary.BigEndian.Uint64(key)), data)
		if err != nil {
			return nil, err
		}
		list = append(list, *p)
	}
	return list, nil
}

func decodeParked(id identity.ID, data []byte) (*Parked, error) {
	p := &Parked{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("parked object %s: %w: %w", id, identity.ErrCorrupt, err)
	}
	p.ID = id
	return p, nil
}

// parked finds records of objects that are not parked.
func (c *checker) parked() {
	for key := range c.tx.kv.Scan(bucketParked, nil, nil) {
		id := identity.ID(binary.BigEndian.Uint64(key))
		object, err := c.tx.Connector(id)
		if err != nil {
			c.found("parked object %s: %w", id, err)
			continue
		}
		if object == nil || !object.isParked() {
			c.found("object %s has a record of being parked and is not", id)
		}
	}
}
