package sync

import (
	crand "crypto/rand"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"github.com/metasync/metasync/engine/identity"
)

// A pinnedRandom gives the expressions of a run their random numbers. What one gets
// depends on the run, on the object and on the expression, and not on how often it
// is evaluated: a unit that is done again, after an interruption of its group or in
// a further round of provisioning, gives the same password. The seed of a run is
// secret, so that nobody can tell a password by its time.
type pinnedRandom struct {
	seed   [32]byte
	object identity.ID
	text   string
	source *rand.ChaCha8 // nil until a number is asked for
}

func newPinnedRandom() *pinnedRandom {
	r := new(pinnedRandom)
	_, _ = crand.Read(r.seed[:]) // it never fails
	return r
}

// begin prepares for an evaluation.
func (r *pinnedRandom) begin(object identity.ID, text string) {
	r.object, r.text, r.source = object, text, nil
}

// below returns a number from 0 to n-1.
func (r *pinnedRandom) below(n int64) int64 {
	if r.source == nil {
		seed := r.seed
		hash := fnv.New64a()
		hash.Write([]byte(r.text))
		mix := func(at int, value uint64) {
			binary.LittleEndian.PutUint64(seed[at:], binary.LittleEndian.Uint64(seed[at:])^value)
		}
		mix(0, uint64(r.object))
		mix(8, hash.Sum64())
		r.source = rand.NewChaCha8(seed)
	}
	return rand.New(r.source).Int64N(n)
}
