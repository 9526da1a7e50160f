// Package autosync decides which run profile of which agent runs when.
//
// The scheduler is level-triggered: it looks at durable facts, the counters that
// the engine keeps in the same transactions as its objects, and not at events. A
// crash, a restart or a run by hand therefore loses nothing: the next look at
// the facts finds what is left to do. For each agent:
//
//	never imported        -> full import
//	unconfirmed exports   -> confirming import
//	rules changed         -> resynchronization, if the settings allow it
//	pending imports       -> delta synchronization
//	pending exports       -> export
//	otherwise             -> what was requested, then the import schedule
//
// Objects with errors are tried again with whatever else their agent has to do, after
// a back-off, and at once when a run has changed something that may have been in
// their way, as long as that gets anywhere.
//
// No synchronization starts before every agent has been imported once, for
// rules that provision blindly double accounts.
//
// The planner in plan.go is a pure function from a situation to the runs to
// start. One goroutine, that of [Scheduler.Run] or [Scheduler.Once], asks it and
// grants all locks of a run at once or none, oldest wish first, so nothing can
// deadlock and nothing starves. What fails waits in a back-off; requests are
// durable until they were carried out.
//
// # Use
//
// Make a [Scheduler] with [New], over an engine and a store of requests. Then
// either [Scheduler.Once] does all there is to do and returns, or [Scheduler.Run]
// works until its context is done. While Run works,
//
//   - [Scheduler.Request] asks for a run and [Scheduler.Do] also waits for it;
//   - [Scheduler.Settle] does what Once does;
//   - [Scheduler.Status] tells what runs, what waits and why;
//   - [Scheduler.Barrier] calls a function while nothing runs, the place to
//     configure the engine anew and to call [Scheduler.SetSettings].
//
// [Settings] say which agents there are and what may overlap; Definition.Scheduling
// of package engine makes them with the defaults.
//
// The scheduler decides the order; runs by hand that pass it by lose nothing,
// but may make a run that it starts fail with [run.ErrBusy], to be tried again.
//
// The package knows neither agents nor scripts: [Engine] is all it sees. The files:
// plan.go decides, scheduler.go starts and collects, queue.go and request.go keep
// requests, delay.go the back-offs.
package autosync
