// Package fault holds the errors that administrators see.
//
// An [Error] carries the public name of what happened, as the run history of
// the field's engines has it (sync-engine §2.6-2.8, §3.11), and where: in a file,
// or on an object. Everything else about it is an ordinary error: it wraps its
// cause, and errors.As finds it.
//
// [New] and [Wrap] make one; fill in the place where it is known:
//
//	err := fault.New("invalid-attribute-value", "%q is no date", cell)
//	err.Attribute, err.Hint = "startDate", "write 2026-01-31"
//
// [Name] and [As] look into any error, and [All] takes one apart that joins several,
// as those of a configuration do. Names are those of the reference wherever it has
// one: people search for them, and an agent's error names the result of its step.
// Text and Hint are for people and may change.
//
// An Error may be shared, as an agent's that returns the same one for every call:
// copy it before adding to it.
package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Position is a place in a file that an administrator wrote. Line and Column
// count from 1; 0 means unknown.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns file:line:column, as far as they are known.
func (p Position) String() string {
	var parts []string
	if p.File != "" {
		parts = append(parts, p.File)
	}
	if p.Line > 0 {
		parts = append(parts, strconv.Itoa(p.Line))
		if p.Column > 0 {
			parts = append(parts, strconv.Itoa(p.Column))
		}
	}
	return strings.Join(parts, ":")
}

// IsZero reports whether nothing is known of the place.
func (p Position) IsZero() bool { return p == Position{} }

// An Error is a named error. Only Name is always set.
type Error struct {
	Name      string   // the public name, such as "parse-error"
	Text      string   // what is wrong, for the administrator
	Hint      string   // what to do about it, if we know
	Position  Position // where in a file
	Agent     string   // management agent
	Object    string   // DN or anchor of the object
	Attribute string
	Rule      string
	Step      string // algorithm step (sync-engine §3.1), such as "import-flow"
	Err       error  // the cause
}

// New returns a named error with a text for the administrator.
func New(name, format string, args ...any) *Error {
	return &Error{Name: name, Text: fmt.Sprintf(format, args...)}
}

// Wrap returns a named error around a cause.
func Wrap(name string, err error) *Error { return &Error{Name: name, Err: err} }

// Error returns the place, the name, the text and the cause in one line.
func (e *Error) Error() string {
	var parts []string
	if !e.Position.IsZero() {
		parts = append(parts, e.Position.String())
	}
	if e.Name != "" {
		parts = append(parts, e.Name)
	}
	if subject := e.subject(); subject != "" {
		parts = append(parts, subject)
	}
	if detail := e.Detail(); detail != "" {
		parts = append(parts, detail)
	}
	return strings.Join(parts, ": ")
}

// Detail returns the text and the cause without name and place. Causes that have nothing
// to say of their own cause, such as many answers of directory servers, end with a colon,
// which is left out.
func (e *Error) Detail() string {
	if e.Err == nil {
		return e.Text
	}
	cause := strings.TrimSuffix(e.Err.Error(), ": ")
	if e.Text == "" {
		return cause
	}
	return e.Text + ": " + cause
}

func (e *Error) subject() string {
	var parts []string
	for _, p := range []struct{ label, value string }{
		{"agent", e.Agent}, {"object", e.Object}, {"rule", e.Rule}, {"attribute", e.Attribute},
	} {
		if p.value != "" {
			parts = append(parts, p.label+" "+strconv.Quote(p.value))
		}
	}
	return strings.Join(parts, ", ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As returns the first [Error] in err's chain. Any other error comes back
// wrapped under the given name; nil stays nil.
func As(err error, name string) *Error {
	if err == nil {
		return nil
	}
	var named *Error
	if errors.As(err, &named) {
		return named
	}
	return Wrap(name, err)
}

// Name returns the public name in err's chain, "" if there is none.
func Name(err error) string {
	var named *Error
	if errors.As(err, &named) {
		return named.Name
	}
	return ""
}

// Suggest returns the candidate that text is most likely a misspelling of, the
// first of equally near ones, "" if none is near.
func Suggest(text string, candidates []string) string {
	best, bestDistance := "", min(len(text)/3+2, len(text))
	for _, c := range candidates {
		if strings.EqualFold(c, text) {
			return c
		}
		if d := distance(strings.ToLower(text), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of edits between a and b, a swap of neighbours
// counting as one.
func distance(a, b string) int {
	previous, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], previous[j-2]+1)
			}
		}
		previous, row = row, next
	}
	return row[len(b)]
}
