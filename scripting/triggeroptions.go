package scripting

import (
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/autosync"
	"github.com/metasync/metasync/engine/autosync/calendar"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/scripting/host"
	"github.com/metasync/metasync/scripting/modules"
)

// triggerOptions are the options of a trigger. They are those of the configuration,
// with check instead of a run that is known beforehand.
var triggerOptions = []string{
	"agent", "every", "schedule", "cron", "timezone", "watch", "settle", "webhook", "token", "perMinute", "after", "sql", "changes",
	"run", "check", "timeout", "partition", "exclusive", "immediate",
	"minInterval", "jitter", "missed", "during", "exclusions", "outside", "onError", "disabled",
}

// A triggerSpec is a trigger as it was written.
type triggerSpec struct {
	autosync.TriggerSpec // Watch as it was written; no name, position or check
	Timeout              time.Duration
	HasCheck             bool
}

func declareTrigger(args []goja.Value) (host.Declaration, error) {
	none := host.Declaration{}
	if len(args) != 2 {
		return none, errors.New("takes a name and an object of options")
	}
	if !goja.IsString(args[0]) || args[0].String() == "" {
		return none, invalid("%s is not a name", quoted(args[0]))
	}
	name := args[0].String()
	o := readOptions(strconv.Quote(name), args[1], triggerOptions...)
	if o.err == nil {
		o.exactlyOne("every", "schedule", "cron", "watch", "webhook", "after", "sql", "changes")
		o.exactlyOne("run", "check")
		o.needs("settle", "watch")
		o.needs("token", "webhook")
		o.needs("webhook", "token")
		o.needs("perMinute", "webhook")
		o.needs("timeout", "check")
		o.needsOneOf("timezone", "cron", "schedule", "during", "exclusions")
		o.needsOneOf("outside", "during", "exclusions")
	}
	spec := triggerSpec{Timeout: o.duration("timeout"), HasCheck: o.has("check")}
	spec.TriggerSpec = autosync.TriggerSpec{
		Agent: o.text("agent"), Partition: o.text("partition"), Exclusive: o.boolean("exclusive"), Immediate: o.boolean("immediate"),
		Every: o.duration("every"), Cron: o.text("cron"), Watch: o.text("watch"), Settle: o.duration("settle"), TimeZone: o.zone("timezone"),
		MinInterval: o.duration("minInterval"), Jitter: o.duration("jitter"), SkipMissed: o.choice("missed", "run", "skip") == "skip",
		During: o.windows("during"), Exclusions: o.windows("exclusions"), DropOutside: o.choice("outside", "hold", "drop") == "drop",
		TerminateOnError: o.choice("onError", "resume", "terminate") == "terminate", Disabled: o.boolean("disabled"), Changes: o.boolean("changes"),
	}
	spec.Schedule, spec.Webhook, spec.After, spec.SQL = o.schedule(spec.TimeZone), o.webhook(), o.after(), o.sqlWatch()
	if o.has("run") {
		requests, err := readRequests(quoted, o.fields["run"], spec.Agent)
		if err != nil {
			e := invalid("%q: run: %s", name, fault.As(err, "").Detail())
			e.Hint = fault.As(err, "").Hint
			o.fail(e)
		}
		spec.Run = requests
		if len(requests) == 0 {
			o.fail(invalid("%q: run asks for nothing", name))
		}
	}
	if spec.Timeout > host.MaxTimeout {
		o.fail(invalid("%q: timeout is longer than %s", name, host.MaxTimeout))
	}
	if _, err := filepath.Match(spec.Watch, ""); err != nil {
		o.fail(invalid("%q: watch %q is not a pattern", name, spec.Watch))
	}
	d := host.Declaration{Name: name, Spec: spec}
	if check := o.function("check"); check != nil {
		d.Hooks = map[string]goja.Value{"check": check}
	}
	if o.err != nil {
		return none, o.err
	}
	return d, nil
}

// zone returns a time zone, nil if the option is absent.
func (o *options) zone(name string) *time.Location {
	text := o.text(name)
	if text == "" {
		return nil
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		e := invalid("%s: there is no time zone %q", o.what, text)
		e.Hint = `write it like "Europe/Berlin"`
		o.fail(e)
		return nil
	}
	return zone
}

func (o *options) schedule(zone *time.Location) *autosync.Period {
	if !o.has("schedule") {
		return nil
	}
	inner := readOptions(o.what+": schedule", o.fields["schedule"], "start", "every")
	text, every := inner.text("start"), inner.duration("every")
	if text == "" {
		inner.fail(invalid("%s needs start", inner.what))
	}
	start, err := calendar.ParseStart(text, zone)
	if err != nil {
		e := invalid("%s: %s", inner.what, fault.As(err, "").Text)
		e.Hint = fault.As(err, "").Hint
		inner.fail(e)
	}
	o.adopt(inner)
	return &autosync.Period{Start: start, Every: every}
}

func (o *options) webhook() *autosync.Webhook {
	if !o.has("webhook") {
		return nil
	}
	hook := &autosync.Webhook{Name: o.text("webhook"), PerMinute: autosync.DefaultPerMinute}
	if o.has("token") {
		var ok bool
		if hook.Token, ok = modules.SecretText(o.fields["token"]); !ok {
			e := invalid("%s: token is not a secret", o.what)
			e.Hint = `write secret("NAME"), and give that in scripting.secrets of the configuration`
			o.fail(e)
		}
	}
	if o.has("perMinute") {
		hook.PerMinute = o.integer("perMinute", 1)
	}
	return hook
}

func (o *options) after() *autosync.After {
	v := o.fields["after"]
	if v == nil {
		return nil
	}
	if goja.IsString(v) {
		return &autosync.After{Agent: o.text("after"), Result: autosync.AfterResults[0]}
	}
	inner := readOptions(o.what+": after", v, "agent", "run", "result")
	after := &autosync.After{Agent: inner.text("agent"), Run: inner.text("run"), Result: inner.choice("result", autosync.AfterResults...)}
	if after.Agent == "" {
		inner.fail(invalid("%s needs agent", inner.what))
	}
	o.adopt(inner)
	return after
}

func (o *options) sqlWatch() *autosync.SQLWatch {
	if !o.has("sql") {
		return nil
	}
	inner := readOptions(o.what+": sql", o.fields["sql"], "connection", "query", "listen", "every")
	watch := &autosync.SQLWatch{
		Connection: inner.text("connection"), Query: inner.text("query"), Listen: inner.text("listen"), Every: inner.duration("every"),
	}
	inner.needs("every", "query")
	if inner.err == nil && watch.Connection == "" {
		inner.fail(invalid("%s needs connection", inner.what))
	}
	o.adopt(inner)
	return watch
}

// windows returns a list of windows, nil if the option is absent.
func (o *options) windows(name string) []calendar.Window {
	var list []calendar.Window
	for _, item := range o.list(name) {
		inner := readOptions(o.what+": "+name, item, "cron", "for")
		w := calendar.Window{Cron: inner.text("cron"), For: inner.duration("for")}
		if inner.err == nil && (w.Cron == "" || w.For == 0) {
			inner.fail(invalid("%s needs cron and for", inner.what))
		}
		if _, err := calendar.ParseCron(w.Cron, nil); err != nil {
			e := invalid("%s: %s", inner.what, fault.As(err, "").Text)
			e.Hint = fault.As(err, "").Hint
			inner.fail(e)
		}
		o.adopt(inner)
		list = append(list, w)
	}
	return list
}
