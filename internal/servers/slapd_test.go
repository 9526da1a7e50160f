//go:build unix && slapd

package servers

import "testing"

func TestOpenLDAP(t *testing.T) {
	s := For(t, OpenLDAP)
	lives(t, s.Server)
}
