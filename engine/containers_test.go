package engine_test

import (
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine"
)

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
