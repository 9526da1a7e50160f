package guard

import (
	"context"
	"errors"
	"slices"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
)

// ReadObject implements agent.ObjectReader: an agent that does not answers
// errors.ErrUnsupported. What it reads is at most one object, and the caller's own
// page.
func (a *keptAgent) ReadObject(ctx context.Context, req agent.ObjectRequest, page *agent.Page) error {
	reader, reads := a.inner.(agent.ObjectReader)
	if !reads {
		return errors.ErrUnsupported
	}
	if err := a.start(); err != nil {
		return err
	}
	req.Schema, req.Required = ownSchema(req.Schema), slices.Clone(req.Required)
	answer := &agent.Page{} // the agent's own, in case that the call is left behind
	var unsure error
	err := a.call(ctx, "ReadObject", func() error {
		err := reader.ReadObject(ctx, req, answer)
		if errors.Is(err, errors.ErrUnsupported) || fault.Name(err) == missing {
			unsure, err = err, nil
		}
		return err
	}, nil)
	switch {
	case err != nil:
		return err
	case unsure != nil:
		return unsure
	case len(answer.Entries) > 1:
		return a.violation("ReadObject returned %d objects", len(answer.Entries))
	case len(answer.Entries) == 1 && req.Anchor != "" && answer.Entries[0].Anchor != req.Anchor:
		return a.violation("ReadObject returned another object, with the anchor %q", answer.Entries[0].Anchor)
	}
	*page = *answer
	return nil
}

// missing is the error of an agent that did not find an object and is not sure.
const missing = "cd-missing-object"
