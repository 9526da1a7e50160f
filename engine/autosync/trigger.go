package autosync

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/run"
)

// A TriggerSpec describes a trigger, declared in the configuration or by a
// script. Exactly one of Every, Schedule, Cron, Watch, Webhook, After, SQL and Changes
// says when it is due.
type TriggerSpec struct {
	Name  string
	Agent string

	// Run is what it requests; it may be empty with Check. What a request leaves
	// out is completed, see [TriggerSpec.Complete].
	Run       []Request
	Partition string // of requests for Agent that name none
	Exclusive bool   // of all requests
	Immediate bool   // of all requests

	Every    time.Duration // an interval
	Schedule *Period       // a start, and from then on a period
	Cron     string        // five fields, or a descriptor such as @daily
	Watch    string        // absolute path of a file, or a pattern in a folder
	Settle   time.Duration // how long the watched files must be quiet
	Webhook  *Webhook      // calls over HTTP
	After    *After        // runs that have ended
	SQL      *SQLWatch     // a change in a database
	Changes  bool          // what the system of Agent tells by itself

	// External is what watches for a trigger of a kind that package triggers knows
	// nothing of, such as SQL; whoever hands the trigger over sets it.
	External *External

	TimeZone *time.Location // of Cron and of the windows; nil is local time

	MinInterval time.Duration // between two times that it acts; what comes earlier waits, and is one
	Jitter      time.Duration // up to which it is put off, to spread the load
	SkipMissed  bool          // what was due while nothing ran is passed over, and not made up for

	// During and Exclusions say when it may act: in one of the windows of During, if
	// there are any, and in none of Exclusions. What is due outside waits, or is
	// dropped.
	During, Exclusions []calendar.Window
	DropOutside        bool

	TerminateOnError bool // a failure is its end; otherwise it tries again after a pause
	Disabled         bool // it is kept and shown, and does nothing

	Version  string // changes with the script that Check comes from
	Position fault.Position

	// Check, if set, is asked each time the trigger is due, and what it returns
	// is requested instead of Run. An empty Profile or Agent in an answer means
	// the trigger's own.
	Check func(ctx context.Context, on Occasion) ([]Request, error)
}

// Complete returns a request with what it leaves out taken from the trigger, and
// the trigger as its cause.
func (s *TriggerSpec) Complete(r Request) Request {
	if r.Agent == "" {
		r.Agent = s.Agent
	}
	if r.Profile == "" && len(s.Run) > 0 {
		r.Profile = s.Run[0].Profile
	}
	if r.Partition == "" && r.Agent == s.Agent {
		r.Partition = s.Partition
	}
	r.Exclusive = r.Exclusive || s.Exclusive
	r.Immediate = r.Immediate || s.Immediate
	r.Cause = Cause{Kind: CauseTrigger, Name: s.Name}
	return r
}

// An SQLWatch is what a trigger watches in a database: the answer of a query, a
// channel on which PostgreSQL notifies, or both.
type SQLWatch struct {
	Connection string        // its name
	Query      string        // whose answer changes when something has happened
	Listen     string        // the channel
	Every      time.Duration // between two queries; 0 is the default
}

// An External watches something for a trigger.
type External struct {
	Kind string
	Text string // what it watches; of something else, what is remembered does not count

	// Watch reports until ctx is done or it cannot go on; its error is why, and it is
	// called again after a pause. It begins after what since covers: the mark of the
	// last report that was dealt with, nil if there is none. With skip it begins now.
	// A report says whether something has happened until its mark.
	Watch func(ctx context.Context, since []byte, skip bool, report func(mark []byte, happened bool)) error
}

// Heard returns a mark for a source that hears of changes and cannot say which: it is
// another one each time.
func Heard() []byte {
	return strconv.AppendInt([]byte("heard "), time.Now().UnixNano(), 10)
}

// A Period is when a trigger with a start is due.
type Period struct {
	Start time.Time
	Every time.Duration // 0 is once
}

// A Webhook is called over HTTP.
type Webhook struct {
	Name      string // the last part of its path; only one trigger has it
	Token     string // what a caller has to know
	PerMinute int    // how many calls are taken; 0 is [DefaultPerMinute]
}

// DefaultPerMinute is how many calls of a webhook are taken in a minute.
const DefaultPerMinute = 60

// After says after which runs a trigger is due.
type After struct {
	Agent  string
	Run    string // the run profile; "" is any
	Result string // one of [AfterResults]; "" is the first
}

// AfterResults are the ways in which a run may have ended that a trigger waits
// for: without errors; at its end, if with errors on some objects; stopped or held
// before it; or any way.
var AfterResults = []string{"success", "completed", "failed", "any"}

// Matches reports whether it is due after a run.
func (a After) Matches(c Completed) bool {
	if c.Run == 0 || c.Result == run.InProgress || c.Agent != a.Agent || a.Run != "" && c.Profile != a.Run {
		return false
	}
	switch severity := c.Result.Severity(); a.Result {
	case "any":
		return true
	case "failed":
		return severity > run.CompletedExportErrors.Severity()
	case "completed":
		return severity <= run.CompletedExportErrors.Severity()
	default:
		return severity < run.CompletedExportErrors.Severity()
	}
}

// An Occasion is what a Check is asked about.
type Occasion struct {
	// State is what the trigger remembers. What the check sets is kept when its
	// answer has been requested, and forgotten if it fails.
	State State

	Call *WebhookCall // of a webhook; otherwise nil
	Run  *Completed   // that ended, for After; otherwise nil
}

// A WebhookCall is what somebody sent to a webhook.
type WebhookCall struct {
	At          time.Time `json:"at"`
	Body        string    `json:"body,omitempty"` // UTF-8
	ContentType string    `json:"contentType,omitempty"`
	Query       string    `json:"query,omitempty"` // of the address, without ?
}

// MaxStateKeys is how many keys a trigger may keep.
const MaxStateKeys = 1000

// ErrStateFull is wrapped by the error of [State.Set] about a key too many.
var ErrStateFull = fmt.Errorf("a trigger can keep %d values at most", MaxStateKeys)

// A State keeps the durable key-values of one trigger.
type State interface {
	Get(key string) (value []byte, err error) // nil if there is none

	// Set keeps a value; nil removes it. It returns [ErrStateFull] if there are
	// too many keys.
	Set(key string, value []byte) error
}
