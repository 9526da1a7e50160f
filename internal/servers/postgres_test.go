//go:build unix && postgres

package servers

import "testing"

func TestPostgres(t *testing.T) {
	s := For(t, Postgres)
	lives(t, s.Server)
}
