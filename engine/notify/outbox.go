package notify

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/store"
)

const (
	bucketOutbox    store.Bucket = "notify.outbox"    // channel 0 number: not before, message
	bucketIncidents store.Bucket = "notify.incidents" // kind 0 agent 0 name: record
	bucketChannels  store.Bucket = "notify.channels"  // channel: channelState
	bucketNotify    store.Bucket = "notify"           // the session, and the number of the next message
)

// The bounds of the outbox.
const (
	maxQueued = 1000               // messages of a channel; the oldest one gives way
	maxAge    = 7 * 24 * time.Hour // after which a message tells nobody anything any more
	maxDigest = 100                // messages in one digest
)

// A message waits for its channel. For mail it has one recipient, so that one address
// that is refused keeps it from nobody else.
type message struct {
	ID       string          `json:"id"`               // stable over all attempts
	Thread   string          `json:"thread,omitempty"` // the ID of the message that opened the incident
	To       string          `json:"to,omitempty"`
	Subject  string          `json:"subject"`
	Text     string          `json:"text,omitempty"`
	HTML     string          `json:"html,omitempty"` // a part of a page
	Payload  json.RawMessage `json:"payload,omitempty"`
	Created  time.Time       `json:"created"`
	Attempts int             `json:"attempts,omitempty"`
	Digest   int             `json:"digest,omitempty"` // how many messages it was made of
}

// channelState is what is remembered of a channel.
type channelState struct {
	Sent      uint64    `json:"sent"`
	Failed    uint64    `json:"failed"`  // attempts
	Dropped   uint64    `json:"dropped"` // messages that were never sent
	Told      uint64    `json:"told"`    // of Dropped, how many somebody was told of
	LastError string    `json:"lastError,omitempty"`
	LastSent  time.Time `json:"lastSent,omitzero"`
}

// newID returns what identifies a message for good.
func newID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func channelPrefix(channel string) []byte { return []byte(channel + "\x00") }

// decodeMessage reads an entry of the outbox.
func decodeMessage(value []byte) (*message, error) {
	m := &message{}
	if len(value) < 8 {
		return nil, fmt.Errorf("a message of the outbox is cut short")
	}
	if err := json.Unmarshal(value[8:], m); err != nil {
		return nil, fmt.Errorf("read a message of the outbox: %w", err)
	}
	return m, nil
}

// notBefore returns when an entry of the outbox may be sent.
func notBefore(value []byte) time.Time {
	if len(value) < 8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(value)))
}

// putMessage stores a message under a key.
func putMessage(tx store.Tx, key []byte, m *message, at time.Time) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Put(bucketOutbox, key, append(binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())), data...))
}

// enqueue adds a message to the queue of a channel. If that is full, the oldest
// messages give way.
func enqueue(tx store.Tx, channel string, m *message, at time.Time) error {
	number := uint64(1)
	if data := tx.Get(bucketNotify, []byte("next")); len(data) == 8 {
		number = binary.BigEndian.Uint64(data)
	}
	if err := tx.Put(bucketNotify, []byte("next"), binary.BigEndian.AppendUint64(nil, number+1)); err != nil {
		return err
	}
	var keys [][]byte
	for key := range tx.Scan(bucketOutbox, channelPrefix(channel), nil) {
		keys = append(keys, append([]byte(nil), key...))
	}
	if excess := len(keys) - maxQueued + 1; excess > 0 {
		if err := drop(tx, channel, keys[:excess]); err != nil {
			return err
		}
	}
	return putMessage(tx, binary.BigEndian.AppendUint64(channelPrefix(channel), number), m, at)
}

// drop removes messages that were not sent, and counts them.
func drop(tx store.Tx, channel string, keys [][]byte) error {
	for _, key := range keys {
		if err := tx.Delete(bucketOutbox, key); err != nil {
			return err
		}
	}
	return updateChannel(tx, channel, func(s *channelState) { s.Dropped += uint64(len(keys)) })
}

func readChannel(r store.Reader, channel string) (channelState, error) {
	var s channelState
	data := r.Get(bucketChannels, []byte(channel))
	if data == nil {
		return s, nil
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("read the state of a channel: %w", err)
	}
	return s, nil
}

func updateChannel(tx store.Tx, channel string, change func(*channelState)) error {
	s, err := readChannel(tx, channel)
	if err != nil {
		return err
	}
	change(&s)
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Put(bucketChannels, []byte(channel), data)
}

// A queued message is one that may be sent now.
type queued struct {
	key []byte
	*message
}

// next returns the oldest message of a channel that may be sent now, or when to look
// again; the zero time if the queue is empty. Messages that are too old, or cannot
// be read, are dropped.
func (n *Notifier) next(channel string, now time.Time) (q queued, again time.Time, err error) {
	var expired [][]byte
	err = n.store.View(func(r store.Reader) error {
		for key, value := range r.Scan(bucketOutbox, channelPrefix(channel), nil) {
			at := notBefore(value)
			if at.After(now) {
				if again.IsZero() || at.Before(again) {
					again = at
				}
				continue
			}
			m, err := decodeMessage(value)
			key = append([]byte(nil), key...)
			if err != nil || now.Sub(m.Created) > maxAge {
				expired = append(expired, key)
				continue
			}
			q = queued{key, m}
			return nil
		}
		return nil
	})
	if err == nil && len(expired) > 0 {
		n.log.Warn("messages are dropped: they are too old to be sent, or damaged", "channel", channel, "count", len(expired))
		err = n.store.Update(func(tx store.Tx) error { return drop(tx, channel, expired) })
	}
	return q, again, err
}

// gather puts the messages that wait for the same recipient into the one that is
// about to be sent.
func (n *Notifier) gather(channel string, first queued) (queued, error) {
	if first.Attempts > 0 || first.Digest > 0 {
		return first, nil
	}
	merged := *first.message
	err := n.store.Update(func(tx store.Tx) error {
		var keys [][]byte
		var list []*message
		for key, value := range tx.Scan(bucketOutbox, channelPrefix(channel), first.key) {
			m, err := decodeMessage(value)
			if err != nil {
				return err
			}
			if m.To == first.To && m.Attempts == 0 && m.Digest == 0 {
				list = append(list, m)
				keys = append(keys, append([]byte(nil), key...))
			}
			if len(list) == maxDigest {
				break
			}
		}
		if len(list) < 2 {
			return nil
		}
		merged = digestOf(list)
		for _, key := range keys {
			if err := tx.Delete(bucketOutbox, key); err != nil {
				return err
			}
		}
		return putMessage(tx, first.key, &merged, time.Unix(0, 0))
	})
	return queued{first.key, &merged}, err
}

// digestOf makes one message of several.
func digestOf(list []*message) message {
	d := message{ID: newID(), To: list[0].To, Created: list[0].Created, Digest: len(list)}
	d.Subject = fmt.Sprintf("%d messages: ", len(list))
	d.Text = fmt.Sprintf("%d messages:\n\n", len(list))
	for i, m := range list {
		if i > 0 {
			d.Subject += "; "
		}
		d.Subject += m.Subject
		d.Text += "- " + m.Subject + "\n"
	}
	d.Subject = line(d.Subject, maxSubject)
	for i, m := range list {
		d.Text += "\n----------\n\n" + m.Text
		if i > 0 {
			d.HTML += pageRule
		}
		d.HTML += m.HTML
	}
	return d
}

// sent removes a message that its channel has accepted. If others were dropped since
// something was sent, a message says so.
func (n *Notifier) sent(channel string, q queued, now time.Time) error {
	return n.store.Update(func(tx store.Tx) error {
		if err := tx.Delete(bucketOutbox, q.key); err != nil {
			return err
		}
		lost := uint64(0)
		err := updateChannel(tx, channel, func(s *channelState) {
			s.Sent++
			s.LastSent, s.LastError = now, ""
			lost, s.Told = s.Dropped-s.Told, s.Dropped
		})
		if err != nil || lost == 0 {
			return err
		}
		m, err := lossMessage(q.message, lost, now)
		if err != nil {
			return err
		}
		return enqueue(tx, channel, m, now)
	})
}

// failed keeps a message that its channel has not accepted, not to be sent before a
// time.
func (n *Notifier) failed(channel string, q queued, cause string, at time.Time) error {
	q.Attempts++
	return n.store.Update(func(tx store.Tx) error {
		if tx.Get(bucketOutbox, q.key) != nil { // else it has given way to a newer one
			if err := putMessage(tx, q.key, q.message, at); err != nil {
				return err
			}
		}
		return updateChannel(tx, channel, func(s *channelState) {
			s.Failed++
			s.LastError = cause
		})
	})
}
