package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A span is a length of time that is longer than nothing, written as in the
// configuration: 30m, 2h or 1d12h.
type span time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *span) UnmarshalText(text []byte) error {
	wrong := errors.New("want a length of time such as 30m, 2h or 1d12h")
	days, rest, found := strings.Cut(string(text), "d")
	if !found {
		days, rest = "0", days
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return wrong
	}
	length := time.Duration(n) * 24 * time.Hour
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return wrong
		}
		length += d
	}
	if length <= 0 {
		return wrong
	}
	*s = span(length)
	return nil
}
