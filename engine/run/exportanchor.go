package run

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/space"
)

// giveAnchor stores the anchor that the system gave to an object, unless another
// object has it (sync-engine §2.8): then nobody knows which of them the system
// means, and the confirming import has to tell.
func (x *export) giveAnchor(tx *space.Tx, c *space.Connector, anchor string) error {
	id, _, found, err := tx.ByAnchor(x.agent.Name, anchor)
	if err != nil {
		return err
	}
	if !found || id == c.ID {
		c.Anchor = anchor
		return nil
	}
	failure := fault.New("duplicate-anchor", "the system gave the anchor %q of another object", anchor)
	c.ExportError = &space.ObjectError{Name: failure.Name, Detail: failure.Detail(), First: x.now(), Last: x.now()}
	x.report.Exports[exportFailure]++
	x.details.exportFailed(c, nil)
	x.report.add(&x.report.ExportErrors, x.errorRecord(failure).of(c, c.ExportError))
	return nil
}
