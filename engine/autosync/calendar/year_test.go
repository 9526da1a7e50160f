package calendar

import (
	"slices"
	"testing"
	"time"
)

// Over a year, minute by minute, a cron time is due when the clock first shows it,
// or when it comes back from skipping it; one of every hour whenever the clock
// shows it.
func TestCronOverAYear(t *testing.T) {
	expressions := []struct {
		cron  string
		every bool // hour
		match func(t time.Time) bool
	}{
		{"30 2 * * *", false, func(t time.Time) bool { return t.Minute() == 30 && t.Hour() == 2 }},
		{"15 2 * * *", false, func(t time.Time) bool { return t.Minute() == 15 && t.Hour() == 2 }},
		{"45 1 * * 0", false, func(t time.Time) bool { return t.Minute() == 45 && t.Hour() == 1 && t.Weekday() == 0 }},
		{"*/10 0-3 * * *", false, func(t time.Time) bool { return t.Minute()%10 == 0 && t.Hour() < 4 }},
		{"0 0 1 * *", false, func(t time.Time) bool { return t.Minute() == 0 && t.Hour() == 0 && t.Day() == 1 }},
		{"0 0 * * *", false, func(t time.Time) bool { return t.Minute() == 0 && t.Hour() == 0 }},
		{"0 12 13 * 5", false, func(t time.Time) bool { // either of the days counts
			return t.Minute() == 0 && t.Hour() == 12 && (t.Day() == 13 || t.Weekday() == time.Friday)
		}},
		{"*/15 * * * *", true, func(t time.Time) bool { return t.Minute()%15 == 0 }},
		{"0 * * 3,4,10,11 *", true, func(t time.Time) bool {
			return t.Minute() == 0 && slices.Contains([]int{3, 4, 10, 11}, int(t.Month()))
		}},
	}
	for _, year := range []struct {
		zone string
		year int
	}{
		{"Europe/Berlin", 2026},
		{"America/New_York", 2026},
		{"Australia/Lord_Howe", 2026}, // half an hour
		{"America/Sao_Paulo", 2018},   // at midnight
		{"Africa/Casablanca", 2026},   // around Ramadan
	} {
		z := zone(t, year.zone)
		from := time.Date(year.year, 1, 1, 0, 0, 0, 0, z)
		to := time.Date(year.year+1, 1, 1, 0, 0, 0, 0, z)
		for _, e := range expressions {
			times, err := ParseCron(e.cron, z)
			if err != nil {
				t.Fatal(err)
			}
			var want []time.Time
			latest := show(from) // of what was shown
			for at := from.Add(time.Minute); at.Before(to); at = at.Add(time.Minute) {
				shown := show(at.In(z))
				due := false
				switch {
				case e.every || shown.Equal(latest.Add(time.Minute)):
					due = e.match(shown) && (e.every || shown.After(latest))
				default: // what was skipped is due now, with what is shown
					for s := latest.Add(time.Minute); !s.After(shown); s = s.Add(time.Minute) {
						due = due || e.match(s)
					}
				}
				if shown.After(latest) {
					latest = shown
				}
				if due {
					want = append(want, at)
				}
			}
			at := from
			for i := range want {
				if at = times.Next(at); !at.Equal(want[i]) {
					t.Fatalf("%s, %q: occasion %d is %v, want %v", year.zone, e.cron, i, at, want[i].In(z))
				}
			}
			if at = times.Next(at); at.Before(to) {
				t.Errorf("%s, %q: %v is too many", year.zone, e.cron, at)
			}
		}
	}
}

func TestPeriod(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	start := func(text string) time.Time {
		at, err := ParseStart(text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tests := []struct {
		name, start string
		every       time.Duration
		after       string
		want        []string
	}{
		{"in the future", "2026-03-01T02:00", 24 * time.Hour, "2026-01-01 00:00", []string{"2026-03-01 02:00 CET", "2026-03-02 02:00 CET"}},
		{"since long", "2020-01-01 04:00", 24 * time.Hour, "2026-03-28 04:00", []string{"2026-03-29 04:00 CEST", "2026-03-30 04:00 CEST"}},
		{"days over the change", "2026-03-27T02:30:00", 24 * time.Hour, "2026-03-28 02:00", []string{"2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"}},
		{"days in autumn", "2026-10-01T02:30:00", 48 * time.Hour, "2026-10-23 12:00", []string{"2026-10-25 02:30 CEST", "2026-10-27 02:30 CET"}},
		{"hours over the change", "2026-03-28T22:00", 6 * time.Hour, "2026-03-28 22:00", []string{"2026-03-29 05:00 CEST", "2026-03-29 11:00 CEST"}},
		{"exactly then", "2026-01-05", 90 * time.Minute, "2026-01-05 01:30", []string{"2026-01-05 03:00 CET"}},
		{"with a distance", "2026-01-05T00:00:00Z", 24 * time.Hour, "2026-01-05 12:00", []string{"2026-01-06 01:00 CET"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := NewPeriod(start(test.start), test.every)
			at, err := time.ParseInLocation("2006-01-02 15:04", test.after, berlin)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if at = p.Next(at); at.In(berlin).Format("2006-01-02 15:04 MST") != want {
					t.Errorf("got %v, want %s", at.In(berlin), want)
				}
			}
		})
	}
	once := NewPeriod(start("2026-02-01T02:00"), 0)
	if at := once.Next(start("2026-01-01")); !at.Equal(start("2026-02-01T02:00")) {
		t.Errorf("once: %v", at)
	}
	if at := once.Next(start("2026-02-01T02:00")); !at.IsZero() {
		t.Errorf("again: %v", at)
	}
	if _, err := ParseStart("tomorrow", nil); err == nil {
		t.Error("no error")
	}
	if got := start("2026-03-29T02:30").Format("15:04 MST"); got != "03:00 CEST" {
		t.Errorf("a start that is skipped: %s", got)
	}
}

func TestHours(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	office := Window{"0 8 * * 1-5", 9 * time.Hour}
	lunch := Window{"0 12 * * *", time.Hour}
	tests := []struct {
		name               string
		during, exclusions []Window
		at, open           string // when it opens next; "" is never
	}{
		{"always", nil, nil, "2026-01-05 03:00", "2026-01-05 03:00"},
		{"before", []Window{office}, nil, "2026-01-05 03:00", "2026-01-05 08:00"},
		{"opening", []Window{office}, nil, "2026-01-05 08:00", "2026-01-05 08:00"},
		{"inside", []Window{office}, nil, "2026-01-05 16:59", "2026-01-05 16:59"},
		{"closing", []Window{office}, nil, "2026-01-05 17:00", "2026-01-06 08:00"},
		{"weekend", []Window{office}, nil, "2026-01-09 17:00", "2026-01-12 08:00"},
		{"excluded", []Window{office}, []Window{lunch}, "2026-01-05 12:15", "2026-01-05 13:00"},
		{"only excluded", nil, []Window{office}, "2026-01-05 12:15", "2026-01-05 17:00"},
		{"exclusions in a row", nil, []Window{office, {"0 17 * * *", time.Hour}}, "2026-01-05 12:15", "2026-01-05 18:00"},
		{"overlapping", nil, []Window{{"0 * * * 1", 90 * time.Minute}}, "2026-01-05 12:15", "2026-01-06 00:30"},
		{"over the change", nil, []Window{{"0 1 * * *", 4 * time.Hour}}, "2026-03-29 04:30", "2026-03-29 06:00"},
		{"never", nil, []Window{{"* * * * *", 2 * time.Minute}}, "2026-01-05 12:15", ""},
		{"nothing left over", []Window{lunch}, []Window{{"0 11 * * *", 3 * time.Hour}}, "2026-01-05 12:15", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := NewHours(test.during, test.exclusions, berlin)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.ParseInLocation("2006-01-02 15:04", test.at, berlin)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if next := h.NextOpen(at); !next.IsZero() {
				got = next.In(berlin).Format("2006-01-02 15:04")
				if !h.Open(next) {
					t.Error("it is not open then")
				}
			}
			if got != test.open || h.Open(at) != (test.at == test.open) {
				t.Errorf("open: %v, next %q", h.Open(at), got)
			}
		})
	}
	for _, bad := range []Window{{"0 8 *", time.Hour}, {"0 8 * * *", 0}, {"0 8 * * *", 9000 * time.Hour}} {
		if _, err := NewHours(nil, []Window{bad}, nil); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
