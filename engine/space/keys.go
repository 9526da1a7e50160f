package space

import (
	"encoding/binary"

	"github.com/metasync/metasync/engine/identity"
)

func idKey(id identity.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func spaceKey(spc uint16) []byte { return binary.BigEndian.AppendUint16(nil, spc) }

func sequenceKey(spc uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte("sequence/"), spc)
}

func anchorKey(spc uint16, anchor string) []byte {
	return append(spaceKey(spc), anchor...)
}

func stateKey(agent string) []byte { return []byte("state/" + agent) }

func knownKey(agent string) []byte { return []byte("known/" + agent) }

func pairKey(first, second identity.ID) []byte {
	return binary.BigEndian.AppendUint64(idKey(first), uint64(second))
}

func listKey(list List, id identity.ID) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(list)}, uint64(id))
}

// dnKey returns the key of the DN index, nil if the object is not in it.
func (tx *Tx) dnKey(spc uint16, anchor, dn string) []byte {
	if dn == "" || dn == anchor && tx.space.anchorIsDN(spc) {
		return nil
	}
	return append(spaceKey(spc), tx.space.foldDN(spc, dn)...)
}

// SameDN reports whether two DNs are the same name in an agent's system.
func (s *Space) SameDN(agent, a, b string) bool {
	spc := s.Number(agent)
	return a == b || s.foldDN(spc, a) == s.foldDN(spc, b)
}

func (s *Space) foldDN(spc uint16, dn string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.bySpc[spc]; r != nil && r.naming.Fold != nil {
		return r.naming.Fold(dn)
	}
	return dn
}

// container returns what the folded DNs of everything below a DN begin with, ""
// if names tell no containers.
func (s *Space) container(spc uint16, dn string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.bySpc[spc]; r != nil && r.naming.Container != nil {
		return r.naming.Container(dn)
	}
	return ""
}

func (s *Space) anchorIsDN(spc uint16) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.bySpc[spc]
	return r != nil && r.naming.AnchorIsDN
}
