package directory

import (
	"context"

	"github.com/metasync/metasync/internal/ldapconn"
)

// A Dialect is what a kind of directory server does in its own way. It is safe for
// concurrent use: what it learns of a server it finds in the [Server].
type Dialect interface {
	// Root returns the names of attributes of the root entry of a server that it shows
	// only to those who ask for them.
	Root() []string

	// Learn completes what is known of a server by the attribute that identifies its
	// entries.
	Learn(ctx context.Context, c *ldapconn.Conn, s *Server) error

	// Tracker returns how changes below a base are told, nil if they are not.
	Tracker(s *Server, base string) (Tracker, error)

	// Listen calls heard when the server has begun to tell of changes below a base, and
	// for every change, until the connection or ctx ends. An error that is named
	// no-start-change-log-not-enabled says that the server cannot tell.
	Listen(ctx context.Context, c *ldapconn.Conn, s *Server, base string, heard func()) error
}

// A Tracker tells what changed below a base.
type Tracker interface {
	// Method is the name of the way. It is part of watermarks.
	Method() string

	// Begin sets in w what later calls of Since go on from. Whatever changes after
	// that is told by them, what changed right before may be.
	Begin(ctx context.Context, c *ldapconn.Conn, w *Watermark) error

	// Since returns what changed, and sets in w what the next call goes on from. An
	// error that is named no-start-full-import-required says that it cannot tell.
	Since(ctx context.Context, c *ldapconn.Conn, w *Watermark) (ChangeSet, error)
}
