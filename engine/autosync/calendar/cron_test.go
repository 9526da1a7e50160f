package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metasync/metasync/engine/fault"
)

func hint(err error) string { return fault.As(err, "other").Hint }

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestCron(t *testing.T) {
	const berlin, newYork, lordHowe, saoPaulo = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"
	tests := []struct {
		name, zone, cron, from string
		want                   []string
	}{
		{"plain", berlin, "0 2 * * *", "2026-01-05 12:00", []string{"2026-01-06 02:00 CET", "2026-01-07 02:00 CET"}},
		{"strictly later", berlin, "0 2 * * *", "2026-01-05 02:00", []string{"2026-01-06 02:00 CET"}},
		{"descriptor", newYork, "@weekly", "2026-01-05 02:00", []string{"2026-01-11 00:00 EST"}},
		{"working days", berlin, "30 8 * * 1-5", "2026-01-09 09:00", []string{"2026-01-12 08:30 CET"}},
		{"leap day", berlin, "0 0 29 2 *", "2026-01-09 09:00", []string{"2028-02-29 00:00 CET"}},

		// Berlin goes from 02:00 to 03:00 on 29 March, and back on 25 October.
		{"spring, skipped", berlin, "30 2 * * *", "2026-03-28 12:00", []string{"2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"}},
		{"spring, just before", berlin, "59 1 * * *", "2026-03-28 12:00", []string{"2026-03-29 01:59 CET", "2026-03-30 01:59 CEST"}},
		{"spring, the skipped hour", berlin, "*/15 2 * * *", "2026-03-29 00:00", []string{"2026-03-29 03:00 CEST", "2026-03-30 02:00 CEST"}},
		{"spring, both hours", berlin, "0,30 2,3 * * *", "2026-03-29 00:00", []string{"2026-03-29 03:00 CEST", "2026-03-29 03:30 CEST", "2026-03-30 02:00 CEST"}},
		{"spring, every hour", berlin, "30 * * * *", "2026-03-29 01:00", []string{"2026-03-29 01:30 CET", "2026-03-29 03:30 CEST"}},
		{"autumn, twice", berlin, "30 2 * * *", "2026-10-24 12:00", []string{"2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"}},
		{"autumn, the hour twice", berlin, "0,30 2 * * *", "2026-10-25 00:00", []string{"2026-10-25 02:00 CEST", "2026-10-25 02:30 CEST", "2026-10-26 02:00 CET"}},
		{"autumn, just after", berlin, "0 3 * * *", "2026-10-25 00:00", []string{"2026-10-25 03:00 CET"}},
		{"autumn, every hour", berlin, "30 * * * *", "2026-10-25 01:00", []string{"2026-10-25 01:30 CEST", "2026-10-25 02:30 CEST", "2026-10-25 02:30 CET", "2026-10-25 03:30 CET"}},

		// New York goes from 02:00 to 03:00 on 8 March, and from 02:00 back to
		// 01:00 on 1 November.
		{"spring, skipped", newYork, "30 2 * * *", "2026-03-07 12:00", []string{"2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"}},
		{"spring, on Sundays", newYork, "15 2 * * 0", "2026-03-02 12:00", []string{"2026-03-08 03:00 EDT", "2026-03-15 02:15 EDT"}},
		{"autumn, twice", newYork, "30 1 * * *", "2026-10-31 12:00", []string{"2026-11-01 01:30 EDT", "2026-11-02 01:30 EST"}},
		{"autumn, not twice", newYork, "0 2 * * *", "2026-10-31 12:00", []string{"2026-11-01 02:00 EST", "2026-11-02 02:00 EST"}},

		{"half an hour skipped", lordHowe, "15 2 * * *", "2026-10-03 12:00", []string{"2026-10-04 02:30 +11", "2026-10-05 02:15 +11"}},
		{"half an hour twice", lordHowe, "45 1 * * *", "2026-04-04 12:00", []string{"2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"}},
		{"midnight skipped", saoPaulo, "0 0 * * *", "2018-11-03 12:00", []string{"2018-11-04 01:00 -02", "2018-11-05 00:00 -02"}},
		{"no summer time", "UTC", "30 2 * * *", "2026-03-28 12:00", []string{"2026-03-29 02:30 UTC"}},
	}
	for _, test := range tests {
		t.Run(test.zone+" "+test.name, func(t *testing.T) {
			z := zone(t, test.zone)
			times, err := ParseCron(test.cron, z)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.ParseInLocation("2006-01-02 15:04", test.from, z)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range test.want {
				at = times.Next(at.UTC())
				got = append(got, at.In(z).Format("2006-01-02 15:04 MST"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// In the second pass of an hour that the clock shows twice, what it showed in
// the first is over.
func TestCronSecondPass(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	times, err := ParseCron("30 2 * * *", z)
	if err != nil {
		t.Fatal(err)
	}
	second := time.Date(2026, 10, 25, 1, 10, 0, 0, time.UTC) // 02:10 CET
	if got, want := times.Next(second), time.Date(2026, 10, 26, 1, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// next is strictly later, and nothing is due between a time and next of it.
func TestCronLaws(t *testing.T) {
	expressions := rapid.SampledFrom([]string{"30 2 * * *", "*/20 * * * *", "0,59 1-3 * * *", "15 1 * * 0", "@daily", "*/7 0-4 * 3,4,10,11 *"})
	zones := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"})
	rapid.Check(t, func(rt *rapid.T) {
		times, err := ParseCron(expressions.Draw(rt, "cron"), zone(t, zones.Draw(rt, "zone")))
		if err != nil {
			rt.Fatal(err)
		}
		from := time.Unix(1767225600+rapid.Int64Range(0, 366*24*3600).Draw(rt, "from"), 0)
		next := times.Next(from)
		if !next.After(from) {
			rt.Fatalf("next of %v is %v", from, next)
		}
		between := from.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(from))-1).Draw(rt, "between")))
		if again := times.Next(between); !again.Equal(next) {
			rt.Fatalf("next of %v is %v, but of %v it is %v", from, next, between, again)
		}
	})
}

func TestCronRefused(t *testing.T) {
	for text, want := range map[string]string{
		"TZ=UTC":              "use timezone",
		"CRON_TZ=UTC * * * *": "use timezone",
		"@every 1h":           "use every",
		"0 2 * * 7":           "SUN for Sunday",
		"* * * * * *":         "write minute",
		"":                    "write minute",
		"0 0 31 2 *":          "",
		"60 * * * *":          "write minute",
		"@soon":               "write minute",
	} {
		_, err := ParseCron(text, nil)
		if err == nil || !strings.Contains(hint(err), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"0 2 * * *", "@daily", "TZ=UTC", "*/5 1-3,7 1 JAN-DEC 0", "@every 1s", "60 * * * *"} {
		f.Add(seed)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		times, err := ParseCron(text, time.UTC)
		if err != nil {
			return
		}
		if next := times.Next(from); !next.After(from) {
			t.Errorf("%q: next of %v is %v", text, from, next)
		}
	})
}
