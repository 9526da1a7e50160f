package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

// History is the run history, as [run.History] keeps it.
type History interface {
	// Records yields the records of all runs with a number above after.
	Records(after uint64) iter.Seq2[*run.Record, error]
	// Last returns the newest records, the newest first.
	Last(limit int) ([]*run.Record, error)
}

var _ History = (*run.History)(nil)

// session is remembered from the beginning of Run to its end.
type session struct {
	Open  bool   `json:"open"`  // there was no end: the process has died
	First uint64 `json:"first"` // the last run before the session
}

var keySession = []byte("session")

// begin looks up what ran in a session that had no end. A run may have ended and its
// event not been stored. As with everything that a crash leaves behind, the facts
// decide: the last run of each profile is what counts.
func (n *Notifier) begin() error {
	if n.history == nil {
		return nil
	}
	var last session
	err := n.store.View(func(r store.Reader) error {
		data := r.Get(bucketNotify, keySession)
		if data == nil {
			return nil
		}
		return json.Unmarshal(data, &last)
	})
	if err != nil {
		return fmt.Errorf("read the last session: %w", err)
	}
	newest, err := n.history.Last(1)
	if err != nil {
		return err
	}
	next := session{Open: true}
	if len(newest) > 0 {
		next.First = newest[0].Run
	}
	if last.Open {
		ended := map[string]*run.Record{}
		for r, err := range n.history.Records(last.First) {
			if err != nil {
				return err
			}
			if r.Result != run.InProgress {
				ended[r.Agent+"\x00"+r.Profile] = r
			}
		}
		list := slices.SortedFunc(maps.Values(ended), func(a, b *run.Record) int { return cmp.Compare(a.Run, b.Run) })
		exists := n.current().Exists
		for _, r := range list {
			e := RunEnded(r)
			if exists == nil || exists(Incident{Kind: e.Kind, Agent: e.Agent, Name: e.Name}) { // else somebody did it by hand
				n.Post(e)
			}
		}
	}
	return n.putSession(next)
}

// end says that nothing is left to look up.
func (n *Notifier) end() error {
	if n.history == nil {
		return nil
	}
	return n.putSession(session{})
}

func (n *Notifier) putSession(s session) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return n.store.Update(func(tx store.Tx) error { return tx.Put(bucketNotify, keySession, data) })
}
