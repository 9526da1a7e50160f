package ad

import (
	"encoding/binary"
	"slices"
)

// metadataAttribute holds, for every attribute that is replicated, when it was written
// last (MS-DRSR §5.163, PROPERTY_META_DATA_VECTOR).
const metadataAttribute = "replPropertyMetaData"

// idName is the identifier of the attribute name, which is written by every rename and
// move (MS-DRSR §5.16.4: a prefix and the last part of the object identifier).
const idName = 0x90001

// noise are the identifiers of attributes that logons write.
var noise = map[uint32]bool{
	0x9000C: true, // badPwdCount
	0x90031: true, // badPasswordTime
	0x90033: true, // lastLogoff
	0x90034: true, // lastLogon
	0x900A9: true, // logonCount
	0x906A0: true, // lastLogonTimestamp
	0x907B2: true, // msDS-LastSuccessfulInteractiveLogonTime
	0x907B3: true, // msDS-LastFailedInteractiveLogonTime
	0x907B4: true, // msDS-FailedInteractiveLogonCount
	0x907B5: true, // msDS-FailedInteractiveLogonCountAtLastSuccessfulLogon
}

// changedSince returns the identifiers of the attributes that the controller has written
// after a number. It does not know if the metadata is missing, or is of a version of its
// own. Values of links, as members of groups, are not in it.
func changedSince(metadata string, after int64) (ids []uint32, known bool) {
	const header, record = 16, 48
	b := []byte(metadata)
	if len(b) < header || binary.LittleEndian.Uint32(b) != 1 {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint32(b[8:]))
	if n > (len(b)-header)/record {
		return nil, false
	}
	for b = b[header:]; n > 0; n, b = n-1, b[record:] {
		if written := binary.LittleEndian.Uint64(b[40:]); written > uint64(max(after, 0)) { //nolint:gosec // not below 0
			ids = append(ids, binary.LittleEndian.Uint32(b))
		}
	}
	return ids, true
}

// isNoise reports whether logons have written all of what changed. Nothing that changed
// is a link, or something that is not replicated.
func isNoise(ids []uint32) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id uint32) bool { return !noise[id] })
}
