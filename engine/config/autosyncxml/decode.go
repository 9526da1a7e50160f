// Package autosyncxml turns the config.xml of Lithnet AutoSync (autosync §1) into what our
// configuration says about the same: run profiles, triggers, thresholds and schedules of
// agents, `autosync:`, `notify:` and `history:`.
//
// What the agents are is not in that file: the result is to be merged with their
// definitions. Secrets are never taken over; ${env:...} stands in their place. What has
// no counterpart is noted, with its place.
package autosyncxml

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metasync/metasync/engine/fault"
)

const (
	malformed     = "autosync-config-parsing-error"
	noCounterpart = "no-counterpart"
)

// A Document is what was read.
type Document struct {
	Text  []byte         // of the configuration, with comments
	Notes []*fault.Error // what has no counterpart, or needs a look, in the order of the file
}

// Decode reads a config.xml. The file is for the places of what is wrong; the error is a
// *[fault.Error] with a place. It never returns a document and an error.
func Decode(file string, data []byte) (*Document, error) {
	root, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{out: &Document{}}
	if root.child("management-agents").text == "" && root.child("settings").text == "" &&
		len(root.child("management-agents").children)+len(root.child("settings").children) == 0 {
		wrong := fault.New(malformed, "<%s> holds neither management-agents nor settings", root.name)
		wrong.Position = root.at
		return nil, wrong
	}
	d.line(0, "# From the configuration of AutoSync. Merge the agents with their definitions.")
	for _, line := range strings.Split(root.value("description"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			d.line(0, "# %s", line)
		}
	}
	d.agents(root.child("management-agents").children)
	d.settings(root.child("settings"))
	d.out.Text = []byte(d.text.String())
	slices.SortStableFunc(d.out.Notes, func(a, b *fault.Error) int { return cmp.Compare(a.Position.Line, b.Position.Line) })
	return d.out, nil
}

type decoder struct {
	out   *Document
	text  strings.Builder
	pairs [][2]string // agents that never run together
	names []string    // of all agents
	agent string      // that is read
}

func (d *decoder) line(depth int, format string, args ...any) {
	d.text.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&d.text, format, args...)
	d.text.WriteByte('\n')
}

func (d *decoder) note(e *element, format string, args ...any) {
	n := fault.New(noCounterpart, format, args...)
	n.Agent, n.Position = d.agent, e.at
	d.out.Notes = append(d.out.Notes, n)
}

// quote writes a text of the file as a value.
func quote(text string) string { return quoteKey(strings.ReplaceAll(text, "${", "$${")) }

// quoteKey writes a text as a key: as it is where YAML takes it for nothing else.
func quoteKey(text string) string {
	if plain.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text)
}

var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.@-]*$`)

func quoteAll(texts []string) string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = quote(text)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (d *decoder) agents(list []*element) {
	var present []*element
	for _, e := range list {
		switch name := e.value("name"); {
		case name == "":
			d.note(e, "a management agent without a name is left out")
		case e.is("is-missing"):
			d.note(e, "management agent %q is missing in the engine; it is left out", name)
		case slices.Contains(d.names, name):
			d.note(e, "a second management agent %q is left out", name)
		default:
			d.names = append(d.names, name)
			present = append(present, e)
		}
	}
	if len(present) == 0 {
		return
	}
	d.line(0, "agents:")
	for _, e := range present {
		d.agent = e.value("name")
		d.line(1, "%s:", quoteKey(d.agent))
		d.line(2, "# put its type and what belongs to it here")
		d.oneAgent(e)
	}
	d.agent = ""
}

func (d *decoder) oneAgent(e *element) {
	idle := e.is("disabled") || e.number("version") == 0
	if idle {
		d.line(2, "# disabled in AutoSync: nothing runs by itself before you take `off` and `disabled` away")
	}
	var active []*element
	for _, p := range e.child("partitions").children {
		if p.is("is-selected") && !p.is("is-missing") {
			active = append(active, p)
		}
	}
	profiles := d.profiles(active)
	d.schedule(active, idle)
	if export := slices.ContainsFunc(active, func(p *element) bool { return hasProfile(p, "run-profile-export") }); !export || idle {
		d.line(2, "export: off")
	}
	d.thresholds(e.child("thresholds-staging"))
	d.triggers(e.child("triggers").children, active, profiles, idle)
	if path := e.value("controller-script-path"); path != "" {
		d.note(e.child("controller-script-path"), "the controller script %q: write it anew with controller() in a script", path)
	}
	for _, other := range e.list("lock-managementagents") {
		switch {
		case !slices.Contains(d.names, other):
			d.note(e.child("lock-managementagents"), "%q, with which it never runs, is not there", other)
		case other != d.agent && !slices.Contains(d.pairs, [2]string{other, d.agent}):
			d.pairs = append(d.pairs, [2]string{d.agent, other})
		}
	}
}

func hasProfile(p *element, slot string) bool {
	name := p.value(slot)
	return name != "" && name != "(none)"
}

// slots are the profiles that AutoSync chose for an operation, and the step that they
// consist of.
var slots = [][2]string{
	{"run-profile-full-import", "full-import"},
	{"run-profile-delta-import", "delta-import"},
	{"run-profile-full-sync", "full-sync"},
	{"run-profile-delta-sync", "delta-sync"},
	{"run-profile-export", "export"},
}

// profiles writes the run profiles that are in a slot, with the step of the slot, and
// returns their names.
func (d *decoder) profiles(active []*element) []string {
	var names []string
	begin := func() {
		if len(names) == 0 {
			d.line(2, "profiles:")
		}
	}
	for _, p := range active {
		for _, slot := range slots {
			name := p.value(slot[0])
			switch {
			case !hasProfile(p, slot[0]):
				if slot[1] == "delta-sync" || slot[1] == "export" && slices.ContainsFunc(active, func(other *element) bool { return hasProfile(other, slot[0]) }) {
					d.note(p, "partition %q has no profile for %s: AutoSync never did that by itself there, metasync does", p.value("name"), slot[1])
				}
			case slices.Contains(names, name):
			case len(active) > 1 && !strings.HasSuffix(slot[1], "-sync"):
				begin()
				names = append(names, name)
				d.line(3, "%s: [{type: %s, partition: %s}]", quoteKey(name), slot[1], quote(p.value("name")))
			default:
				begin()
				names = append(names, name)
				d.line(3, "%s: [%s]", quoteKey(name), slot[1])
			}
		}
		for _, slot := range []string{"run-profile-scheduled-import", "run-profile-confirming-import"} {
			if name := p.value(slot); hasProfile(p, slot) && !slices.Contains(names, name) {
				d.note(p.child(slot), "profile %q: its steps are not in the file; write it under profiles", name)
			}
		}
	}
	if len(active) > 1 {
		d.note(active[0], "it has %d partitions: what runs by itself is about all of them together", len(active))
	}
	return names
}

// schedule writes when the agent is imported without being asked.
func (d *decoder) schedule(active []*element, idle bool) {
	shortest := 0
	for _, p := range active {
		if !p.is("auto-import-enabled") {
			continue
		}
		minutes := max(p.number("auto-import-interval"), 1)
		if shortest > 0 && minutes != shortest {
			d.note(p, "partitions with different import intervals: the shortest one counts for all")
		}
		if shortest == 0 || minutes < shortest {
			shortest = minutes
		}
	}
	switch {
	case shortest == 0 || idle:
		d.line(2, "import: off")
	default:
		d.line(2, "import: %dm", shortest)
	}
	if shortest > 0 && idle {
		d.line(2, "# import: %dm", shortest)
	}
}

// kinds are the thresholds of an import, which are called the same in both.
var kinds = []string{"deletes", "adds", "updates", "renames", "changes"}

// thresholds writes the limits of an import (autosync §3.16). AutoSync stops at the
// number, metasync above it; 0 is no limit in AutoSync. There are no others: none in
// percent, none of exports or of the metaverse, none for all agents.
func (d *decoder) thresholds(e *element) {
	var limits, stopped []string
	for _, kind := range kinds {
		if n := d.threshold(e.child(kind)); n > 0 {
			limits = append(limits, fmt.Sprintf("%s: %d", kind, n-1))
			stopped = append(stopped, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(limits) > 0 {
		d.line(2, "thresholds: {import: {%s}} # AutoSync stopped at %s", strings.Join(limits, ", "), strings.Join(stopped, ", "))
	}
	for _, c := range e.children {
		switch {
		case slices.Contains(kinds, c.name):
		case c.name != "delete-adds":
			d.note(c, "the threshold %q (%s) is not one that AutoSync has", c.name, strings.TrimSpace(c.text))
		default:
			if n := d.threshold(c); n > 0 {
				d.note(c, "delete-adds have no threshold of their own (%d): they count as deletions and as changes", n)
			}
		}
	}
}

// threshold returns the number of a threshold, 0 if there is none.
func (d *decoder) threshold(e *element) int {
	text := strings.TrimSpace(e.text)
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
	case err != nil || n > maxThreshold:
		d.note(e, "the threshold of %s is %q, which is no number of objects", e.name, text)
		return 0
	}
	return max(n, 0)
}

// maxThreshold is the highest limit that a configuration may have.
const maxThreshold = 999_999_999

func (d *decoder) triggers(list, active []*element, profiles []string, idle bool) {
	begun := false
	for _, e := range list {
		text, why := trigger(e)
		run := e.value("run-profile-name")
		if run == "" && isDirectory(e) {
			run = deltaImport(active, e.value("base-dn"))
		}
		if why == "" && !slices.Contains(profiles, run) {
			why = fmt.Sprintf("a trigger for the profile %q, whose steps are not in the file", run)
		}
		if why != "" {
			d.note(e, "%s", why)
			continue
		}
		if !begun {
			d.line(2, "triggers:")
			begun = true
		}
		text += ", run: " + quote(run)
		for _, flag := range [][2]string{{"exclusive", "exclusive"}, {"run-immediate", "immediate"}} {
			if e.is(flag[0]) {
				text += ", " + flag[1] + ": true"
			}
		}
		if idle || e.is("disabled") {
			text += ", disabled: true"
		}
		d.line(3, "- {name: %s, %s}", quote(d.agent+" "+strconv.Itoa(slices.Index(list, e)+1)), text)
	}
}

// isDirectory reports whether a trigger waits for changes in Active Directory.
func isDirectory(e *element) bool {
	kind := strings.ToLower(e.kind)
	return strings.Contains(kind, "directory") || strings.Contains(kind, "ad-") || e.value("base-dn") != ""
}

// deltaImport returns the profile that a trigger of Active Directory asks for: the delta
// import of the partition of its base, or else of the first one that has any.
func deltaImport(active []*element, base string) string {
	const slot = "run-profile-delta-import"
	first := ""
	for _, p := range active {
		switch {
		case !hasProfile(p, slot):
		case strings.EqualFold(p.value("name"), base):
			return p.value(slot)
		case first == "":
			first = p.value(slot)
		}
	}
	return first
}

// trigger returns when a trigger acts, or why that cannot be said (autosync §4). What
// kind it is, its type and its settings tell.
func trigger(e *element) (text, why string) {
	kind := strings.ToLower(e.kind)
	every, ok := duration(e.value("interval"))
	switch {
	case strings.Contains(kind, "powershell") || e.value("path") != "" || e.value("script-path") != "":
		return "", "a PowerShell trigger: write it anew with trigger() in a script"
	case isDirectory(e):
		least, given := duration(e.value("min-interval"))
		if !given || least < time.Second {
			least = time.Minute
		}
		return "changes: true, minInterval: " + length(least), ""
	case strings.Contains(kind, "fim") || strings.Contains(kind, "mim") || e.value("host-name") != "":
		return "", "a trigger for requests of the MIM service has no counterpart; give the agent an import interval"
	case !ok || every < time.Second:
		return "", fmt.Sprintf("a trigger with the interval %q", e.value("interval"))
	case e.value("start-date") != "" || strings.Contains(kind, "schedul"):
		start := e.value("start-date")
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if at, err := time.Parse(layout, start); err == nil {
				return fmt.Sprintf("schedule: {start: %s, every: %s}", at.Format("2006-01-02T15:04"), length(every)), ""
			}
		}
		return "", fmt.Sprintf("a trigger with the start %q", start)
	}
	return "every: " + length(every), ""
}

// isoDuration is how the file writes lengths of time.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?$`)

// duration reads a length of time: PT15M, or 1.00:15:00.
func duration(text string) (time.Duration, bool) {
	days, rest := "", text
	if i := strings.IndexByte(text, '.'); i >= 0 && strings.IndexByte(text, ':') > i {
		days, rest = text[:i], text[i+1:]
	}
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil {
		clock := strings.Split(rest, ":")
		if len(clock) != 3 {
			return 0, false
		}
		seconds, _, _ := strings.Cut(clock[2], ".")
		parts = []string{"", days, clock[0], clock[1], seconds}
	}
	total := time.Duration(0)
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseUint(parts[i+1], 10, 24)
		if err != nil {
			return 0, false
		}
		total += time.Duration(n) * unit
	}
	return total, true
}

// length writes a length of time as our configuration does.
func length(of time.Duration) string {
	if of%(24*time.Hour) == 0 && of > 0 {
		return strconv.Itoa(int(of/(24*time.Hour))) + "d"
	}
	var text strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := of / unit.length; n > 0 {
			fmt.Fprintf(&text, "%d%s", n, unit.name)
			of -= n * unit.length
		}
	}
	return text.String()
}
