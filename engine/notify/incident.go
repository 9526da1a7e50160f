package notify

import "time"

// An Incident is something that is not as it should be, from the event that opened it
// to the one that resolves it. Its JSON form is the public one.
type Incident struct {
	ID    string `json:"id,omitempty"` // of those that are told; see [Notifier.Close]
	Kind  Kind   `json:"kind"`
	Agent string `json:"agent,omitempty"`
	Name  string `json:"name,omitempty"` // the run profile, the trigger, the object
	State string `json:"state"`
	Run   uint64 `json:"run,omitempty"` // the last one that belongs to it

	Opened  time.Time `json:"opened"`
	Changed time.Time `json:"changed"` // when it got its state
	Seen    time.Time `json:"seen"`    // the last event
	Told    time.Time `json:"told"`    // the last message
	Count   int       `json:"count"`   // events since it was opened
}

// key identifies an incident among those that are open.
func (i *Incident) key() string { return keyOf(i.Kind, i.Agent, i.Name) }

func (e *Event) key() string { return keyOf(e.Kind, e.Agent, e.Name) }

func keyOf(kind Kind, agent, name string) string {
	return string(kind) + "\x00" + agent + "\x00" + name
}

// A change is what a message tells of an incident.
type change string

// The changes. The zero value tells nothing.
const (
	opened   change = "opened"
	changed  change = "changed"  // it has another state
	ongoing  change = "ongoing"  // it still has its state
	resolved change = "resolved" // it is over
	occurred change = "occurred" // there is no incident: a good result, where all are told
)

// decide returns what becomes of the incident that an event belongs to, and what
// there is to tell. open is nil if there is none; next is nil if none is left.
//
// A success, a state that is ignored, and whatever else is well resolve an incident;
// so the same error after a recovery is told again (autosync §12, 74). An event of a
// run that is known already, or is older than the one that is, changes nothing.
func (p *Policy) decide(open *Incident, e *Event, now time.Time) (next *Incident, tell change) {
	switch {
	case e.State == interrupted:
		return open, ""
	case open != nil && e.Run != 0 && e.Run <= open.Run && !e.Time.After(open.Seen):
		return open, "" // a later one was told already
	}
	ignored := e.Kind == Runs && !e.Urgent && p.ignores(e.State)
	switch {
	case e.Well || ignored:
		switch {
		case open != nil:
			return nil, resolved
		case p.All && !ignored && e.Kind == Runs:
			return nil, occurred
		}
		return nil, ""
	case open == nil:
		next = &Incident{Kind: e.Kind, Agent: e.Agent, Name: e.Name, Opened: now, Changed: now}
		tell = opened
	default:
		again := *open
		next = &again
		switch {
		case open.State != e.State:
			next.Changed, tell = now, changed
		case p.All || p.isDue(open, now):
			tell = ongoing
		}
	}
	next.State, next.Seen = e.State, now
	next.Count++
	if e.Run != 0 {
		next.Run = e.Run
	}
	if tell != "" {
		next.Told = now
	}
	return next, tell
}

// interrupted is the result of a run that ended because the daemon stopped. It says
// nothing: the next daemon goes on with it.
const interrupted = "stopped-service-shutdown"

// isDue reports whether an incident that goes on is to be told again.
func (p *Policy) isDue(i *Incident, now time.Time) bool {
	return p.Repeat > 0 && now.Sub(i.Told) >= p.Repeat
}

// forgetAfter is when an incident that occurs no more, and was never resolved, is
// forgotten: that of a profile that somebody ran once by hand.
const forgetAfter = 30 * 24 * time.Hour

// subject is the first line of a message. before is the state that the incident had,
// since when it is open.
func subject(tell change, e *Event, before string, since time.Time) string {
	text := topic(e.Kind, e.Agent, e.Name) + ": "
	if e.Urgent && !e.Well && e.State != StateHeld {
		text += "held: "
	}
	text += e.State
	switch tell {
	case changed, resolved:
		text += " (was " + before + ")"
	case ongoing:
		text += " (still, since " + stamp(since) + ")"
	}
	return line(text, maxSubject)
}
