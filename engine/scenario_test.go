package engine_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/agenttest"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/engine/rules"
)

var update = flag.Bool("update", false, "write what happens into the scenarios")

// TestScenarios carries out testdata/*.txtar. A scenario is a configuration and
// a transcript: lines that begin with > are commands, what follows is what they
// show, # begins a comment. After every command the store is checked. Nothing may
// depend on how references are stored, so each is told twice. A section named
// extension names one of the extensions of the test.
//
//	put SYSTEM KEY ATTRIBUTE=VALUE...   create or replace an object; type= and dn= name it
//	set SYSTEM KEY ATTRIBUTE=VALUE...   change an object; no value removes the attribute
//	remove SYSTEM KEY                   delete an object
//	run AGENT PROFILE...                run profiles
//	cycle                               a full cycle of all agents; shows runs that did something
//	once                                what a scheduler does until nothing is left, likewise
//	config SECTION                      reconfigure from another section
//	restart                             open the engine anew over the same store
//	fail SYSTEM CALL N ERROR            the n-th call from now on fails
//	lose SYSTEM CALL N ERROR            ... works, but its answer is lost
//	refuse SYSTEM KEY ERROR             exports of an object fail; without ERROR no longer
//	refuse SYSTEM KEY ERROR ATTRIBUTE   ... of one attribute alone; ERROR may be no
//	answer SYSTEM KEY ACTION            ... are answered with an action; without ACTION no longer
//	sent SYSTEM                         show the changes that it was sent since the last look
//	garble SYSTEM KEY ERROR             imports of an object fail; without ERROR no longer
//	ignore SYSTEM ATTRIBUTE...          the system forgets what is exported to attributes
//	fix SYSTEM ATTRIBUTE=VALUE...       the system has its own idea of attributes
//	obey SYSTEM                         it no longer ignores or fixes anything
//	trim SYSTEM                         the system forgets its change log
//	cancel SYSTEM CALL                  the context of the next run ends when the call is made
//	mv, space AGENT, system SYSTEM      show the metaverse, a connector space, a system
//	facts                               show what is left to do
//	slow SYSTEM CALL DURATION           each such call takes that long from now on
//	divide SYSTEM NAME=ROOT...          the system has these partitions from now on
//	file NAME                           show a file; $DIR in a configuration is where files are
//	tear NAME                           the file loses its last line
//	edit NAME FROM TO                   somebody changes a text in the file
//	join AGENT KEY N                    join an object by hand with metaverse object #N
//	disconnect AGENT KEY [normal]       disconnect an object by hand
//	project AGENT KEY [TYPE]            project an object by hand
//	forget agent AGENT [dry|DELETES]    remove what the configuration no longer has
//	forget partition|object AGENT NAME [dry|DELETES]
//	forget metaverse TYPE [dry|DELETES]
//	orphans                             show what the configuration no longer has
//	preview AGENT KEY [delta]           show what the synchronization of an object would do
//	commit AGENT KEY [delta]            ... and do it
//	sync AGENT KEY [dry] [no-export]    synchronize one object from end to end
//	single SYSTEM                       the system reads single objects from now on
//	explain AGENT KEY [ATTRIBUTE]       explain an object; AGENT may be mv, and KEY an id
//	release AGENT KEY                   release a parked object
//	wait DURATION                       time goes by
//	containers AGENT [DN]               list the containers of a system
//	guard SECTION [EXTENSION]           show what another configuration would newly delete
//	holds                               show what thresholds hold, and what was raised
//	approve AGENT [STEP] [raise]        approve what is held
//	reject AGENT [STEP]                 reject what is held; with limits, take raised limits back
//	wait DURATION                       time passes
//	details [AGENT]                     show the objects behind the counters of the last run; outbound, those of AGENT
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { scenario(t, file, 0) })
		if !*update {
			t.Run(name+" with edges", func(t *testing.T) { scenario(t, file, 1) })
		}
	}
}

func scenario(t *testing.T, file string, edges int) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{sections: map[string]string{}}
	for _, f := range archive.Files {
		s.sections[f.Name] = string(f.Data)
	}
	s.dir = t.TempDir()
	for name, text := range s.sections {
		s.sections[name] = strings.ReplaceAll(text, "$DIR", s.dir)
	}
	functions := rules.Functions{}
	if name := strings.TrimSpace(s.sections["extension"]); name != "" {
		if extensions[name] == nil {
			t.Fatalf("there is no extension %q", name)
		}
		functions = extensions[name]()
	}
	s.world = newExtendedWorld(t, s.sections["config"], functions)
	if edges > 0 {
		s.keepEdges(edges)
	}
	for i := range archive.Files {
		f := &archive.Files[i]
		if !strings.HasPrefix(f.Name, "transcript") {
			continue
		}
		got := s.play(string(f.Data))
		if diff := cmp.Diff(strings.Split(string(f.Data), "\n"), strings.Split(got, "\n")); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
		f.Data = []byte(got)
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type script struct {
	*world
	sections map[string]string
	cancelAt agenttest.Call // the call that cancels the next run, on cancelOn
	cancelOn string
	dir      string // of the files that steps write
}

// play carries out the commands of a transcript and returns it with what they
// showed.
func (s *script) play(transcript string) string {
	s.t.Helper()
	var b strings.Builder
	for line := range strings.Lines(transcript) {
		text, isCommand := strings.CutPrefix(strings.TrimSpace(line), "> ")
		switch {
		case isCommand:
			b.WriteString(line)
			out, err := s.command(words(text))
			if err != nil {
				s.t.Fatalf("%s: %v", text, err)
			}
			b.WriteString(strings.ReplaceAll(out, s.dir, "$DIR"))
			if err := s.engine.Space().Check(); err != nil {
				s.t.Fatalf("after %q:\n%s\nthe store is not sound:\n%v\n%s", text, b.String(), err, s.world)
			}
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
			b.WriteString(line)
		}
	}
	return b.String()
}

var bools = map[bool]int{true: 1}

// words cuts a command into words; single quotes keep spaces.
func words(text string) []string {
	var out []string
	var word strings.Builder
	quoted, some := false, false
	for _, r := range text {
		switch {
		case r == '\'':
			quoted, some = !quoted, true
		case r == ' ' && !quoted:
			if some {
				out = append(out, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(r)
			some = true
		}
	}
	if some {
		out = append(out, word.String())
	}
	return out
}

func (s *script) command(args []string) (string, error) {
	name, args := args[0], args[1:]
	switch name {
	case "mv":
		return s.showMetaverse(), nil
	case "cycle":
		var b strings.Builder
		for _, r := range s.cycle() {
			if !quiet(r) {
				b.WriteString(showRecord(r))
			}
		}
		return b.String(), nil
	case "once":
		var b strings.Builder
		records, summary := s.once()
		for _, r := range records {
			if !quiet(r) {
				b.WriteString(showRecord(r))
			}
		}
		for _, w := range summary.Left {
			fmt.Fprintf(&b, "left: %s %s, %s\n", w.Agent, w.Profile, w.For)
		}
		if summary.Errors {
			b.WriteString("with errors\n")
		}
		return b.String(), nil
	case "restart":
		s.open()
		return "", nil
	case "config":
		s.load(s.sections[args[0]])
		s.open()
		return "", nil
	case "holds", "approve", "reject", "wait":
		return s.hold(name, args)
	case "facts":
		facts, err := s.engine.Facts()
		var b strings.Builder
		for _, f := range facts {
			fmt.Fprintf(&b, "%s:", f.Agent)
			for _, n := range []struct {
				name  string
				count int
			}{
				{"to sync", f.PendingImports},
				{"failed sync", f.FailedImports},
				{"to export", f.PendingExports},
				{"failed export", f.FailedExports},
				{"unconfirmed", f.Unconfirmed},
				{"stale", bools[f.Stale]},
			} {
				if n.count != 0 {
					fmt.Fprintf(&b, " %d %s", n.count, n.name)
				}
			}
			if f.HeldImports+f.HeldExports > 0 {
				fmt.Fprintf(&b, " %d left out", f.HeldImports+f.HeldExports)
			}
			if f.Outnamed {
				b.WriteString(" outnamed")
			}
			if f.NeedsFullImport {
				b.WriteString(" needs full import")
			}
			if f.NeedsFullSync {
				b.WriteString(" needs full sync")
			}
			for _, o := range f.Outdated {
				fmt.Fprintf(&b, ", %d %s outdated", o.Objects, o.Type)
				if o.Outbound {
					b.WriteString(" outbound")
				}
			}
			for _, h := range f.Held {
				fmt.Fprintf(&b, ", %s %s", h.Step, h.Reason)
			}
			b.WriteByte('\n')
		}
		return b.String(), err
	}
	if name == "file" || name == "tear" || name == "edit" {
		return s.file(name, args)
	}
	switch name {
	case "join", "disconnect", "project":
		return s.byHand(name, args)
	case "details":
		return s.details(args)
	case "release":
		return s.release(args)
	case "wait":
		length, err := time.ParseDuration(args[0])
		s.now = s.now.Add(length)
		return "", err
	case "sync":
		return s.single(args)
	case "containers":
		return s.containers(args)
	case "forget":
		return s.forget(args)
	case "orphans":
		return s.orphans()
	case "guard":
		return s.guard(args)
	case "preview", "commit", "explain":
		return s.look(name, args)
	}
	system := s.systems[args[0]]
	if system == nil {
		return "", fmt.Errorf("unknown command %q or system %q", name, args[0])
	}
	switch name {
	case "space":
		return s.showSpace(args[0]), nil
	case "system":
		return system.String(), nil
	case "run":
		return s.runs(args[0], args[1:])
	case "put", "set":
		return "", s.put(system, args[1], args[2:], name == "set")
	case "single":
		system.ReadSingle(true)
	case "remove":
		o, found := system.object(args[1])
		if !found {
			return "", fmt.Errorf("there is no %q", args[1])
		}
		system.Remove(o.Anchor)
	case "fail", "lose":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return "", err
		}
		plan := system.FailCall
		if name == "lose" {
			plan = system.LoseAnswer
		}
		plan(agenttest.Call(args[1]), n, fault.New(args[3], "as the test wants it"))
	case "refuse":
		switch {
		case len(args) < 4:
			system.FailExport(args[1], planned(args[2:]))
		case args[2] == "no":
			system.FailAttribute(args[1], args[3], nil)
		default:
			system.FailAttribute(args[1], args[3], planned(args[2:3]))
		}
	case "answer":
		action := agent.NoAction
		for a := agent.NoAction; a <= agent.StopRun; a++ {
			if len(args) > 2 && a.String() == args[2] {
				action = a
			}
		}
		system.AnswerExport(args[1], action)
	case "sent":
		out := strings.Join(append(system.sent, ""), "\n")
		system.sent = nil
		return out, nil
	case "garble":
		system.FailImport(args[1], planned(args[2:]))
	case "ignore":
		for _, attribute := range args[1:] {
			system.ignored[attribute] = true
		}
	case "fix":
		for _, pair := range args[1:] {
			attribute, text, _ := strings.Cut(pair, "=")
			system.fixed[attribute] = identity.String(text)
		}
	case "obey":
		clear(system.ignored)
		clear(system.fixed)
	case "trim":
		system.TrimLog()
	case "slow":
		length, err := time.ParseDuration(args[2])
		if err != nil {
			return "", err
		}
		system.OnCall(func(call agenttest.Call) {
			if string(call) == args[1] {
				s.late.Add(int64(length))
			}
		})
	case "divide":
		roots := map[string]string{}
		for _, pair := range args[1:] {
			part, root, _ := strings.Cut(pair, "=")
			roots[part] = root
		}
		system.divide(roots)
	case "cancel":
		s.cancelOn, s.cancelAt = args[0], agenttest.Call(args[1])
	default:
		return "", fmt.Errorf("unknown command %q", name)
	}
	return "", nil
}

// file carries out a command about a file.
func (s *script) file(command string, args []string) (string, error) {
	path := filepath.Join(s.dir, args[0])
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := string(data)
	switch command {
	case "file":
		return text, nil
	case "tear":
		text = text[:strings.LastIndexByte(text[:len(text)-1], '\n')+1]
	case "edit":
		if !strings.Contains(text, args[1]) {
			return "", fmt.Errorf("%q is not in %s", args[1], text)
		}
		text = strings.ReplaceAll(text, args[1], args[2])
	}
	return "", os.WriteFile(path, []byte(text), 0o600)
}

func planned(args []string) *fault.Error {
	if len(args) == 0 {
		return nil
	}
	return fault.New(args[0], "as the test wants it")
}

func (s *script) runs(agentName string, profiles []string) (string, error) {
	var b strings.Builder
	for _, profile := range profiles {
		ctx, cancel := context.WithCancel(s.t.Context())
		if s.cancelOn != "" {
			at, system := s.cancelAt, s.systems[s.cancelOn]
			system.OnCall(func(call agenttest.Call) {
				if call == at {
					cancel()
				}
			})
			defer system.OnCall(nil)
			s.cancelOn = ""
		}
		record, err := s.tryRun(ctx, agentName, profile)
		cancel()
		if err != nil {
			fmt.Fprintf(&b, "refused: %v\n", err)
			continue
		}
		b.WriteString(showRecord(record))
	}
	return b.String(), nil
}

// put creates an object in a system, or changes one.
func (s *script) put(to *system, key string, pairs []string, change bool) error {
	var o agenttest.Object
	known, found := to.object(key)
	switch {
	case change && !found:
		return fmt.Errorf("there is no %q", key)
	case change || found:
		o = known
		if !change {
			o.Attributes = nil
		}
	case to.Capabilities().AnchorIsDN:
		o.Anchor, o.Type = key, to.schema.Types[0].Name
	default:
		o.DN, o.Type = key, to.schema.Types[0].Name
	}
	if i := slices.IndexFunc(pairs, func(p string) bool { return strings.HasPrefix(p, "type=") }); i >= 0 {
		o.Type = pairs[i][len("type="):]
	}
	for _, pair := range pairs {
		name, text, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("%q is no attribute=value", pair)
		}
		switch name {
		case "type":
			continue
		case "dn":
			o.DN = text
			continue
		}
		values, err := to.values(o.Type, name, text)
		if err != nil {
			return err
		}
		o.Attributes = o.Attributes.Clone().Set(name, values...)
	}
	if t := to.schema.Type(o.Type); !change && found {
		for _, name := range t.Anchor {
			if len(o.Attributes.Get(name)) == 0 {
				o.Attributes = o.Attributes.Clone().Set(name, known.Attributes.Get(name)...)
			}
		}
	}
	to.Put(o)
	return nil
}
