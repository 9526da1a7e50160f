package engine_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/hold"
)

// hold carries out a command of a scenario about what thresholds hold.
func (s *script) hold(command string, args []string) (string, error) {
	if command == "wait" {
		length, err := time.ParseDuration(args[0])
		s.late.Add(int64(length))
		return "", err
	}
	if command == "holds" {
		return s.showHolds()
	}
	v := engine.Verdict{Agent: args[0], Decision: hold.Decision{By: "ada", Reason: "as the test wants it"}}
	decide := s.engine.Approve
	if command == "reject" {
		decide = s.engine.Reject
	}
	for _, word := range args[1:] {
		switch word {
		case "raise":
			v.Raise = true
		case "limits":
			list, err := s.engine.ClearRaised(args[0])
			return fmt.Sprintf("%d taken back\n", len(list)), err
		default:
			v.Step = hold.Step(word)
		}
	}
	about, err := decide(v)
	if err != nil {
		return fmt.Sprintf("refused: %v\n", err), nil
	}
	var b strings.Builder
	for _, h := range about {
		fmt.Fprintf(&b, "%s %s\n", h.Step, hold.Text(h.Reasons))
	}
	return b.String(), nil
}

func (s *script) showHolds() (string, error) {
	var b strings.Builder
	list, err := s.engine.Holds("")
	if err != nil {
		return "", err
	}
	for _, h := range list {
		fmt.Fprintf(&b, "%s %s, %s: %s\n", h.Agent, h.Step, h.Profile, h.Text())
		for _, o := range h.Objects {
			fmt.Fprintf(&b, "  %s %s %s\n", o.Object, o.DN, o.What)
		}
	}
	raised, err := s.engine.RaisedLimits("")
	for _, r := range raised {
		fmt.Fprintf(&b, "%s raised: %s\n", r.Agent, r)
	}
	return b.String(), err
}
