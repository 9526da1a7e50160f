package fault

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// A List is an error made of several: everything that is wrong with one thing,
// one per line. errors.As and errors.Is look at every one.
type List []*Error

// Error returns the texts of all errors, a line each.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Sort orders the errors by their places.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b *Error) int {
		return cmp.Or(
			strings.Compare(a.Position.File, b.Position.File),
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
		)
	})
}

// Err returns the list as an error, sorted; nil if it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	l.Sort()
	return l
}

// All takes an error apart: all named errors in it, sorted by their places. An
// error without a name comes back under "unexpected-error"; nil gives none.
func All(err error) List {
	var list List
	var gather func(error)
	gather = func(err error) {
		for e := err; e != nil; e = errors.Unwrap(e) {
			if named, ok := e.(*Error); ok {
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
		list = append(list, Wrap("unexpected-error", err))
	}
	if err != nil {
		gather(err)
	}
	list.Sort()
	return list
}
