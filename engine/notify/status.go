package notify

import (
	"time"

	"github.com/metasync/metasync/engine/store"
)

// A Status is how the messages are doing. Its JSON form is the public one.
type Status struct {
	Queued    int             `json:"queued"`
	Sent      uint64          `json:"sent"`
	Failed    uint64          `json:"failed"`  // attempts
	Dropped   uint64          `json:"dropped"` // messages that were too old, or too many
	Oldest    time.Time       `json:"oldest,omitzero"`
	LastError string          `json:"lastError,omitempty"` // of a channel that has not worked since
	Channels  []ChannelStatus `json:"channels"`
	Incidents []Incident      `json:"incidents"` // that are open
}

// A ChannelStatus is how one channel is doing.
type ChannelStatus struct {
	Channel   string    `json:"channel"`
	Queued    int       `json:"queued"`
	Sent      uint64    `json:"sent"`
	Failed    uint64    `json:"failed"`
	Dropped   uint64    `json:"dropped"`
	Oldest    time.Time `json:"oldest,omitzero"` // when the oldest message that waits was made
	LastSent  time.Time `json:"lastSent,omitzero"`
	LastError string    `json:"lastError,omitempty"`
}

// Status tells what waits and what is open.
func (n *Notifier) Status() (Status, error) {
	settings := n.current()
	s := Status{Channels: []ChannelStatus{}, Incidents: []Incident{}}
	s.Incidents = append(s.Incidents, n.Incidents()...)
	err := n.store.View(func(r store.Reader) error {
		for _, c := range n.channels(&settings) {
			known, err := readChannel(r, c.key())
			if err != nil {
				return err
			}
			status := ChannelStatus{
				Channel: c.name(), Sent: known.Sent, Failed: known.Failed, Dropped: known.Dropped,
				LastSent: known.LastSent, LastError: known.LastError,
			}
			for _, value := range r.Scan(bucketOutbox, channelPrefix(c.key()), nil) {
				if status.Queued++; status.Queued > 1 {
					continue
				}
				if m, err := decodeMessage(value); err == nil {
					status.Oldest = m.Created
				}
			}
			s.add(status)
		}
		return nil
	})
	return s, err
}

// Incidents returns the open incidents, in the order of kind, agent and name.
func (n *Notifier) Incidents() []Incident {
	var list []Incident
	for _, known := range n.incidents() {
		i := known.Incident
		i.ID = idOf(known.key())
		list = append(list, i)
	}
	return list
}

// add adds a channel to the sums.
func (s *Status) add(c ChannelStatus) {
	s.Channels = append(s.Channels, c)
	s.Queued += c.Queued
	s.Sent += c.Sent
	s.Failed += c.Failed
	s.Dropped += c.Dropped
	if !c.Oldest.IsZero() && (s.Oldest.IsZero() || c.Oldest.Before(s.Oldest)) {
		s.Oldest = c.Oldest
	}
	if s.LastError == "" {
		s.LastError = c.LastError
	}
}
