package ldif

import (
	"crypto/sha256"

	"github.com/metasync/metasync/engine/identity"
)

// A nameKey stands for a name, whatever its spelling, or for an anchor: the first half
// of the SHA-256.
type nameKey [16]byte

func keyOf(dn identity.DN) nameKey { return keyOfText(dn.Fold()) }

func keyOfText(text string) nameKey {
	sum := sha256.Sum256([]byte(text))
	return nameKey(sum[:16])
}
