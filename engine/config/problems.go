package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/fault"
)

// errorName is the public name of everything that can be wrong in a
// configuration.
const errorName = "invalid-configuration"

// problems is the error of [Load]: everything that is wrong, one per line.
type problems []*fault.Error

func (p problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is look at every problem.
func (p problems) Unwrap() []error {
	list := make([]error, len(p))
	for i, e := range p {
		list[i] = e
	}
	return list
}

// err returns the problems so far: sorted, each once, without secrets. It
// returns nil if there are none.
func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	for _, e := range l.problems {
		e.Text, e.Hint = Redact(l.secrets, e.Text), Redact(l.secrets, e.Hint)
	}
	sortProblems(l.problems)
	return slices.CompactFunc(l.problems, func(a, b *fault.Error) bool {
		return a.Position == b.Position && a.Error() == b.Error()
	})
}

// Errors takes an error of [Load] apart: all named errors in it, sorted by
// their place. An error without a name comes back as one that wraps it; nil
// gives none.
func Errors(err error) []*fault.Error {
	var list []*fault.Error
	var gather func(error)
	gather = func(err error) {
		for e := err; e != nil; e = errors.Unwrap(e) {
			if named, ok := e.(*fault.Error); ok {
				list = append(list, named)
				return
			}
			if joined, ok := e.(interface{ Unwrap() []error }); ok {
				for _, each := range joined.Unwrap() {
					gather(each)
				}
				return
			}
		}
		list = append(list, fault.Wrap(errorName, err))
	}
	if err != nil {
		gather(err)
	}
	sortProblems(list)
	return list
}

func sortProblems(list []*fault.Error) {
	slices.SortStableFunc(list, func(a, b *fault.Error) int {
		return cmp.Or(
			strings.Compare(a.Position.File, b.Position.File),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
		)
	})
}

// Redact replaces every secret in a text, also where the text holds it quoted
// as Go and JSON quote. Longer secrets go first, so that a secret which is part
// of another leaves nothing of it behind.
func Redact(secrets []string, text string) string {
	forms := make([]string, 0, 2*len(secrets))
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		quoted := strconv.Quote(secret)
		forms = append(forms, secret, quoted[1:len(quoted)-1])
	}
	if len(forms) == 0 {
		return text
	}
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, redacted)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// redacted stands where a secret stood.
const redacted = "[redacted]"
