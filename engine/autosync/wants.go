package autosync

import (
	"slices"
	"time"

	"github.com/metasync/metasync/engine/run"
)

// A key names what is queued, coalesced and delayed: one profile of one agent.
type key struct{ agent, profile string }

// A situation is everything that the planner looks at. What is in it is only read.
type situation struct {
	now      time.Time
	settings Settings
	facts    map[string]Facts     // by agent
	requests []pending            // in the order in which they arrived
	running  []work               // what runs now
	delays   map[key]delay        // what failed, and must not start before a time
	retries  map[retryKey]retry   // when failed objects are due again
	origins  map[string]origins   // by agent: which run left the pending work
	wanted   map[need]time.Time   // what the last plan wanted for its facts, and since when
	imported map[string]time.Time // by agent: when it was last imported
	fullOnly map[string]uint64    // by agent: the run that found that a full import is needed
	controls map[string]Control   // by agent: what keeps it back
	started  time.Time            // when the last run started

	once        bool // no import schedule
	importsOnly bool // the first phase of Once: nothing but imports

	noSync string // what hold says; plan asks once
}

// A pending is a request that waits.
type pending struct {
	Request
	since  time.Time
	urgent bool // somebody asked by hand
}

// An origin is the run that left something to do.
type origin struct {
	run   uint64
	depth int // how many follow-ups led to it
	at    time.Time
}

// origins are the runs that the facts of an agent come from.
type origins struct{ imports, exports, unconfirmed, partners origin }

// A want is a run that should happen.
type want struct {
	key
	cause     Cause
	depth     int
	since     time.Time
	fact      bool      // it follows from the facts, not from a request or schedule
	notBefore time.Time // zero is now
	reason    string    // what it waits for, if it has to
	held      bool      // it waits for something else than a time
	kept      bool      // ... for somebody to approve what a threshold holds
	partition string    // of the request
	exclusive bool      // nothing else may run
	immediate bool      // before everything else
}

// A need is a run that the facts ask for, and why: what is pending now has not waited for as
// long as what is to be tried again some time.
type need struct {
	key
	why string
}

func (w *want) need() need { return need{w.key, w.cause.Name} }

// circles is what a chain of follow-ups waits for that does not come to an end.
const circles = "changes go round in circles"

// pendingImports is the name of the cause of a synchronization that follows imports.
const pendingImports = "pending imports"

// patience is how long a request gives way to the pending work of its agent.
const patience = time.Minute

// A chain of more than maxChain follow-ups goes on in growing steps: changes that
// systems bounce between them must not keep the engine busy. Before it comes to that,
// exports park the objects that they find to go round, one by one: with two values that
// take turns between three systems, after eight rounds of nine follow-ups.
const maxChain = 96

var chainPause = pause{first: 5 * time.Second, most: 5 * time.Minute}

// wants returns what an agent wants, in the order in which it should happen. No
// profile is in it twice. While the agent is busy its facts move, and only
// requests count.
func (s *situation) wants(a AgentSettings, busy bool) []want {
	var list []want
	switch {
	case busy:
		list = s.requested(a, false)
	case s.facts[a.Name].MustExport && a.Operations[run.Export] != "":
		list = []want{s.resumption(a)}
	case s.draining(a.Name):
		list = append(s.followUps(a), s.requested(a, false)...)
	case s.importsOnly:
		list = append(s.imports(a), s.requested(a, false)...)
	default:
		list = slices.Concat(s.imports(a), s.requested(a, true), s.followUps(a), s.requested(a, false), s.scheduled(a))
	}
	var distinct []want
	for _, w := range list {
		known := slices.ContainsFunc(distinct, func(d want) bool { return d.key == w.key })
		if w.profile != "" && !known {
			distinct = append(distinct, s.complete(w))
		}
	}
	return distinct
}

// resumption returns the export without which no import makes sense.
func (s *situation) resumption(a AgentSettings) want {
	cause := Cause{Kind: CauseRetry, Name: "interrupted export"}
	return want{key: key{a.Name, a.Operations[run.Export]}, cause: cause, fact: true}
}

// imports returns the full imports without which nothing else makes sense.
func (s *situation) imports(a AgentSettings) []want {
	var list []want
	if !s.facts[a.Name].Imported {
		list = append(list, want{key: key{a.Name, a.initial()}, cause: Cause{Kind: CauseInitial}, fact: true})
	}
	full := a.Operations[run.FullImport]
	if s.facts[a.Name].NeedsFullImport && full != "" && !a.Import.Off {
		list = append(list, want{key: key{a.Name, full}, cause: Cause{Kind: CauseFollowUp, Name: "changed configuration"}, fact: true})
	}
	if s.facts[a.Name].Outnamed && full != "" && !a.Import.Off {
		cause := Cause{Kind: CauseFollowUp, Name: "renamed objects", Parent: s.origins[a.Name].unconfirmed.run}
		list = append(list, want{key: key{a.Name, full}, cause: cause, fact: true})
	}
	if parent, ok := s.fullOnly[a.Name]; ok {
		cause := Cause{Kind: CauseRetry, Name: "full import required", Parent: parent}
		list = append(list, want{key: key{a.Name, a.Operations[run.FullImport]}, cause: cause, fact: true})
	}
	return list
}

// requested returns the requests for an agent; with first, only those that go
// before the work that is pending.
func (s *situation) requested(a AgentSettings, first bool) []want {
	var list []want
	for _, p := range s.requests {
		if p.Agent == a.Name && (!first || p.urgent || p.Immediate || s.now.Sub(p.since) >= patience) {
			list = append(list, want{
				key: key{p.Agent, p.Profile}, cause: p.Cause, since: p.since,
				partition: p.Partition, exclusive: p.Exclusive, immediate: p.Immediate,
			})
		}
	}
	slices.SortStableFunc(list, func(a, b want) int { return compareBools(b.immediate, a.immediate) })
	return list
}

// followUps returns the work that is pending.
func (s *situation) followUps(a AgentSettings) []want {
	facts, from := s.facts[a.Name], s.origins[a.Name]
	var list []want
	follow := func(operation run.StepType, name string, o origin) {
		w := want{
			key:   key{a.Name, a.Operations[operation]},
			cause: Cause{Kind: CauseFollowUp, Name: name, Parent: o.run}, fact: true,
		}
		if o.run != 0 {
			w.depth = o.depth + 1
		}
		if w.depth > maxChain {
			w.reason = circles
			w.notBefore = o.at.Add(chainPause.after(w.depth - maxChain))
			if s.once {
				w.notBefore = never
			}
		}
		list = append(list, w)
	}
	retry := func(operation run.StepType, name string) {
		if r, ok := s.retries[retryKey{a.Name, kindOf(operation)}]; ok {
			list = append(list, want{
				key:   key{a.Name, a.Operations[operation]},
				cause: Cause{Kind: CauseRetry, Name: name}, fact: true,
				notBefore: r.next, reason: name,
			})
		}
	}
	switch {
	case facts.Unconfirmed > 0:
		follow(run.DeltaImport, "confirming import", from.unconfirmed)
	case facts.Stale:
		follow(run.DeltaImport, "unexpected objects", from.unconfirmed)
	}
	switch {
	case len(facts.Outdated) > 0 && s.settings.FullSyncOnRuleChange && a.Operations[run.Resync] != "":
		follow(run.Resync, "changed rules", origin{})
	case facts.NeedsFullSync && s.settings.FullSyncOnRuleChange && a.Operations[run.FullSync] != "":
		follow(run.FullSync, "changed rules", origin{})
	case facts.PendingImports > 0:
		follow(run.DeltaSync, pendingImports, from.imports)
	case facts.NeedsJoin:
		follow(run.DeltaSync, "join partners", from.partners)
	}
	if facts.FailedImports > 0 {
		retry(run.DeltaSync, "synchronization errors")
	}
	if facts.PendingExports > 0 {
		follow(run.Export, "pending exports", from.exports)
	}
	if facts.FailedExports > 0 {
		retry(run.Export, "export errors")
	}
	return list
}

// scheduled returns the import that is due by itself.
func (s *situation) scheduled(a AgentSettings) []want {
	if s.once || !s.facts[a.Name].Imported || a.interval() == 0 {
		return nil
	}
	w := want{key: key{a.Name, a.Operations[run.DeltaImport]}, cause: Cause{Kind: CauseSchedule}}
	if w.since = s.nextImport(a); w.since.IsZero() {
		w.fact = true
	} else {
		w.notBefore, w.reason = w.since, "the import schedule"
	}
	return []want{w}
}

// nextImport returns when an agent with an import schedule is due. The zero time
// is at once: nobody knows when it was last imported, or the clock was set back.
func (s *situation) nextImport(a AgentSettings) time.Time {
	last, ok := s.imported[a.Name]
	if !ok || last.After(s.now) {
		return time.Time{}
	}
	return last.Add(a.interval())
}

// complete adds since when a run is wanted, and what keeps it back.
func (s *situation) complete(w want) want {
	if w.fact {
		w.since = s.now
		if earlier, ok := s.wanted[w.need()]; ok {
			w.since = earlier
		}
	}
	if gather := w.since.Add(s.settings.Coalesce); w.cause.Name == pendingImports && s.settings.Coalesce > 0 && !s.once {
		w.notBefore, w.reason = gather, "more changes"
	}
	if d, ok := s.delays[w.key]; ok && !d.next.Before(w.notBefore) {
		w.notBefore, w.reason = d.next, "its back-off: "+d.reason
		if d.refused {
			w.reason = d.reason
		}
	}
	if until := s.settings.excluded(w.agent, s.now); !s.once && w.cause.Kind != CauseManual && until.After(w.notBefore) {
		w.notBefore, w.reason = until, "the end of an exclusion"
	}
	if reason := s.heldBack(w); reason != "" {
		w.held, w.kept, w.reason, w.notBefore = true, true, reason, time.Time{}
	}
	if c, ok := s.control(w.agent); ok && (c.Mode != Draining || !w.fact) {
		w.held, w.reason, w.notBefore = true, c.text(), c.Until
	}
	if s.settings.HoldOnRuleChange && len(s.facts[w.agent].Outdated) > 0 && w.cause.Kind != CauseManual && hasKind(s.settings.steps(w.key), syncing) {
		w.held, w.reason = true, "somebody to look at the changed rules: metasync resync"
	}
	if s.noSync != "" && hasKind(s.settings.steps(w.key), syncing) {
		w.held, w.reason = true, s.noSync
	}
	return w
}

func (s *situation) draining(agent string) bool {
	c, ok := s.control(agent)
	return ok && c.Mode == Draining
}

// compareBools orders false before true.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// hold says why nothing may be synchronized, "" if it may; failed means that an
// administrator has to do something about it.
func (s *situation) hold() (why string, failed bool) {
	for _, a := range s.settings.Agents {
		if s.facts[a.Name].Imported || a.initial() == "" {
			continue
		}
		if d, ok := s.delays[key{a.Name, a.initial()}]; ok {
			return "the first import of " + a.Name + ", which failed: " + d.reason, true
		}
		if why == "" {
			why = "the first import of " + a.Name
		}
	}
	return why, false
}
