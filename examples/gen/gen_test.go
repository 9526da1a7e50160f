package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommittedFilesAreGenerated(t *testing.T) {
	for name, want := range files() {
		got, err := os.ReadFile(filepath.Join("..", "quickstart", "data", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("examples/quickstart/data/%s is not what the generator writes: run go run ./examples/gen", name)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range files() {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: not written as generated (%v)", name, err)
		}
	}
	if err := write(filepath.Join(dir, "missing")); err == nil {
		t.Error("a folder that does not exist is no error")
	}
}

// The sample is only worth its size if it holds what the quickstart talks about.
func TestCompany(t *testing.T) {
	people := company(population)
	if len(people) != population {
		t.Fatalf("%d people, want %d", len(people), population)
	}

	var tops, managersBelow, left, withPhones, manyPhones, diacritics int
	names := map[string]int{}
	position := map[int]int{}
	for i, p := range people {
		position[p.id] = i
	}
	for i, p := range people {
		names[p.givenName+" "+p.sn]++
		switch {
		case p.manager == nil:
			tops++
		case people[position[p.manager.id]] != p.manager:
			t.Errorf("%d: the manager %d is not in the file", p.id, p.manager.id)
		case position[p.manager.id] > i:
			managersBelow++
		}
		for seen, m := 0, p.manager; m != nil; m = m.manager {
			if seen++; seen > 3 {
				t.Fatalf("%d: more than three managers above", p.id)
			}
		}
		if p.status == "left" {
			left++
			if p.rank < lead {
				t.Errorf("%d: left at the top of the company", p.id)
			}
		}
		if len(p.phones) > 0 {
			withPhones++
		}
		if len(p.phones) > 1 {
			manyPhones++
		}
		if strings.ContainsFunc(p.givenName+p.sn, func(r rune) bool { return r > 0x7f }) {
			diacritics++
		}
	}
	doubles := 0
	for _, n := range names {
		if n > 1 {
			doubles++
		}
	}
	for _, want := range []struct {
		what     string
		got, min int
	}{
		{"people without a manager", tops, 1},
		{"managers after their reports", managersBelow, 200},
		{"leavers", left, 20},
		{"people without a phone", population - withPhones, 50},
		{"people with several phones", manyPhones, 200},
		{"names with diacritics", diacritics, 500},
		{"full names that several people have", doubles, 20},
	} {
		if want.got < want.min {
			t.Errorf("%s: %d, want at least %d", want.what, want.got, want.min)
		}
	}
	if tops != 1 {
		t.Errorf("%d people without a manager, want 1", tops)
	}
}

func TestBadges(t *testing.T) {
	people := company(population)
	status := map[int]string{}
	for _, p := range people {
		status[p.id] = p.status
	}
	valid := map[int]int{}
	var invalid, visitors int
	for _, b := range badges(people) {
		switch {
		case !b.valid:
			invalid++
		case status[b.employeeID] == "":
			visitors++
		case status[b.employeeID] == "left":
			t.Errorf("badge %d of %d is valid, but its owner has left", b.id, b.employeeID)
		default:
			valid[b.employeeID]++
		}
	}
	for id, n := range valid {
		if n > 1 {
			t.Errorf("%d has %d valid badges; the join would be ambiguous", id, n)
		}
	}
	if invalid < 50 || visitors < 10 || len(valid) < population*8/10 {
		t.Errorf("%d invalid badges, %d of visitors, %d people with a badge: too few to show anything", invalid, visitors, len(valid))
	}
}
