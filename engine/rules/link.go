package rules

import "github.com/metasync/metasync/engine/fault"

// A LinkType says what a rule does about the link between a connector-space object
// and a metaverse object, beside using the links that there are, and whether it
// holds the metaverse object where [Held] is the deletion rule (sync-engine §3.6,
// §8.2).
type LinkType string

// The link types.
const (
	JoinLink      LinkType = "join"        // creates nothing, holds nothing
	StickyLink    LinkType = "sticky-join" // creates nothing, but holds the metaverse object
	ProvisionLink LinkType = "provision"   // creates the partner; the inbound half holds the metaverse object
)

func linkType(creates, sticky bool) LinkType {
	switch {
	case creates:
		return ProvisionLink
	case sticky:
		return StickyLink
	}
	return JoinLink
}

// Link returns the link type of the inbound half.
func (in *Inbound) Link() LinkType { return linkType(in.Project, in.Sticky) }

// Link returns the link type of the outbound half.
func (o *Outbound) Link() LinkType { return linkType(o.Provision, o.Sticky) }

// checkLink refuses a half of a rule that has two link types.
func (c *compiler) checkLink(r Rule, creates, sticky bool) {
	if creates && sticky {
		c.failIn(r, r.Position, fault.New("sync-rule-validation-parsing-error", "the rule has two link types, %s and %s", ProvisionLink, StickyLink))
	}
}
