// Package autosync decides which run profile of which agent runs when.
//
// The scheduler is level-triggered: it looks at durable facts, the counters that
// the engine keeps in the same transactions as its objects, and not at events. A
// crash, a restart or a run by hand therefore loses nothing: the next look at
// the facts finds what is left to do. For each agent:
//
//	never imported        -> full import
//	unconfirmed exports   -> confirming import
//	rules changed         -> full synchronization, if the settings allow it
//	pending imports       -> delta synchronization
//	pending exports       -> export
//	otherwise             -> what was requested, then the import schedule
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
// The package knows neither agents nor scripts: [Engine] is all it sees.
package autosync
