package spill

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// TestSpill: what was added comes back, in whatever order it is asked for, also
// when it no longer fits into memory; the file goes with the spill.
func TestSpill(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var s Spill
	random := rand.New(rand.NewPCG(1, 2))
	var kept []Span
	want := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d,", i), 1+i%4000) }
	for i := range 1500 {
		kept = append(kept, s.Add(want(i)))
		if i%7 == 0 {
			j := random.IntN(len(kept))
			if got := s.Get(kept[j]); !bytes.Equal(got, want(j)) {
				t.Fatalf("item %d of %d: %.20q, want %.20q", j, i, got, want(j))
			}
		}
	}
	huge := bytes.Repeat([]byte("x"), 2*size)
	last := s.Add(huge)
	s.Add([]byte("y"))
	if s.file == nil || s.err != nil {
		t.Fatalf("no file, error %v", s.err)
	}
	for i := range kept {
		if got := s.Get(kept[i]); !bytes.Equal(got, want(i)) {
			t.Fatalf("item %d: %.20q, want %.20q", i, got, want(i))
		}
	}
	if !bytes.Equal(s.Get(last), huge) {
		t.Error("an item larger than the memory came back as another")
	}
	name := s.file.Name()
	s.Close()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

// TestSpillFails: an error of the disk stays, and nothing comes back for
// something else.
func TestSpillFails(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	var s Spill
	first := s.Add(make([]byte, size))
	s.Add([]byte("more"))
	if s.err == nil {
		t.Fatal("no error")
	}
	if got := s.Get(first); len(got) != first.n {
		t.Errorf("%d bytes, want %d", len(got), first.n)
	}
}
