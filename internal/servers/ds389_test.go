//go:build unix && ds389

package servers

import "testing"

func TestDS389(t *testing.T) {
	s := For(t, DS389)
	lives(t, s.Server)
}
