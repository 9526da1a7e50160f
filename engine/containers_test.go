package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/store"
)

// TestNoSuchCapability checks that a definition which an agent cannot carry out is
// refused, and not found out by a run.
func TestNoSuchCapability(t *testing.T) {
	for _, tt := range []struct{ keys, want string }{
		{"containers: {include: ['OU=a']}", "containers have no meaning"},
		{"profiles: {all: [{type: export, full: true}]}", "has no full export"},
	} {
		w := closedWorld(t, strings.Replace(twoSystems, "alone: true", tt.keys, 1), rules.Functions{})
		err := w.tryOpen(store.NewMemory())
		var refused *fault.Error
		if !errors.As(err, &refused) || refused.Agent != "HR" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.keys, err)
		}
	}
}

// containers lists the containers of a system, for transcripts.
func (s *script) containers(args []string) (string, error) {
	q := engine.ContainerQuery{Agent: args[0]}
	if len(args) > 1 {
		q.Under = args[1]
	}
	views, err := s.engine.Containers(s.t.Context(), q)
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err), nil
	}
	var b strings.Builder
	for _, v := range views {
		fmt.Fprintf(&b, "%s: %d", v.DN, v.Objects)
		if !v.Included {
			b.WriteString(", excluded")
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
