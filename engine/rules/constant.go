package rules

import (
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// isConstant reports whether a source is a constant.
func (s Source) isConstant() bool {
	return s.Attribute == "" && s.Expression == "" && s.Script == "" && s.DNPart == 0
}

// checkConstant rejects a constant that its target can never have: it would be the
// same error on every object (sync-engine §3.11).
func (c *compiler) checkConstant(r Rule, f Flow, to identity.Type) {
	if !f.Source.isConstant() {
		return
	}
	at := f.Source.Position
	if at.IsZero() {
		at = f.Position
	}
	if to == identity.TypeReference {
		c.failIn(r, at, fault.New("invalid-reference-constant-flow", "%q is a reference, which no constant can be", f.Target))
		return
	}
	if to == identity.TypeString {
		return
	}
	if _, err := convert(identity.String(f.Source.Value), to); err != nil {
		named := fault.As(err, "cs-attribute-type-mismatch")
		if to == identity.TypeBoolean {
			named = fault.New("invalid-boolean-constant-flow", "%q is neither true nor false", f.Source.Value)
		}
		named.Attribute = f.Target
		c.failIn(r, at, named)
	}
}
