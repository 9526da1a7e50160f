package directory

import (
	"context"

	"github.com/metasync/metasync/engine/identity"
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

// A Modeler is a dialect whose attributes are not all as their definitions say.
type Modeler interface {
	// Virtual returns attributes that objects of some classes have in the eyes of the
	// engine, and the server has not. [Finisher] makes them, [Rewriter] writes them.
	Virtual(classes map[string]bool) []identity.AttributeType

	// Attribute completes what is known of an attribute by its definition, or leaves it
	// out. configured says that the configuration names it.
	Attribute(s *Server, k *Kind, syntax string, configured bool, a *identity.AttributeType) (keep bool)

	// Codec returns how values of an attribute are read and written, nil if that is as
	// its type is.
	Codec(a *identity.AttributeType, name, syntax string) *Codec
}

// A Codec reads and writes values in a way of their own. A value that is none of the
// attribute is read as the zero Value.
type Codec struct {
	Parse  func(raw []byte) (identity.Value, error)
	Format func(v identity.Value) (string, error)
}

// A Finisher is a dialect whose entries are not complete as they are found.
type Finisher interface {
	// Finish completes entries by what their search did not deliver.
	Finish(ctx context.Context, c *ldapconn.Conn, s *Server, entries []ldapconn.Entry) error
}

// A Rewriter is a dialect that writes some attributes otherwise than by a modification
// of their name.
type Rewriter interface {
	// NewEntry completes the content of a new entry. A password that had to be withheld
	// is not in it; refused names what is not written for that reason, too.
	NewEntry(k *Kind, content []Modification, withheld bool) (complete []Modification, refused []string, err error)

	// Update takes from modifications what has to be written otherwise. If that is
	// anything, after writes it once the rest is done; refused names what the server
	// did not take, and err says why.
	Update(k *Kind, mods []Modification) (rest []Modification, after After, err error)

	// Settled reports whether an entry is as a modification of one value wants it,
	// which the server has refused.
	Settled(ctx context.Context, c *ldapconn.Conn, k *Kind, dn string, m Modification, why error) bool
}

// After writes what follows the modifications of an entry.
type After func(ctx context.Context, c *ldapconn.Conn, dn string) (refused []string, err error)

// An Interpreter is a dialect whose servers say more than a code.
type Interpreter interface {
	// Interpret returns the name of an answer, "" if the code says enough, and what to do
	// about it, "" if nobody knows. connecting says that it answers a bind.
	Interpret(err error, connecting bool) (name, hint string)
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
