package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/engine/fault"
)

func at(line int, name string) *fault.Error {
	return &fault.Error{Name: name, Position: fault.Position{File: "f", Line: line}}
}

func TestList(t *testing.T) {
	if err := (fault.List{}).Err(); err != nil {
		t.Errorf("an empty list is the error %v", err)
	}
	second := at(2, "second")
	err := fault.List{second, at(1, "first")}.Err()
	if got, want := err.Error(), "f:1: first\nf:2: second"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, second) {
		t.Error("errors.Is does not find the second")
	}
}

func TestAll(t *testing.T) {
	a, b, c := at(1, "a"), at(2, "b"), at(3, "c")
	err := fmt.Errorf("outer: %w", errors.Join(c, errors.Join(b, fault.List{a}), errors.New("plain")))
	var names []string
	for _, e := range fault.All(err) {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"unexpected-error", "a", "b", "c"}, names); diff != "" {
		t.Error(diff)
	}
	if list := fault.All(nil); list != nil {
		t.Errorf("nil gives %v", list)
	}
}
