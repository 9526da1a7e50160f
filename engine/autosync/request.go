package autosync

import "github.com/metasync/metasync/engine/run"

// A Request asks for one run profile of one agent. Whoever makes it, the
// scheduler decides when to grant it.
type Request struct {
	Agent     string `json:"agent"`
	Profile   string `json:"profile"`
	Partition string `json:"partition,omitempty"` // of which the profile must be; see [Scheduler.Request]
	Exclusive bool   `json:"exclusive,omitempty"` // nothing else may run meanwhile
	Immediate bool   `json:"immediate,omitempty"` // it goes before everything that waits
	Cause     Cause  `json:"cause"`
}

// A Cause says why a run happened, and after which other run.
type Cause = run.Cause
