package sync

import (
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/space"
)

// Exported returns the view that extensions have of a connector-space object as it
// looks after what was sent, and before an import has seen that; one whose deletion
// was sent as it looked before. It is nil if there is no such object.
func (s *Synchronizer) Exported(tx *space.Tx, id identity.ID) (rules.ConnectorEntry, error) {
	c, err := tx.Connector(id)
	if err != nil || c == nil {
		return nil, err
	}
	image := c.Synchronized
	switch {
	case c.Exported != nil && !c.Exported.Op.Removes():
		image = c.ExportedImage()
	case c.Import != nil && !c.Import.Op.Removes():
		image = c.ImportImage()
	}
	return &connectorEntry{connectorView{c, image, s.unit(tx)}, s.space.AgentOf(id)}, nil
}
