// Package database watches databases for triggers: what a query returns, and what
// PostgreSQL notifies of.
package database

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/internal/sqlconn"
)

// How often a query is asked unless the trigger says otherwise: with notifications it
// is only there for those that were lost.
const (
	defaultEvery  = 30 * time.Second
	listenedEvery = 10 * time.Minute
)

// Bounds of an answer: it stands for a change, and is not the data.
const (
	queryTime = 30 * time.Second
	maxRows   = 10_000
	maxBytes  = 16 << 20
)

var errTooMuch = errors.New("the answer is too large: ask for what tells that something has changed, such as a greatest version")

// Watch returns what a trigger listens to. It connects to nothing yet.
//
// With a query, something has happened when its answer is another one than the last
// time: the mark is its digest, so nothing is missed or told twice over a restart. A
// channel has the query asked at once when it is notified. Without a query every
// notification counts, and so does the begin of listening, for what was told before is
// lost.
func Watch(source *sqlconn.Source, w autosync.SQLWatch) *autosync.External {
	return &autosync.External{
		Kind: "sql", Text: fmt.Sprintf("sql %q %q %q", w.Connection, w.Query, w.Listen),
		Watch: func(ctx context.Context, since []byte, skip bool, report func([]byte, bool)) error {
			l := &listener{source: source, watch: w, since: since, skip: skip, report: report}
			return l.run(ctx)
		},
	}
}

// A listener is one time that a database is watched, until it fails.
type listener struct {
	source *sqlconn.Source
	watch  autosync.SQLWatch
	since  []byte
	skip   bool
	report func(mark []byte, happened bool)
	db     *sql.DB
}

func (l *listener) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan struct{}, 1)
	lost := make(chan error, 1)
	if l.watch.Listen == "" {
		heard <- struct{}{} // look at once
	} else {
		ended := make(chan struct{})
		defer func() { cancel(); <-ended }()
		go func() {
			defer close(ended)
			lost <- l.source.Listen(ctx, l.watch.Listen, func() {
				select {
				case heard <- struct{}{}:
				default:
				}
			})
		}()
	}
	if l.watch.Query != "" {
		l.db = l.source.Open(sqlconn.ReadOnly)
		defer l.db.Close()
	}
	every := l.watch.Every
	switch {
	case every > 0:
	case l.watch.Listen != "":
		every = listenedEvery
	default:
		every = defaultEvery
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-lost:
			return err
		case <-heard:
			if err := l.look(ctx); err != nil {
				return err
			}
		case <-timer.C:
			if l.db != nil {
				if err := l.look(ctx); err != nil {
					return err
				}
			}
		}
		timer.Reset(every)
	}
}

// look finds out whether something has happened, and reports it.
func (l *listener) look(ctx context.Context) error {
	mark := autosync.Heard()
	happened := !l.skip
	if l.db != nil {
		var err error
		if mark, err = l.ask(ctx); err != nil {
			return err
		}
		happened = happened && string(mark) != string(l.since)
	}
	l.skip, l.since = false, mark
	l.report(mark, happened)
	return nil
}

// ask returns the digest of what the query answers.
func (l *listener) ask(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	digest, err := l.digest(ctx)
	if errors.Is(err, errTooMuch) {
		return nil, err
	}
	return digest, l.source.Failed(ctx, err)
}

func (l *listener) digest(ctx context.Context) (digest []byte, err error) {
	tx, err := l.source.Begin(ctx, l.db)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rolledBack(tx)) }()
	rows, err := tx.QueryContext(ctx, l.watch.Query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	answer := sha256.New()
	scanner, err := l.source.Scan(rows)
	if err != nil {
		return nil, err
	}
	count, bytes := 0, 0
	for rows.Next() {
		values, size, err := scanner.Row()
		if err != nil {
			return nil, err
		}
		if count, bytes = count+1, bytes+size; count > maxRows || bytes > maxBytes {
			return nil, errTooMuch
		}
		for _, v := range values {
			text := fmt.Sprint(v)
			if at, ok := v.(time.Time); ok {
				text = at.UTC().Format(time.RFC3339Nano)
			}
			fmt.Fprintf(answer, "%T %d %s\n", v, len(text), text)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return answer.Sum(nil), nil
}

func rolledBack(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}
