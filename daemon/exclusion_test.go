package daemon

import (
	"testing"
	"time"

	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/config"
)

func TestExclusionsOfTheCalendar(t *testing.T) {
	office := exclusionOf(config.Exclusion{Window: calendar.Window{Cron: "0 8 * * 1-5", For: 9 * time.Hour}, TimeZone: time.UTC})
	always := exclusionOf(config.Exclusion{Window: calendar.Window{Cron: "0 0 * * *", For: 25 * time.Hour}, TimeZone: time.UTC})
	at := func(day, hour int) time.Time { return time.Date(2026, 1, day, hour, 0, 0, 0, time.UTC) } // the 5th is a Monday
	for _, test := range []struct {
		within    func(time.Time) time.Time
		now, want time.Time
	}{
		{office.Within, at(5, 7), time.Time{}},
		{office.Within, at(5, 8), at(5, 17)},
		{office.Within, at(5, 16), at(5, 17)},
		{office.Within, at(5, 17), time.Time{}},
		{office.Within, at(4, 12), time.Time{}},
		{always.Within, at(5, 12), at(6, 12)},
	} {
		if got := test.within(test.now); !got.Equal(test.want) {
			t.Errorf("at %v until %v, want %v", test.now, got, test.want)
		}
	}
}
