package modules

import (
	"database/sql"
	"errors"
	"sync"

	"github.com/metasync/metasync/internal/sqlconn"
)

// A database is one that was declared. Its pools are opened when they are first used,
// and shared by all workers of a generation.
type database struct {
	name   string
	source *sqlconn.Source
	write  bool

	mu     sync.Mutex
	pools  map[sqlconn.Access]*sql.DB
	closed bool
}

var errDisconnected = errors.New("these scripts are no longer in use")

// pool returns the pool for reading or that for writing.
func (d *database) pool(access sqlconn.Access) (*sql.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errDisconnected
	}
	db := d.pools[access]
	if db == nil {
		db = d.source.Open(access)
		if d.pools == nil {
			d.pools = map[sqlconn.Access]*sql.DB{}
		}
		d.pools[access] = db
	}
	return db, nil
}

func (d *database) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, db := range d.pools {
		_ = db.Close() // what was done was committed or is not wanted
	}
}
