package sqlconn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrCannotListen is the error of [Source.Listen] about a database that does not tell
// of changes.
var ErrCannotListen = errors.New("only postgres notifies")

const (
	closeWait = 5 * time.Second  // for a connection to end
	aliveWait = 5 * time.Minute  // without a word, after which a connection is tried
	aliveTest = 10 * time.Second // for the answer
)

// Listen listens on a channel of PostgreSQL until ctx is done or the connection is
// lost. It calls heard once it listens, for what was told before is lost, and then for
// every notification. The error is why it ended, without what is secret.
func (s *Source) Listen(ctx context.Context, channel string, heard func()) error {
	if s.driver != Postgres {
		return ErrCannotListen
	}
	err := s.listen(ctx, channel, heard)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Failed(ctx, err)
}

func (s *Source) listen(ctx context.Context, channel string, heard func()) error {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return errMalformed
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		_ = conn.Close(closing) // nothing is left to be said
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	heard()
	for {
		waiting, cancel := context.WithTimeout(ctx, aliveWait)
		_, err := conn.WaitForNotification(waiting)
		quiet := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			heard()
		case !quiet:
			return err
		default:
			// A connection that a firewall has forgotten says nothing for ever.
			testing, cancel := context.WithTimeout(ctx, aliveTest)
			err := conn.Ping(testing)
			cancel()
			if err != nil {
				return fmt.Errorf("the connection is lost: %w", err)
			}
		}
	}
}
