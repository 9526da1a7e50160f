package console

import (
	"github.com/metasync/metasync/engine/fault"
)

// A failure is an error as it crosses the socket.
type failure struct {
	Message string  `json:"message"` // the whole error in one text
	Named   []named `json:"named,omitempty"`
}

// A named is a *[fault.Error] as it crosses the socket.
type named struct {
	Name      string         `json:"name"`
	Text      string         `json:"text"`
	Hint      string         `json:"hint,omitempty"`
	Position  fault.Position `json:"position"`
	Agent     string         `json:"agent,omitempty"`
	Object    string         `json:"object,omitempty"`
	Attribute string         `json:"attribute,omitempty"`
	Rule      string         `json:"rule,omitempty"`
	Step      string         `json:"step,omitempty"`
}

// failureOf returns an error as it crosses the socket, nil for nil.
func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Message: err.Error()}
	if fault.Name(err) == "" {
		return f
	}
	for _, e := range fault.All(err) {
		f.Named = append(f.Named, named{
			Name: e.Name, Text: e.Detail(), Hint: e.Hint, Position: e.Position,
			Agent: e.Agent, Object: e.Object, Attribute: e.Attribute, Rule: e.Rule, Step: e.Step,
		})
	}
	return f
}

// err is the inverse of failureOf: an error with the same text, in which
// errors.As finds the same named errors.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	e := &remoteError{message: f.Message}
	for _, n := range f.Named {
		e.named = append(e.named, &fault.Error{
			Name: n.Name, Text: n.Text, Hint: n.Hint, Position: n.Position,
			Agent: n.Agent, Object: n.Object, Attribute: n.Attribute, Rule: n.Rule, Step: n.Step,
		})
	}
	return e
}

// A remoteError is an error of the daemon, in its client.
type remoteError struct {
	message string
	named   []error
}

func (e *remoteError) Error() string { return e.message }

func (e *remoteError) Unwrap() []error { return e.named }
