package engine_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/run"
)

// byHand carries out a command of a scenario that is an administrator's.
func (s *script) byHand(what string, args []string) (string, error) {
	m := engine.Manual{What: run.StepType(what), Agent: args[0], Key: args[1]}
	switch {
	case what == "join":
		n, err := strconv.ParseUint(args[2], 10, 48)
		if err != nil {
			return "", err
		}
		m.Metaverse = identity.NewID(0, n).String()
	case what == "project" && len(args) > 2:
		m.Type = args[2]
	case what == "disconnect" && len(args) > 2:
		m.Normal = args[2] == "normal"
	}
	s.now = s.now.Add(time.Minute)
	record, err := s.engine.ByHand(s.t.Context(), m, engine.Cause{Kind: "manual", User: "ada"})
	if err != nil {
		text := fmt.Sprintf("refused: %v\n", err)
		if named := fault.As(err, ""); named.Hint != "" {
			text += "  hint: " + named.Hint + "\n"
		}
		return text, nil
	}
	return showRecord(record), nil
}
