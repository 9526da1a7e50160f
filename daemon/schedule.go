package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/fault"
)

// What an [Order] may ask for.
const (
	OrderPause   = "pause"   // start nothing
	OrderDrain   = "drain"   // bring to an end what is pending, and import nothing
	OrderResume  = "resume"  // end a pause, a drain or a stop
	OrderCancel  = "cancel"  // stop the run that goes on
	OrderRequest = "request" // ask for a run, and wait for nothing
	OrderDrop    = "drop"    // take a request out of the queue
)

// An Order is what an administrator has the scheduler do.
type Order struct {
	Do     string `json:"do"`
	Agent  string `json:"agent,omitempty"` // "" is all, where that makes sense
	User   string `json:"user,omitempty"`
	Reason string `json:"reason,omitempty"`

	For time.Duration `json:"for,omitempty"` // of a pause or a drain; 0 is until somebody resumes

	Profile   string `json:"profile,omitempty"` // of a request
	Partition string `json:"partition,omitempty"`
	Exclusive bool   `json:"exclusive,omitempty"`
	Immediate bool   `json:"immediate,omitempty"`
}

// Order has the scheduler do something; it is durable when Order returns nil. The
// error says if there is nothing to resume, cancel or drop.
func (d *Daemon) Order(_ context.Context, o Order) error {
	if err := d.order(o); err != nil {
		return err
	}
	return d.note(Note{Kind: o.Do, Agent: o.Agent, Profile: o.Profile, User: o.User, Text: o.Reason, Until: d.end(o)})
}

// end returns when what an order asks for ends by itself.
func (d *Daemon) end(o Order) time.Time {
	if o.For == 0 {
		return time.Time{}
	}
	return d.options.Now().Add(o.For)
}

func (d *Daemon) order(o Order) error {
	missing := func(format string, args ...any) error {
		err := fault.New("nothing-to-"+o.Do, format, args...)
		err.Agent = o.Agent
		return err
	}
	switch o.Do {
	case OrderPause, OrderDrain:
		c := autosync.Control{Agent: o.Agent, Mode: autosync.Paused, Reason: o.Reason, By: o.User, Until: d.end(o)}
		if o.Do == OrderDrain {
			c.Mode = autosync.Draining
		}
		return d.scheduler.Control(c)
	case OrderResume:
		return d.scheduler.Resume(o.Agent, o.User)
	case OrderCancel:
		if !d.scheduler.Cancel(o.Agent) {
			return missing("no run is going on")
		}
		return nil
	case OrderRequest:
		return d.scheduler.Request(autosync.Request{
			Agent: o.Agent, Profile: o.Profile, Partition: o.Partition, Exclusive: o.Exclusive, Immediate: o.Immediate,
			Cause: autosync.Cause{Kind: autosync.CauseManual, User: o.User},
		})
	case OrderDrop:
		found, err := d.scheduler.Drop(o.Agent, o.Profile)
		if err == nil && !found {
			return missing("nobody has asked for %s", o.Profile)
		}
		return err
	}
	return fmt.Errorf("unknown order %q", o.Do)
}
