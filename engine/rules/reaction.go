package rules

import (
	"context"
	"errors"
	"fmt"

	"github.com/metasync/metasync/engine/expr"
	"github.com/metasync/metasync/engine/fault"
)

// What a function of an extension may return instead of an answer (sync-engine
// §9.3). Each may be wrapped, with a text for the administrator.
var (
	// ErrDeclineMapping skips a flow: its target stays as it is. Only flows may
	// return it; from any other function it is an exception.
	ErrDeclineMapping = errors.New("the extension declines the mapping")

	// ErrUnexpectedData fails the object as extension-unexpected-attribute-value.
	ErrUnexpectedData = errors.New("unexpected data")

	// ErrEntryPointNotImplemented fails the object as
	// extension-entry-point-not-implemented.
	ErrEntryPointNotImplemented = errors.New("the extension does not have this function")

	// ErrTypeNotSet fails the object as extension-projection-object-type-not-set: it
	// is to be projected, and nobody says to which type. Only Project may return it.
	ErrTypeNotSet = errors.New("the extension projects the object, and names no metaverse type")

	// ErrTerminateRun ends the step as stopped-user-termination-from-extension.
	// The object is left as it was; those before it keep what was done to them.
	ErrTerminateRun = errors.New("the extension ended the run")
)

// TerminatedByExtension is the step result of [ErrTerminateRun].
const TerminatedByExtension = "stopped-user-termination-from-extension"

// Call calls a function of an extension and names what goes wrong as the run
// history does: the errors above, extension-dll-timeout for a deadline that
// passed, extension-dll-exception for a panic and for every error without a name
// of its own. A named error, such as one of provisioning that the function
// handed on, keeps its name. The error for a call that was cancelled wraps
// [context.Canceled].
func Call[T any](call func() (T, error)) (result T, err error) {
	defer func() {
		if v := recover(); v != nil {
			var none T
			result, err = none, fault.New("extension-dll-exception", "the extension panicked: %v", v)
		}
	}()
	if result, err = call(); err == nil {
		return result, nil
	}
	var none T
	return none, reaction(err)
}

// reaction gives an error of an extension its public name.
func reaction(err error) error {
	name := fault.Name(err)
	switch {
	case errors.Is(err, ErrTerminateRun):
		name = TerminatedByExtension
	case errors.Is(err, ErrUnexpectedData):
		name = "extension-unexpected-attribute-value"
	case errors.Is(err, ErrEntryPointNotImplemented):
		name = "extension-entry-point-not-implemented"
	case errors.Is(err, ErrTypeNotSet):
		name = "extension-projection-object-type-not-set"
	case errors.Is(err, ErrDeclineMapping):
		name = "extension-dll-exception"
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("call of an extension: %w", err)
	case name != "":
		return err
	case errors.Is(err, context.DeadlineExceeded):
		name = "extension-dll-timeout"
	default:
		name = "extension-dll-exception"
	}
	named := &fault.Error{Name: name, Err: err}
	var inner *fault.Error
	if errors.As(err, &inner) {
		// What the script said, and where.
		named.Position, named.Text, named.Hint, named.Err = inner.Position, inner.Text, inner.Hint, inner.Err
	}
	return named
}

// callFlow calls a flow of an extension like [Call]. [ErrDeclineMapping] is a
// flow that declined.
func callFlow(ctx context.Context, flow Flower, source Entry) (expr.Value, error) {
	return Call(func() (expr.Value, error) {
		v, err := flow(ctx, source)
		if errors.Is(err, ErrDeclineMapping) {
			return expr.OfLiteral(expr.IgnoreThisFlow), nil
		}
		return v, err
	})
}
