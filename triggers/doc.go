// Package triggers is what wakes the scheduler: intervals, cron times, changes of
// files, and scripts that are asked at such moments.
//
// A [Manager] runs each trigger as a supervised state machine of its own. When a
// trigger is due it asks its Check, if it has one, and makes requests; a request
// only asks, the scheduler decides. A check that fails is asked again after a
// growing pause, until it has an answer; the occasion is not lost, and
// [Manager.Health] shows what is wrong.
//
// What a trigger must not forget is in the store: when it was last due, and the
// fingerprint of the files that it last fired for. So a restart neither doubles
// nor skips:
//
//   - an interval goes on where it was; if some were missed it fires once;
//   - a cron time that was missed fires once at the start;
//   - a file that changed while nobody looked fires at the start.
//
// Cron times are those of the clock on the wall. One that the clock skips in
// spring fires at the next moment that exists, one that it shows twice in
// autumn fires once. Only where the hour is *, as in "*/15 * * * *", time is
// taken as it passes, for a job of every hour has to run in every hour.
package triggers
