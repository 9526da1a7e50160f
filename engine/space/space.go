package space

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// A Space is all connector spaces and the metaverse of one store. It is safe
// for concurrent use; updates happen one after the other.
type Space struct {
	store store.Store
	names names

	registering sync.Mutex // one registration at a time

	edgesFrom atomic.Int64 // see edges.go

	writer sync.Mutex // held while a transaction is computed and committed

	mu     sync.RWMutex // guards the registrations, which change between runs only
	agents map[string]*registration
	bySpc  map[uint16]*registration
	index  Indexes
}

type registration struct {
	name   string
	number uint16
	naming Naming
	named  bool // naming was said since the store was opened
}

// Naming says how the objects of an agent are named.
type Naming struct {
	// Fold gives the text under which a DN is found; nil means the DN itself.
	Fold func(dn string) string

	// Container gives the text with which the folded DNs of everything below a
	// DN begin, "" if nothing can be below it; nil if names tell no containers.
	Container func(dn string) string

	// AnchorIsDN: the anchor is the DN, once there is one.
	AnchorIsDN bool
}

// Buckets of the store.
const (
	bucketMeta     store.Bucket = "meta-space" // agents, names, sequences, agent states
	bucketObject   store.Bucket = "object"     // id: record
	bucketAnchor   store.Bucket = "anchor"     // space, anchor: id, digest
	bucketDN       store.Bucket = "dn"         // space, folded DN: id; only for objects whose DN is not their anchor
	bucketValue    store.Bucket = "value"      // space, type, attribute, folded value, id
	bucketWork     store.Bucket = "work"       // list, id
	bucketBackref  store.Bucket = "backref"    // target id, owner id
	bucketEdge     store.Bucket = "edge"       // owner id, attribute, target id: see edges.go
	bucketEdgeBack store.Bucket = "edge-back"  // target id, owner id, attribute
	bucketWaiting  store.Bucket = "waiting"    // awaited id, owner id
	bucketRetry    store.Bucket = "retry"      // metaverse id
	bucketCount    store.Bucket = "count"      // space: counters
)

// Open reads what the store holds.
func Open(st store.Store) (*Space, error) {
	s := &Space{store: st, agents: map[string]*registration{}, bySpc: map[uint16]*registration{}}
	s.KeepEdges(defaultEdges)
	err := st.View(func(r store.Reader) error {
		if err := s.names.load(r); err != nil {
			return err
		}
		for key, value := range r.Scan(bucketMeta, []byte("agent/"), nil) {
			if len(value) != 2 {
				return fmt.Errorf("%w: agent %q", identity.ErrCorrupt, key)
			}
			s.register(string(key[len("agent/"):]), uint16(value[0])<<8|uint16(value[1]))
		}
		if data := r.Get(bucketMeta, []byte("indexes")); data != nil {
			return json.Unmarshal(data, &s.index)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open object space: %w", err)
	}
	return s, nil
}

func (s *Space) register(name string, number uint16) *registration {
	r := &registration{name: name, number: number}
	s.agents[name], s.bySpc[number] = r, r
	return r
}

// Register makes sure that an agent has a number, and says how its objects are
// named. An agent once registered keeps its number for ever.
func (s *Space) Register(agent string, naming Naming) error {
	s.registering.Lock()
	defer s.registering.Unlock()
	s.mu.RLock()
	known := s.agents[agent] != nil
	number := s.unused()
	s.mu.RUnlock()
	if !known {
		// Without mu: a transaction takes it within the store's lock.
		err := s.store.Update(func(tx store.Tx) error {
			return tx.Put(bucketMeta, []byte("agent/"+agent), []byte{byte(number >> 8), byte(number)})
		})
		if err != nil {
			return fmt.Errorf("register agent %q: %w", agent, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !known {
		s.register(agent, number)
	}
	s.agents[agent].naming, s.agents[agent].named = naming, true
	return nil
}

// AgentOf returns the name of the agent whose connector space holds the object,
// "" for metaverse objects.
func (s *Space) AgentOf(id identity.ID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.bySpc[id.Space()]; r != nil {
		return r.name
	}
	return ""
}

// Agents returns the names of all agents that were ever registered, ordered.
func (s *Space) Agents() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.agents))
}

// Number returns the number of an agent's connector space, 0 if the agent was
// never registered.
func (s *Space) Number(agent string) uint16 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.agents[agent]; r != nil {
		return r.number
	}
	return 0
}

// Update calls fn with a transaction and commits what its units changed. If fn
// returns an error or panics, nothing is changed.
func (s *Space) Update(fn func(*Tx) error) error {
	return s.Batches(func(tx *Tx) (bool, error) { return false, fn(tx) })
}

// View calls fn with a transaction over the current state. What fn changes is
// visible to it and thrown away afterwards.
func (s *Space) View(fn func(*Tx) error) error {
	return s.store.View(func(r store.Reader) error { return fn(s.begin(r)) })
}

func (s *Space) begin(base store.Reader) *Tx {
	s.mu.RLock()
	defer s.mu.RUnlock()
	tx := &Tx{
		space:      s,
		kv:         store.NewBuffer(base),
		index:      s.index,
		connectors: map[identity.ID]*Connector{},
		objects:    map[identity.ID]*Object{},
		sequences:  map[uint16]uint64{},
		counters:   map[uint16]*sums{},
	}
	tx.encoder.Names = &s.names
	tx.sources = func(attribute string, n int) identity.Source { return tx.edgesOf(tx.decoding, attribute, n) }
	return tx
}

// names is the table of codes for attribute names, object types and rules. It
// only grows; codes are saved with the first transaction that uses them.
type names struct {
	mu    sync.Mutex
	table atomic.Pointer[nameTable]
	saved int // how many codes the store has
}

type nameTable struct {
	names []string // by code
	codes map[string]uint64
}

func (n *names) load(r store.Reader) error {
	t := &nameTable{names: []string{""}, codes: map[string]uint64{"": 0}}
	for key, value := range r.Scan(bucketMeta, []byte("name/"), nil) {
		code := len(t.names)
		if string(key) != nameKey(code) {
			return fmt.Errorf("%w: name table: %q", identity.ErrCorrupt, key)
		}
		t.names = append(t.names, string(value))
		t.codes[string(value)] = uint64(code)
	}
	n.table.Store(t)
	n.saved = len(t.names)
	return nil
}

func nameKey(code int) string { return fmt.Sprintf("name/%08x", code) }

// Code implements [identity.Names].
func (n *names) Code(name string) uint64 {
	if code, ok := n.table.Load().codes[name]; ok {
		return code
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.table.Load()
	if code, ok := old.codes[name]; ok {
		return code
	}
	name = string([]byte(name)) // do not keep the record it was cut from
	t := &nameTable{names: append(old.names[:len(old.names):len(old.names)], name), codes: make(map[string]uint64, len(old.codes)+1)}
	for k, v := range old.codes {
		t.codes[k] = v
	}
	t.codes[name] = uint64(len(old.names))
	n.table.Store(t)
	return t.codes[name]
}

// Name implements [identity.Names].
func (n *names) Name(code uint64) (string, bool) {
	t := n.table.Load()
	if code >= uint64(len(t.names)) {
		return "", false
	}
	return t.names[code], true
}

// save writes the codes that the store does not have, and returns how many
// codes it has once the transaction is committed.
func (n *names) save(tx store.Tx) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.table.Load()
	for code := n.saved; code < len(t.names); code++ {
		if err := tx.Put(bucketMeta, []byte(nameKey(code)), []byte(t.names[code])); err != nil {
			return 0, err
		}
	}
	return len(t.names), nil
}

func (n *names) committed(saved int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.saved = max(n.saved, saved)
}
