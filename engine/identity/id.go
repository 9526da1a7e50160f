package identity

import (
	"fmt"
	"strconv"
)

// An ID is the engine's own identity of a connector-space or metaverse object
// (sync-engine §1.2, §1.7). It is given once and never changes or comes again.
//
// The upper 16 bits are the number of the management agent, 0 for the
// metaverse; the lower 48 count up. So ids are ordered by time within their
// space, bulk loads write sequentially, and a connector space is a key range.
type ID uint64

const idSequenceBits = 48

// NewID returns the id with the given space number and sequence number.
func NewID(space uint16, sequence uint64) ID {
	return ID(uint64(space)<<idSequenceBits | sequence&(1<<idSequenceBits-1))
}

// Space returns the number of the management agent, 0 for the metaverse.
func (id ID) Space() uint16 { return uint16(id >> idSequenceBits) }

// Sequence returns the position of the id within its space, from 1.
func (id ID) Sequence() uint64 { return uint64(id) & (1<<idSequenceBits - 1) }

// String returns the id as it is shown and parsed: four and twelve hexadecimal
// digits.
func (id ID) String() string {
	return fmt.Sprintf("%04x-%012x", id.Space(), id.Sequence())
}

// MarshalText makes an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of [ID.MarshalText].
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	*id = parsed
	return err
}

// ParseID is the inverse of [ID.String].
func ParseID(text string) (ID, error) {
	if len(text) == 17 && text[4] == '-' {
		space, err1 := strconv.ParseUint(text[:4], 16, 16)
		sequence, err2 := strconv.ParseUint(text[5:], 16, 48)
		if err1 == nil && err2 == nil {
			return NewID(uint16(space), sequence), nil
		}
	}
	return 0, fmt.Errorf("%q is not an object id", text)
}
