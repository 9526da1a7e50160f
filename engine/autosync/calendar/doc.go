// Package calendar knows when things are due by the clock on a wall: cron times,
// periods that count from a start, and windows in which something may happen or
// must not.
//
//	nightly, err := calendar.ParseCron("30 2 * * *", berlin)
//	next := nightly.Next(now)
//
// A time that the clock skips in spring is due at the next moment that exists; one
// that it shows twice in autumn is due once. Only where the hour of a cron time is
// *, as in "*/15 * * * *", time is taken as it passes, for a job of every hour has
// to run in every hour.
package calendar
