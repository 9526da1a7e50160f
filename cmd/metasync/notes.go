package main

import (
	"fmt"

	"github.com/metasync/metasync/engine/fault"
)

// printNotes tells what could not be converted as it is.
func (a *app) printNotes(notes []*fault.Error) {
	for _, n := range notes {
		shown := *n
		shown.Name, shown.Position.File = "", a.place(n.Position.File)
		at := shown.Position
		shown.Position = fault.Position{}
		fmt.Fprintf(a.stderr, "%s: note: %s\n", at, oneLine(shown.Error()))
	}
}

// noteTexts returns the notes of a conversion as --json prints them.
func (a *app) noteTexts(notes []*fault.Error) []string {
	texts := make([]string, len(notes))
	for i, n := range notes {
		shown := *n
		shown.Position.File = a.place(n.Position.File)
		texts[i] = shown.Error()
	}
	return texts
}
