package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/hold"
	"github.com/metasync/metasync/engine/notify"
	"github.com/metasync/metasync/engine/workflow"
	"github.com/metasync/metasync/triggers"
)

// A View is what is now.
type View struct {
	Scheduler autosync.Status
	Waited    map[string]autosync.Waited // by agent, since the start
	Agents    []Agent
	Metaverse int
	Triggers  []triggers.Health
	Notify    notify.Status
	Workflows workflow.Status
	Rejected  bool      // a change of the configuration or the scripts was refused
	Held      bool      // one waits for approval
	Loaded    time.Time // when what runs took effect
	Stores    map[string]int64
}

// An Agent is how one agent is doing.
type Agent struct {
	autosync.Facts
	Count map[string]int // objects of the connector space
}

// A family is one metric of a view.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("metasync_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("metasync_"+name, help, labels, nil), prometheus.CounterValue}
}

var (
	objects       = gauge("objects", "Objects of the connector space, by state.", "agent", "state")
	metaverse     = gauge("metaverse_objects", "Objects of the metaverse.")
	pending       = gauge("pending_objects", "Objects that wait for a step.", "agent", "step")
	failing       = gauge("failing_objects", "Objects whose last step failed.", "agent", "step")
	running       = gauge("running", "1 while a run goes on.", "agent", "profile")
	runningSince  = gauge("running_since_timestamp_seconds", "When the run began that goes on.", "agent", "profile")
	stuck         = gauge("stuck", "1 if the run that goes on takes much longer than usual.", "agent", "profile")
	queued        = gauge("queue_length", "What waits to be run, for whatever reason.", "agent")
	waited        = counter("waited_seconds_total", "How long runs waited that nothing but a lock kept back.", "agent", "lock")
	failures      = gauge("failures_in_a_row", "How often a run has failed since it last succeeded.", "agent", "profile")
	held          = gauge("held", "1 if a threshold holds the steps of this kind until somebody decides.", "agent", "step")
	controlled    = gauge("suspended", "1 while the agent (all, if it is empty) is paused, drained or stopped.", "agent", "mode")
	triggerState  = gauge("trigger_state", "1 for the state in which a trigger is.", "agent", "trigger", "state")
	triggerFired  = gauge("trigger_last_fire_timestamp_seconds", "When the trigger last asked for a run.", "agent", "trigger")
	triggerFailed = gauge("trigger_failures_in_a_row", "How often the trigger has failed since it last worked.", "agent", "trigger")
	messages      = gauge("messages_queued", "Messages that wait to be sent.", "channel")
	messagesSent  = counter("messages_sent_total", "Messages that were accepted.", "channel")
	messageErrors = counter("message_failures_total", "Attempts to send a message that failed.", "channel")
	messagesLost  = counter("messages_dropped_total", "Messages that were too old, or too many.", "channel")
	incidents     = gauge("incidents", "Incidents that are open.", "kind")
	workflows     = gauge("workflow_calls", "Calls of workflows that wait, or have failed for good.", "state")
	rejected      = gauge("configuration_rejected", "1 if a change of configuration or scripts was refused.")
	generation    = gauge("configuration_held", "1 if a change of configuration or scripts waits for approval.")
	loaded        = gauge("configuration_loaded_timestamp_seconds", "When the configuration and the scripts took effect that run.")
	stores        = gauge("store_bytes", "Size of a file of the state folder.", "store")
)

// Describe implements [prometheus.Collector]. What a view holds depends on what there
// is, so it describes nothing beforehand.
func (View) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (v View) Collect(out chan<- prometheus.Metric) {
	put := func(f family, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
	}
	v.collectAgents(put)
	v.collectScheduler(put)
	for _, t := range v.Triggers {
		put(triggerState, 1, t.Agent, t.Name, string(t.State))
		put(triggerFailed, float64(t.Failures), t.Agent, t.Name)
		if !t.LastFire.IsZero() {
			put(triggerFired, seconds(t.LastFire), t.Agent, t.Name)
		}
	}
	for _, c := range v.Notify.Channels {
		put(messages, float64(c.Queued), c.Channel)
		put(messagesSent, float64(c.Sent), c.Channel)
		put(messageErrors, float64(c.Failed), c.Channel)
		put(messagesLost, float64(c.Dropped), c.Channel)
	}
	open := map[string]int{}
	for _, i := range v.Notify.Incidents {
		open[string(i.Kind)]++
	}
	for kind, n := range open {
		put(incidents, float64(n), kind)
	}
	put(workflows, float64(v.Workflows.Waiting), "waiting")
	put(workflows, float64(v.Workflows.Failed), "failed")
	put(metaverse, float64(v.Metaverse))
	put(rejected, truth(v.Rejected))
	put(generation, truth(v.Held))
	put(loaded, seconds(v.Loaded))
	for name, size := range v.Stores {
		put(stores, float64(size), name)
	}
}

func (v *View) collectAgents(put func(family, float64, ...string)) {
	for i := range v.Agents {
		a := &v.Agents[i]
		for state, n := range a.Count {
			put(objects, float64(n), a.Agent, state)
		}
		put(pending, float64(a.PendingImports), a.Agent, "synchronization")
		put(pending, float64(a.PendingExports), a.Agent, "export")
		put(pending, float64(a.Unconfirmed), a.Agent, "confirmation")
		put(failing, float64(a.FailedImports), a.Agent, "synchronization")
		put(failing, float64(a.FailedExports), a.Agent, "export")
		steps := map[hold.Step]bool{}
		for _, h := range a.Held {
			steps[h.Step] = true
		}
		for step := range steps {
			put(held, 1, a.Agent, string(step))
		}
	}
}

func (v *View) collectScheduler(put func(family, float64, ...string)) {
	waiting := map[string]int{}
	for _, a := range v.Scheduler.Agents {
		waiting[a.Agent] = 0
	}
	for _, w := range v.Scheduler.Queue {
		waiting[w.Agent]++
	}
	for agent, n := range waiting {
		put(queued, float64(n), agent)
	}
	for _, r := range v.Scheduler.Running {
		put(running, 1, r.Agent, r.Profile)
		put(runningSince, seconds(r.Started), r.Agent, r.Profile)
		put(stuck, truth(r.Stuck), r.Agent, r.Profile)
	}
	for _, b := range v.Scheduler.Backoff {
		put(failures, float64(b.Failures), b.Agent, b.Profile)
	}
	for _, c := range v.Scheduler.Controls {
		put(controlled, 1, c.Agent, string(c.Mode))
	}
	for agent, locks := range v.Waited {
		for lock, d := range locks {
			put(waited, d.Seconds(), agent, string(lock))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
