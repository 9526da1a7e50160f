package rules

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

func TestCallNamesWhatGoesWrong(t *testing.T) {
	at := fault.Position{File: "a.js", Line: 3}
	tests := []struct {
		name string
		fail func() error
		want string
	}{
		{"plain", func() error { return errors.New("no") }, "extension-dll-exception"},
		{"panic", func() error { panic("no") }, "extension-dll-exception"},
		{"deadline", func() error { return context.DeadlineExceeded }, "extension-dll-timeout"},
		{"named", func() error { return fault.New("object-already-exists", "no") }, "object-already-exists"},
		{"unexpected data", func() error { return fmt.Errorf("age is negative: %w", ErrUnexpectedData) }, "extension-unexpected-attribute-value"},
		{"missing function", func() error { return ErrEntryPointNotImplemented }, "extension-entry-point-not-implemented"},
		{"end of the run", func() error { return ErrTerminateRun }, TerminatedByExtension},
		{"declined where nothing is mapped", func() error { return ErrDeclineMapping }, "extension-dll-exception"},
		{
			"with a name around it",
			func() error {
				return &fault.Error{Name: "extension-dll-exception", Position: at, Err: ErrTerminateRun}
			},
			TerminatedByExtension,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := Call(func() (int, error) { return 7, tt.fail() })
			if fault.Name(err) != tt.want || answer != 0 {
				t.Errorf("got %d, %v; want no answer and %s", answer, err, tt.want)
			}
		})
	}
	err := reaction(&fault.Error{Name: "extension-dll-exception", Position: at, Err: ErrUnexpectedData})
	if named := fault.As(err, ""); named.Position != at {
		t.Errorf("the place in the script got lost: %v", err)
	}
}

func TestCallKeepsCancellation(t *testing.T) {
	_, err := Call(func() (bool, error) {
		return true, &fault.Error{Name: "extension-dll-timeout", Err: context.Canceled}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled call", err)
	}
}

func TestCallFlowDeclines(t *testing.T) {
	flow := func(context.Context, Entry) (expr.Value, error) {
		return expr.Str("x"), fmt.Errorf("not today: %w", ErrDeclineMapping)
	}
	if got, err := callFlow(t.Context(), flow, nil); err != nil || got.Literal() != expr.IgnoreThisFlow {
		t.Errorf("got %v, %v; want a flow that declined", got, err)
	}
}
