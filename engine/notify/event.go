package notify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A Kind is what an event, and its incident, is about.
type Kind string

// The kinds.
const (
	Runs          Kind = "run"           // the runs of a profile; Name is the profile
	HardStop      Kind = "hard-stop"     // an agent that was stopped by a script
	Trigger       Kind = "trigger"       // a trigger; Name is its name
	Stuck         Kind = "stuck"         // a run that does not end; Name is the profile
	Parked        Kind = "parked"        // an object, or a chain of runs, that is left alone; Name is the object or the profile
	Hook          Kind = "hook"          // a function of a script that runs are subject to; Name is the function
	Configuration Kind = "configuration" // the configuration and the scripts that should be in force
)

// The states of what is not a run.
const (
	StateStopped    = "stopped"
	StateFailing    = "failing"
	StateTerminated = "terminated"
	StateStuck      = "stuck"
	StateParked     = "parked"
	StateRefused    = "refused"
	StateHeld       = "held"
	StateResolved   = "resolved"
	StateLapsed     = "not seen any more"
)

// An Event is something that happened. The functions below make them; one that is
// made by hand needs a Kind and a State.
type Event struct {
	Kind  Kind
	Agent string // "" if it is about no single one
	Name  string
	State string // what it is now: the result of a run, or one of the states
	Well  bool   // the state is a good one, and resolves the incident

	// Standing: the state lasts until another event comes, as that of a held step. An
	// incident of a state that is not is told again only if it has occurred again.
	Standing bool

	// Lapse, of a state that is not standing: how long it may not occur before the
	// incident is over. 0 leaves that to another event.
	Lapse time.Duration

	// Urgent: the state is told whatever the policy ignores.
	Urgent bool

	Run  uint64 // its number, 0 without one
	Time time.Time
	Body Document
}

// RunEnded is the event of a run that has ended, however it did.
func RunEnded(record *run.Record) Event {
	severity := record.Result.Severity()
	return Event{
		Kind: Runs, Agent: record.Agent, Name: record.Profile, State: string(record.Result),
		Well: severity == 0, Urgent: severity == held, Run: record.Run, Time: record.Ended, Body: runReport(record),
	}
}

// held is the severity of the results of steps that a limit held.
var held = run.StoppedDeletionLimit.Severity()

// NotStarted is the event of a run of which there is no record, because it did not
// begin.
func NotStarted(agent, profile string, err error, at time.Time) Event {
	state := fault.Name(err)
	if state == "" {
		state = "no-start"
	}
	e := Event{Kind: Runs, Agent: agent, Name: profile, State: state, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Run profile", profile)
	e.Body.row("Result", state)
	e.Body.errors(err)
	return e
}

// A Hold is a step that waits for somebody to say that it may go on.
type Hold struct {
	Agent   string
	Profile string
	Run     uint64     // the run that was held
	Result  run.Result // by what; "" is [StateHeld]
	Reason  string     // in words
	Objects []string   // examples of what it is about
	More    int        // how many there are besides
	At      time.Time
}

// Held is the event of a hold. It belongs to the incident of the runs of its profile:
// posted before the event of its run, it takes that one's place.
func Held(h Hold) Event {
	e := Event{
		Kind: Runs, Agent: h.Agent, Name: h.Profile, State: string(h.Result),
		Standing: true, Urgent: true, Run: h.Run, Time: h.At,
	}
	if e.State == "" {
		e.State = StateHeld
	}
	e.Body.row("Management agent", h.Agent)
	e.Body.row("Run profile", h.Profile)
	e.Body.row("Result", e.State)
	if h.Run != 0 {
		e.Body.row("Run number", fmt.Sprint(h.Run))
	}
	e.Body.row("Threshold information", h.Reason)
	if len(h.Objects) > 0 {
		s := Section{Title: "Objects", More: h.More}
		for _, object := range h.Objects {
			s.Items = append(s.Items, Item{Title: object})
		}
		e.Body.Sections = append(e.Body.Sections, s)
	}
	return e
}

// Released is the event of a hold that somebody approved or rejected; how says which,
// and by whom.
func Released(agent, profile, how string, at time.Time) Event {
	e := Event{Kind: Runs, Agent: agent, Name: profile, State: how, Well: true, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Run profile", profile)
	e.Body.row("Result", how)
	return e
}

// Stopped is the event of an agent that a script has stopped; of all agents if agent
// is "".
func Stopped(agent, reason string, at time.Time) Event {
	e := Event{Kind: HardStop, Agent: agent, State: StateStopped, Standing: true, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Stopped by a script", reason)
	return e
}

// TriggerFailed is the event of a trigger that failed, or was given up.
func TriggerFailed(agent, trigger, kind string, err error, terminated bool, at time.Time) Event {
	e := Event{Kind: Trigger, Agent: agent, Name: trigger, State: StateFailing, Standing: true, Time: at}
	ended := "No"
	if terminated {
		e.State, ended = StateTerminated, "Yes"
	}
	e.Body.row("Management agent", agent)
	e.Body.row("Trigger", trigger)
	e.Body.row("Trigger type", kind)
	e.Body.row("Error time", stamp(at))
	e.Body.row("Has been terminated", ended)
	e.Body.errors(err)
	return e
}

// RunStuck is the event of a run that takes longer than it should.
func RunStuck(agent, profile, reason string, at time.Time) Event {
	e := Event{Kind: Stuck, Agent: agent, Name: profile, State: StateStuck, Standing: true, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Run profile", profile)
	e.Body.row("Time", stamp(at))
	e.Body.row("Reason", reason)
	return e
}

// ObjectParked is the event of an object that is left alone until somebody looks at
// it.
func ObjectParked(agent, object, reason string, at time.Time) Event {
	e := Event{Kind: Parked, Agent: agent, Name: object, State: StateParked, Standing: true, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Object", object)
	e.Body.row("Reason", reason)
	return e
}

// lapse is how long what comes and goes may not occur before it is over.
const lapse = 24 * time.Hour

// ChainParked is the event of runs that lead to one another without end, and are not
// started again before a time.
func ChainParked(agent, profile, reason string, until, at time.Time) Event {
	e := Event{Kind: Parked, Agent: agent, Name: profile, State: StateParked, Lapse: lapse, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Run profile", profile)
	e.Body.row("Reason", reason)
	e.Body.row("Not before", stamp(until))
	return e
}

// HookFailed is the event of a function of a script that failed when it was asked
// about a run.
func HookFailed(agent, function, reason string, at time.Time) Event {
	e := Event{Kind: Hook, Agent: agent, Name: function, State: StateFailing, Lapse: lapse, Time: at}
	e.Body.row("Management agent", agent)
	e.Body.row("Function", function)
	e.Body.row("Error", reason)
	return e
}

// Refused is the event of a configuration, or of scripts, that did not take effect.
func Refused(err error, at time.Time) Event {
	e := Event{Kind: Configuration, State: StateRefused, Standing: true, Time: at}
	e.Body.row("Result", "a change of configuration or scripts was refused; the last good ones stay in force")
	e.Body.row("Time", stamp(at))
	e.Body.errors(err)
	return e
}

// A Change is a change of configuration or scripts that waits for approval.
type Change struct {
	Generation string   // its name
	Running    string   // what stays in force
	Reason     string   // why it is held, in words
	Files      []string // what was changed
	Objects    []string // examples of what it is about
	More       int      // how many there are besides
	At         time.Time
}

// ChangeHeld is the event of a change that is held.
func ChangeHeld(c Change) Event {
	e := Event{Kind: Configuration, State: StateHeld, Standing: true, Time: c.At}
	e.Body.row("Result", "a change of configuration or scripts is held for approval; the last good ones stay in force")
	e.Body.row("Time", stamp(c.At))
	e.Body.row("Generation", c.Generation)
	e.Body.row("In force", c.Running)
	e.Body.row("Changed", strings.Join(c.Files, ", "))
	e.Body.row("Reason", c.Reason)
	e.Body.row("To approve", "metasync approve --generation "+c.Generation)
	e.Body.row("To reject", "metasync reject --generation "+c.Generation)
	s := Section{Title: "Objects", More: max(0, c.More)}
	for _, object := range c.Objects {
		s.Items = append(s.Items, Item{Title: object})
	}
	if len(s.Items) > 0 {
		e.Body.Sections = append(e.Body.Sections, s)
	}
	return e
}

// ChangeRejected is the event that somebody keeps a change out that was held. What is in
// force is what shall be.
func ChangeRejected(user string, at time.Time) Event {
	return Event{Kind: Configuration, State: "rejected by " + user, Well: true, Time: at}
}

// Recovered is the event that all is well again with what an incident is about.
func Recovered(kind Kind, agent, name string, at time.Time) Event {
	return Event{Kind: kind, Agent: agent, Name: name, State: StateResolved, Well: true, Time: at}
}

// topic is what the event is about, for the subject.
func topic(kind Kind, agent, name string) string {
	var parts []string
	if agent != "" {
		parts = append(parts, agent)
	}
	switch {
	case kind == Configuration:
		parts = append(parts, "configuration")
	case kind == Trigger:
		parts = append(parts, "trigger "+name)
	case kind == HardStop && agent == "":
		parts = append(parts, "all agents")
	case name != "":
		parts = append(parts, name)
	}
	return strings.Join(parts, " ")
}

// unnamed is what [fault.All] calls an error without a name.
const unnamed = "unexpected-error"

// errors adds what an error consists of as a section.
func (d *Document) errors(err error) {
	if err == nil {
		return
	}
	s := Section{Title: "Errors"}
	for _, e := range fault.All(err) {
		item := Item{Title: e.Name}
		if e.Name == unnamed {
			item.Title = "Error"
		}
		if !e.Position.IsZero() {
			item.row("Place", e.Position.String())
		}
		item.row("Agent", e.Agent)
		item.row("Object", e.Object)
		item.row("Rule", e.Rule)
		item.row("Attribute name", e.Attribute)
		item.row("Detail", e.Detail())
		item.row("Hint", e.Hint)
		s.Items = append(s.Items, item)
	}
	d.Sections = append(d.Sections, s)
}

// ErrNotConfigured says that the configuration names nobody to be told.
var ErrNotConfigured = errors.New("the configuration has no notify: nobody is told anything")
