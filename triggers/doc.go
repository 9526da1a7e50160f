// Package triggers is what wakes the scheduler: times, changes of files, calls of
// webhooks, runs that have ended, and scripts that are asked on such occasions.
//
// A [Manager] runs each trigger as a supervised state machine of its own
// (autosync §11.15). Its times, or its [Source], make occasions. An occasion waits
// until the trigger may act: for its jitter, the end of its least interval, its
// windows, or the pause after a failure; further ones that come meanwhile become
// one with it, so that what happens last is never lost. Then the trigger asks its
// Check, if it has one, and makes requests; a request only asks, the scheduler
// decides. What fails is done again after a growing pause, unless the trigger is to
// end then; [Manager.Health] shows what is wrong, and Options.Event tells it.
//
// What a trigger must not forget is in the store: a mark of everything that it has
// dealt with, what waits, its failures, and what its check has set. Requests become
// durable first, then the mark. So a restart leaves nothing out, and at most makes a
// request again that the scheduler merges with the first:
//
//   - an interval goes on where it was; times that were missed are made up for once,
//     or not at all;
//   - a file that changed while nobody looked fires at the start;
//   - so does a run that ended then, which the run history tells;
//   - the call of a webhook is answered when it is durable.
//
// A new kind of trigger is a new [Source], and its case in newSource.
package triggers
