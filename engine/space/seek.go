package space

// Disconnectors wait for a metaverse object that they can be joined with. When one
// comes or changes so that their criteria may find it, their agent is awake until a
// synchronization has looked at all of them.

// The states of an agent that is awake.
const (
	seekWaits  = 'w' // for a synchronization
	seekServed = 's' // by one that is going on; nothing has come since it began
)

func seekKey(agent string) []byte { return []byte("seek/" + agent) }

func ambiguousKey(agent string) []byte { return []byte("ambiguous/" + agent) }

// WakeDisconnectors notes that a metaverse object has come, or changed, with which
// disconnectors of an agent may be joined.
func (tx *Tx) WakeDisconnectors(agent string) error {
	if data := tx.kv.Get(bucketMeta, seekKey(agent)); len(data) == 1 && data[0] == seekWaits {
		return nil
	}
	return tx.kv.Put(bucketMeta, seekKey(agent), []byte{seekWaits})
}

// Awake reports whether an agent has disconnectors that may be joined.
func (tx *Tx) Awake(agent string) bool {
	return tx.kv.Get(bucketMeta, seekKey(agent)) != nil && tx.Counters(agent)[CountDisconnector] > 0
}

// BeginSeeking notes that a synchronization begins to look at all disconnectors of an
// agent.
func (tx *Tx) BeginSeeking(agent string) error {
	if tx.kv.Get(bucketMeta, ambiguousKey(agent)) != nil {
		if err := tx.kv.Delete(bucketMeta, ambiguousKey(agent)); err != nil {
			return err
		}
	}
	if tx.kv.Get(bucketMeta, seekKey(agent)) == nil {
		return nil
	}
	return tx.kv.Put(bucketMeta, seekKey(agent), []byte{seekServed})
}

// EndSeeking notes that it has looked at all of them. What came meanwhile counts.
func (tx *Tx) EndSeeking(agent string) error {
	if data := tx.kv.Get(bucketMeta, seekKey(agent)); len(data) == 1 && data[0] == seekServed {
		return tx.kv.Delete(bucketMeta, seekKey(agent))
	}
	return nil
}

// NoteAmbiguous notes that several metaverse objects matched a disconnector of an
// agent: also one that goes may be what it waits for.
func (tx *Tx) NoteAmbiguous(agent string) error {
	if tx.kv.Get(bucketMeta, ambiguousKey(agent)) != nil {
		return nil
	}
	tx.noteAmbiguous(agent, true)
	return tx.kv.Put(bucketMeta, ambiguousKey(agent), []byte{1})
}

// HasAmbiguous reports whether an agent has such disconnectors, as far as is known.
func (tx *Tx) HasAmbiguous(agent string) bool {
	has, known := tx.ambiguous[agent]
	if !known {
		has = tx.kv.Get(bucketMeta, ambiguousKey(agent)) != nil
		tx.noteAmbiguous(agent, has)
	}
	return has
}

// noteAmbiguous spares the store the question for each object. That a unit is undone
// does not matter: somebody is woken in vain.
func (tx *Tx) noteAmbiguous(agent string, has bool) {
	if tx.ambiguous == nil {
		tx.ambiguous = map[string]bool{}
	}
	tx.ambiguous[agent] = has
}
