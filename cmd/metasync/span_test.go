package main

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "2h": 2 * time.Hour, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour,
		"": 0, "0s": 0, "-2h": 0, "1d-2h": 0, "d": 0, "2 days": 0, "x": 0, "-1d": 0,
	} {
		var s span
		err := s.UnmarshalText([]byte(text))
		if time.Duration(s) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", text, time.Duration(s), err)
		}
	}
}
