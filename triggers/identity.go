package triggers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/metasync/metasync/engine/autosync"
)

// whenOf names what a trigger waits for. What is remembered of a trigger counts as
// long as this is the same: who changes a cron time does not want it to make up for
// what the new one would have been due for.
func whenOf(spec *autosync.TriggerSpec) string {
	switch {
	case spec.Every > 0:
		return "every" // another interval goes on from the last time
	case spec.Schedule != nil:
		return fmt.Sprintf("schedule %s %v %s", spec.Schedule.Start.UTC().Format(time.RFC3339), spec.Schedule.Every, zoneOf(spec))
	case spec.Cron != "":
		return "cron " + spec.Cron + " " + zoneOf(spec)
	case spec.Watch != "":
		return "watch " + spec.Watch
	case spec.Webhook != nil:
		return "webhook " + spec.Webhook.Name
	case spec.External != nil:
		return spec.External.Text
	}
	return fmt.Sprintf("after %q %q %q", spec.After.Agent, spec.After.Run, spec.After.Result)
}

func zoneOf(spec *autosync.TriggerSpec) string {
	if spec.TimeZone == nil {
		return time.Local.String()
	}
	return spec.TimeZone.String()
}

// workingOf tells all by which a trigger works but for what it requests: as long as
// it is the same, a worker need not begin anew.
func workingOf(spec *autosync.TriggerSpec) string {
	return digest(whenOf(spec), zoneOf(spec), spec.Every, spec.Settle, spec.MinInterval, spec.Jitter, spec.SkipMissed,
		spec.During, spec.Exclusions, spec.DropOutside, spec.Disabled, spec.SQL, spec.Changes)
}

// definitionOf tells all that an administrator could have changed to mend a trigger
// that has ended by an error.
func definitionOf(spec *autosync.TriggerSpec) string {
	return digest(workingOf(spec), spec.Run, spec.Partition, spec.Exclusive, spec.Immediate, spec.TerminateOnError, spec.Version)
}

func digest(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // of plain data: cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
