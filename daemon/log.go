package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// bucketLog holds what happened and who did it, in the order of its keys, in the
// store of the history.
const bucketLog store.Bucket = "log"

// A Note is a line of the log: something that happened, or that somebody did. Its
// JSON form is the public one.
type Note struct {
	Number  uint64    `json:"number"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // an event, such as run.refused, or an act, such as pause
	Agent   string    `json:"agent,omitempty"`
	Profile string    `json:"profile,omitempty"`
	Run     uint64    `json:"run,omitempty"`
	Result  string    `json:"result,omitempty"`
	User    string    `json:"user,omitempty"` // who did it, if somebody did
	Text    string    `json:"text,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// A LogQuery chooses lines of the log.
type LogQuery struct {
	Limit int    `json:"limit,omitempty"` // the newest; 0 is all
	Agent string `json:"agent,omitempty"`
	Kind  string `json:"kind,omitempty"` // an event or an act; of run, all of its kinds
	Acts  bool   `json:"acts,omitempty"` // only what somebody did
	After uint64 `json:"after,omitempty"`
}

func (q LogQuery) wants(n *Note) bool {
	kind := q.Kind == "" || n.Kind == q.Kind || len(n.Kind) > len(q.Kind) && n.Kind[:len(q.Kind)+1] == q.Kind+"."
	return kind && (q.Agent == "" || n.Agent == q.Agent) && (!q.Acts || n.User != "")
}

var keyNextNote = []byte("next") // of bucketLog: the number of the next line

func noteKey(number uint64) []byte { return binary.BigEndian.AppendUint64([]byte("line/"), number) }

// note writes a line into the log.
func (d *Daemon) note(n Note) error {
	n.At = d.options.Now().UTC()
	n.Text = config.Redact(d.current().config.Secrets, n.Text)
	err := d.history.Update(func(tx store.Tx) error {
		n.Number = nextNote(tx)
		value, err := json.Marshal(n)
		if err != nil {
			return err
		}
		if err := tx.Put(bucketLog, keyNextNote, binary.BigEndian.AppendUint64(nil, n.Number+1)); err != nil {
			return err
		}
		return tx.Put(bucketLog, noteKey(n.Number), value)
	})
	if err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// did writes into the log that somebody did something, or failed to. That it cannot
// be written does not undo what was done.
func (d *Daemon) did(n Note, record *run.Record, err error) {
	if record != nil {
		n.Run, n.Result = record.Run, string(record.Result)
	}
	if err != nil {
		n.Text = strings.TrimPrefix(n.Text+": failed: "+err.Error(), ": ")
	}
	if err := d.note(n); err != nil {
		d.options.Log.Error("what somebody did cannot be written into the log", "did", n.Kind, "user", n.User, "err", err)
	}
}

func nextNote(r store.Reader) uint64 {
	if value := r.Get(bucketLog, keyNextNote); len(value) == 8 {
		return binary.BigEndian.Uint64(value)
	}
	return 1
}

// noteEvent writes an event into the log. Runs that did their work are in the run
// history already.
func (d *Daemon) noteEvent(e autosync.Event) {
	if e.Kind == autosync.RunStarted || e.Kind == autosync.RunCompleted {
		return
	}
	n := Note{Kind: string(e.Kind), Agent: e.Agent, Profile: e.Profile, Run: e.Run, Result: string(e.Result), Text: e.Reason, Until: e.Until}
	if e.Step != "" {
		n.Text = string(e.Step) + ": " + e.Reason
	}
	if e.Kind == autosync.AgentStopped && e.By != "" { // what a person did has a line of its own
		n.Text = strings.TrimPrefix(n.Text+", by "+e.By, ", ")
	}
	if e.Object != "" {
		n.Text = e.Object + ": " + n.Text
	}
	if err := d.note(n); err != nil {
		d.options.Log.Error("an event cannot be written into the log", "event", e.Kind, "err", err)
	}
}

// Log returns lines of the log, the newest first.
func (d *Daemon) Log(_ context.Context, q LogQuery) ([]Note, error) {
	notes := []Note{}
	err := d.history.View(func(r store.Reader) error {
		for number := nextNote(r) - 1; number > q.After && (q.Limit == 0 || len(notes) < q.Limit); number-- {
			value := r.Get(bucketLog, noteKey(number))
			if value == nil {
				break // pruned
			}
			var n Note
			if err := json.Unmarshal(value, &n); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
			if q.wants(&n) {
				notes = append(notes, n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return notes, nil
}

// logPage is how many lines are removed in one transaction.
const logPage = 1000

// pruneLog removes the lines from before a time.
func (d *Daemon) pruneLog(before time.Time) error {
	for {
		removed := 0
		err := d.history.Update(func(tx store.Tx) error {
			var old [][]byte
			for key, value := range tx.Scan(bucketLog, []byte("line/"), nil) {
				var n Note
				if err := json.Unmarshal(value, &n); err == nil && !n.At.Before(before) || len(old) == logPage {
					break
				}
				old = append(old, bytes.Clone(key))
			}
			removed = len(old)
			for _, key := range old {
				if err := tx.Delete(bucketLog, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || removed < logPage {
			return err
		}
	}
}
