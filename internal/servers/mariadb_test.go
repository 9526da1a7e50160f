//go:build unix && mariadb

package servers

import "testing"

func TestMariaDB(t *testing.T) {
	s := For(t, MariaDB)
	lives(t, s.Server)
}
