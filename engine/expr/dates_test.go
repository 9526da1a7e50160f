package expr

import (
	"testing"
	"time"
)

func TestParseTimeAs(t *testing.T) {
	berlin, err := Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ text, format, want string }{
		{"2026-11-22", "yyyy-MM-dd", "2026-11-21T23:00:00Z"},
		{"22.7.2026", "d.M.yyyy", "2026-07-21T22:00:00Z"},
		{"20261122143005", "yyyyMMddHHmmss", "2026-11-22T13:30:05Z"},
		{"20261122143005.0Z", "yyyyMMddHHmmss'.0'K", "2026-11-22T14:30:05Z"},
		{"22-NOV-26 02:05 pm", "dd-MMM-yy hh:mm tt", "2026-11-22T13:05:00Z"},
		{"12:05 a", "hh:mm t", "0000-12-31T23:11:32Z"},
		{"Sunday, 22 November 2026", "dddd, dd MMMM yyyy", "2026-11-21T23:00:00Z"},
		{"2026-11-22T14:30:05.1234567+01:00", "yyyy-MM-ddTHH:mm:ss.fffffffzzz", "2026-11-22T13:30:05.1234567Z"},
		{"2026-11-22T14:30:05.5 -8", "yyyy-MM-ddTHH:mm:ss.FFF z", "2026-11-22T22:30:05.5Z"},
		{"31.12.60", "dd.MM.yy", "1960-12-30T23:00:00Z"},
		{"29.02.2024", "dd.MM.yyyy", "2024-02-28T23:00:00Z"},

		{"31.02.2026", "dd.MM.yyyy", ""},
		{"29.02.2026", "dd.MM.yyyy", ""},
		{"1.2.2026", "dd.MM.yyyy", ""},
		{"01.13.2026", "dd.MM.yyyy", ""},
		{"01.12.26", "dd.MM.yyyy", ""},
		{"01.12.2026x", "dd.MM.yyyy", ""},
		{"", "yyyy", ""},
		{"24:00", "HH:mm", ""},
		{"13:00 pm", "hh:mm tt", ""},
		{"2026", "yyyy'", ""},
	}
	for _, test := range tests {
		got, err := ParseTimeAs(test.text, test.format, berlin)
		text := ""
		if err == nil {
			text = got.Format(time.RFC3339Nano)
		}
		if text != test.want {
			t.Errorf("%q as %q: %s, want %q (%v)", test.text, test.format, text, test.want, err)
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 7, 22, 22, 30, 5, 0, time.UTC)
	newYork, err := Zone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	kathmandu, err := Zone("Asia/Kathmandu")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		at           time.Time
		format, want string
	}{
		{at, "dd.MM.yyyy HH:mm K z zz zzz", "22.07.2026 22:30 Z +0 +00 +00:00"},
		{at.In(newYork), "dd.MM.yyyy HH:mm K z zz zzz", "22.07.2026 18:30 -04:00 -4 -04 -04:00"},
		{at.In(kathmandu), "dd.MM.yyyy HH:mm zzz", "23.07.2026 04:15 +05:45"},
		{at.In(kathmandu), "u", "2026-07-22 22:30:05Z"},
		{at.In(kathmandu), "s", "2026-07-23T04:15:05"},
	}
	for _, test := range tests {
		if got, err := FormatTime(test.at, test.format); got != test.want || err != nil {
			t.Errorf("%s: %q, want %q (%v)", test.format, got, test.want, err)
		}
	}
	if _, err := FormatTime(at, "yyyy'"); err == nil {
		t.Error("a quote that is not closed was accepted")
	}
}
