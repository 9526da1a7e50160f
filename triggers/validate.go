package triggers

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/fault"
)

// minInterval is the shortest interval that a trigger may have.
const minInterval = time.Second

// hookName is what a webhook may be called: a part of a path as it is.
var hookName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate returns what is wrong with triggers, with the position of each: in
// itself, and with each other.
func Validate(specs []autosync.TriggerSpec) error {
	var problems []error
	seen, hooks := map[id]bool{}, map[string]string{}
	for i := range specs {
		spec := &specs[i]
		if err := validate(spec); err != nil {
			problems = append(problems, err)
		}
		if seen[idOf(*spec)] {
			problems = append(problems, bad(spec, "there are two triggers of this name"))
		}
		seen[idOf(*spec)] = true
		if spec.Webhook == nil {
			continue
		}
		if other, taken := hooks[spec.Webhook.Name]; taken {
			problems = append(problems, bad(spec, "the webhook %q belongs to the trigger %q", spec.Webhook.Name, other))
		}
		hooks[spec.Webhook.Name] = spec.Name
	}
	problems = append(problems, circles(specs)...)
	return errors.Join(problems...)
}

func bad(spec *autosync.TriggerSpec, format string, args ...any) *fault.Error {
	err := fault.New("bad-trigger", "trigger %q: "+format, append([]any{spec.Name}, args...)...)
	err.Position, err.Agent = spec.Position, spec.Agent
	return err
}

// validate returns what is wrong with one trigger, nil if nothing is.
func validate(spec *autosync.TriggerSpec) error {
	kinds := 0
	for _, set := range []bool{
		spec.Every != 0, spec.Schedule != nil, spec.Cron != "", spec.Watch != "", spec.Webhook != nil, spec.After != nil, spec.SQL != nil, spec.Changes, spec.External != nil && spec.SQL == nil && !spec.Changes,
	} {
		if set {
			kinds++
		}
	}
	switch {
	case spec.Name == "":
		return bad(spec, "it has no name")
	case strings.Contains(spec.Name+spec.Agent, "\x00"):
		return bad(spec, "its name holds a NUL character")
	case kinds != 1:
		return bad(spec, "it needs exactly one of every, schedule, cron, watch, webhook, after, sql and changes")
	case spec.Every < 0 || spec.Every > 0 && spec.Every < minInterval:
		return bad(spec, "every %v is shorter than %v", spec.Every, minInterval)
	case spec.Settle < 0:
		return bad(spec, "settle %v is negative", spec.Settle)
	case spec.MinInterval < 0:
		return bad(spec, "minInterval %v is negative", spec.MinInterval)
	case spec.Jitter < 0:
		return bad(spec, "jitter %v is negative", spec.Jitter)
	case spec.Every > 0 && spec.Jitter >= spec.Every:
		return bad(spec, "jitter %v is not shorter than the interval", spec.Jitter)
	case spec.Check == nil && len(spec.Run) == 0:
		return bad(spec, "it needs a run profile")
	}
	for _, r := range spec.Run {
		if r = spec.Complete(r); r.Agent == "" || r.Profile == "" {
			return bad(spec, "it needs an agent and a run profile")
		}
	}
	if err := validateKind(spec); err != nil {
		return err
	}
	hours, err := calendar.NewHours(spec.During, spec.Exclusions, spec.TimeZone)
	if err != nil {
		return placed(spec, err)
	}
	if hours.NextOpen(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return bad(spec, "during and exclusions leave no time at which it may act")
	}
	return nil
}

// validateKind returns what is wrong with that for what a trigger waits.
func validateKind(spec *autosync.TriggerSpec) error {
	switch {
	case spec.Schedule != nil:
		switch every := spec.Schedule.Every; {
		case spec.Schedule.Start.IsZero():
			return bad(spec, "its schedule has no start")
		case every < 0 || every > 0 && every < minInterval:
			return bad(spec, "every %v is shorter than %v", every, minInterval)
		}
	case spec.Cron != "":
		if _, err := calendar.ParseCron(spec.Cron, spec.TimeZone); err != nil {
			return placed(spec, err)
		}
	case spec.Watch != "":
		if _, err := filepath.Match(filepath.Base(spec.Watch), ""); err != nil {
			return bad(spec, "watch %q is not a pattern", spec.Watch)
		}
		if !filepath.IsAbs(spec.Watch) {
			return bad(spec, "watch %q is not an absolute path", spec.Watch)
		}
	case spec.Webhook != nil:
		switch {
		case !hookName.MatchString(spec.Webhook.Name):
			err := bad(spec, "%q cannot be the name of a webhook", spec.Webhook.Name)
			err.Hint = "use letters, digits, ., - and _"
			return err
		case len(spec.Webhook.Token) < minToken:
			return bad(spec, "the token of a webhook needs %d characters at least", minToken)
		case spec.Webhook.PerMinute < 0:
			return bad(spec, "perMinute is negative")
		}
	case spec.SQL != nil:
		switch {
		case spec.SQL.Connection == "":
			return bad(spec, "sql names no connection")
		case spec.SQL.Query == "" && spec.SQL.Listen == "":
			return bad(spec, "sql needs a query, or a channel to listen on")
		case spec.SQL.Every < 0 || spec.SQL.Every > 0 && spec.SQL.Every < minInterval:
			return bad(spec, "sql: every %v is shorter than %v", spec.SQL.Every, minInterval)
		}
	case spec.After != nil:
		switch {
		case spec.After.Agent == "":
			return bad(spec, "after names no agent")
		case spec.After.Result != "" && !slices.Contains(autosync.AfterResults, spec.After.Result):
			return bad(spec, "after: result %q is none of %s", spec.After.Result, strings.Join(autosync.AfterResults, ", "))
		}
	}
	return nil
}

// placed gives an error the place of a trigger.
func placed(spec *autosync.TriggerSpec, err error) error {
	named := *fault.As(err, "bad-trigger")
	named.Text = fmt.Sprintf("trigger %q: %s", spec.Name, named.Text)
	named.Position, named.Agent = spec.Position, spec.Agent
	return &named
}

// circles finds triggers that would start each other for ever: each is due after a
// run that the one before requests. What a check may answer is not known.
func circles(specs []autosync.TriggerSpec) []error {
	next := func(t *autosync.TriggerSpec) (list []int) {
		for i := range specs {
			after := specs[i].After
			if after == nil || specs[i].Disabled {
				continue
			}
			for _, r := range t.Run {
				if r = t.Complete(r); r.Agent == after.Agent && (after.Run == "" || after.Run == r.Profile) {
					list = append(list, i)
					break
				}
			}
		}
		return list
	}
	var problems []error
	done := make([]bool, len(specs))
	var visit func(i int, way []int)
	visit = func(i int, way []int) {
		if at := slices.Index(way, i); at >= 0 {
			var names []string
			for _, j := range append(way[at:], i) {
				names = append(names, specs[j].Name)
			}
			problems = append(problems, bad(&specs[i], "it would start itself again and again: %s", strings.Join(names, " -> ")))
			return
		}
		if done[i] {
			return
		}
		done[i] = true
		for _, j := range next(&specs[i]) {
			visit(j, append(slices.Clone(way), i))
		}
	}
	for i := range specs {
		if specs[i].After != nil && !specs[i].Disabled {
			visit(i, nil)
		}
	}
	return problems
}
