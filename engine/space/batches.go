package space

import (
	"github.com/metasync/metasync/engine/store"
)

// turn is after how many batches other writers have their turn.
const turn = 4

// Batches calls fn with one transaction after the other until it returns false,
// and commits each. While one is being committed, fn already computes the next: it
// sees the changes of all transactions before its own. The first error, of fn or
// of a commit, ends it; what fn changed in that call is then lost, transactions
// before it are committed. When Batches returns nil, everything is durable.
//
// Other writers have to wait, now and then they have their turn in between. fn
// must not wait for anything slow.
func (s *Space) Batches(fn func(*Tx) (more bool, err error)) error {
	var p pipeline
	s.writer.Lock()
	defer s.writer.Unlock()
	for n := 1; ; n++ {
		more, err := p.batch(s, fn)
		if err != nil || !more {
			if waitErr := p.wait(); err == nil {
				err = waitErr
			}
			return err
		}
		if n%turn == 0 {
			if err := p.wait(); err != nil {
				return err
			}
			s.writer.Unlock()
			s.writer.Lock() // others have come in between
		}
	}
}

// A pipeline has at most one transaction on its way to the store.
type pipeline struct {
	committing *store.Buffer // what it writes, nil if nothing is on its way
	done       chan error
}

// batch computes one transaction and sends it on its way.
func (p *pipeline) batch(s *Space, fn func(*Tx) (bool, error)) (more bool, err error) {
	var tx *Tx
	defer func() {
		if recovered := recover(); recovered != nil {
			p.wait() // fn panicked: leave nobody behind who writes
			panic(recovered)
		}
	}()
	err = s.store.View(func(base store.Reader) error {
		if p.committing != nil {
			// base may lack what is on its way, but not what was before it.
			p.committing.Rebase(base)
			base = p.committing
		}
		tx = s.begin(base)
		if more, err = fn(tx); err != nil {
			return err
		}
		return tx.finish()
	})
	if waitErr := p.wait(); waitErr != nil {
		return false, waitErr
	}
	if err != nil || tx.kv.Len() == 0 {
		return more, err
	}
	p.committing, p.done = tx.kv, make(chan error, 1)
	go func(kv *store.Buffer, names int, done chan<- error) {
		err := s.store.Update(func(to store.Tx) error {
			_, err := kv.WriteTo(to)
			return err
		})
		if err == nil {
			s.names.committed(names)
		}
		done <- err
	}(tx.kv, tx.namesSaved, p.done)
	return more, nil
}

// wait returns when nothing is on its way any more, with its error.
func (p *pipeline) wait() error {
	if p.committing == nil {
		return nil
	}
	p.committing = nil
	return <-p.done
}
