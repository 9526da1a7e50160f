package space

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/store"
)

// An AgentState is what the engine remembers of an agent as a whole.
type AgentState struct {
	Watermark      []byte    `json:"watermark,omitempty"`      // of the last complete import
	Imported       bool      `json:"imported,omitempty"`       // a full import has been completed
	Containers     string    `json:"containers,omitempty"`     // see [PartitionState]
	Seen           bool      `json:"seen,omitempty"`           // an import has delivered objects
	Batch          uint64    `json:"batch,omitempty"`          // of the newest export step
	ConfirmedBatch uint64    `json:"confirmedBatch,omitempty"` // of the last export step that ended well
	Rules          string    `json:"rules,omitempty"`          // fingerprint of all rules of the last full synchronization, or resynchronization
	LastImport     time.Time `json:"lastImport,omitzero"`      // of the last import that came to its end
	LastExport     time.Time `json:"lastExport,omitzero"`

	// Inbound and Outbound say by which rules objects have last been synchronized
	// all, by their type: objects of the agent, and metaverse objects that are
	// connected with them. They are nil if a version wrote this that did not note
	// rules with objects.
	Inbound  map[string]Pass `json:"inbound,omitempty"`
	Outbound map[string]Pass `json:"outbound,omitempty"`

	// Configuration is that of the agent at its last full import, as a fingerprint;
	// "" if nobody knows.
	Configuration string `json:"configuration,omitempty"`

	// Stale: an export has met objects that no import has shown, or missed some that one
	// has, and no import has come to its end since.
	Stale bool `json:"stale,omitempty"`

	// Outnamed: an export has renamed objects, and references to them may still hold their
	// former names, which only a full import shows; see agent.Capabilities.ReferencesStay.
	Outnamed bool `json:"outnamed,omitempty"`

	// Held: something of the agent is held, approved or rejected, see package hold.
	Held bool `json:"held,omitempty"`

	// Partitions holds the watermarks of a system that is divided.
	Partitions map[string]PartitionState `json:"partitions,omitempty"`

	// Schema is that of the last complete import, for times when the system
	// cannot be asked.
	Schema *identity.Schema `json:"schema,omitempty"`
}

// A Pass is a complete synchronization of all objects of a type.
type Pass struct {
	Rules string `json:"rules"`
	Left  int    `json:"left,omitempty"` // objects that still have other rules: they have errors, or nobody could decide about them
}

// A PartitionState is what the engine remembers of one partition.
type PartitionState struct {
	Watermark []byte `json:"watermark,omitempty"` // of the last complete import
	Imported  bool   `json:"imported,omitempty"`  // a full import has been completed

	// Containers is the fingerprint of the containers that were read when it was
	// last read from its beginning to its end.
	Containers    string `json:"containers,omitempty"`
	Configuration string `json:"configuration,omitempty"` // see AgentState
}

// Partition returns the state of a partition; "" stands for a system that is not
// divided.
func (s *AgentState) Partition(name string) PartitionState {
	if name == "" {
		return PartitionState{s.Watermark, s.Imported, s.Containers, s.Configuration}
	}
	return s.Partitions[name]
}

// SetPartition sets what [AgentState.Partition] returns.
func (s *AgentState) SetPartition(name string, p PartitionState) {
	if name == "" {
		s.Watermark, s.Imported, s.Containers, s.Configuration = p.Watermark, p.Imported, p.Containers, p.Configuration
		return
	}
	if s.Partitions == nil {
		s.Partitions = map[string]PartitionState{}
	}
	s.Partitions[name] = p
}

// AgentState returns what is remembered of an agent.
func (tx *Tx) AgentState(agent string) (AgentState, error) {
	var state AgentState
	data := tx.kv.Get(bucketMeta, stateKey(agent))
	if data == nil {
		return state, nil
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return state, fmt.Errorf("state of agent %q: %w: %w", agent, identity.ErrCorrupt, err)
	}
	return state, nil
}

// SetAgentState remembers the state of an agent.
func (tx *Tx) SetAgentState(agent string, state AgentState) error {
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return tx.kv.Put(bucketMeta, stateKey(agent), data)
}

// Store returns the transaction as one of the store, for what others keep beside the
// objects in buckets of their own. What is written there lands together with the
// objects, or not at all.
func (tx *Tx) Store() store.Tx { return tx.kv }
