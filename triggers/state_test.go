package triggers

import (
	"errors"
	"strconv"
	"testing"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/store"
)

// A trigger that makes up keys comes to an end; what it has, it can still change.
func TestStateIsBounded(t *testing.T) {
	st := store.NewMemory()
	s := &staged{state: newState(st, id{"HR", "poll"}, ofCheck)}
	for i := range autosync.MaxStateKeys {
		if err := s.Set(strconv.Itoa(i), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set("more", []byte("1")); !errors.Is(err, autosync.ErrStateFull) {
		t.Errorf("one key too many: %v", err)
	}
	if v, err := s.Get("more"); v != nil || err != nil {
		t.Errorf("it was kept: %q, %v", v, err)
	}
	if err := s.Set("7", []byte("2")); err != nil {
		t.Errorf("a known key: %v", err)
	}
	if err := (&staged{state: newState(st, id{"HR", "other"}, ofCheck)}).Set("more", []byte("1")); err != nil {
		t.Errorf("another trigger: %v", err)
	}
	if err := s.Set("7", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Get("7"); v != nil || err != nil {
		t.Errorf("a removed key: %q, %v", v, err)
	}
	if err := s.Set("more", []byte("1")); err != nil {
		t.Errorf("after one was removed: %v", err)
	}
}

// What a controller or a listener keeps is durable at once.
func TestStateOfHooks(t *testing.T) {
	st := store.NewMemory()
	if err := StateOf(st, "controller", "AD").Set("seen", []byte("7")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"AD": "7", "HR": ""} {
		if v, err := StateOf(st, "controller", name).Get("seen"); string(v) != want || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}
