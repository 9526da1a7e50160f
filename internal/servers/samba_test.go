//go:build unix && samba

package servers

import "testing"

func TestSamba(t *testing.T) {
	s := For(t, Samba)
	lives(t, s.Server)
}
