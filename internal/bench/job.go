package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	agentcsv "github.com/metasync/metasync/agents/csv"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/rules"
	"github.com/metasync/metasync/engine/run"
	"github.com/metasync/metasync/engine/store"
)

const configuration = `
metaverse:
  person:
    attributes:
      employeeID: {type: string, indexed: true}
      accountName: string
      givenName: string
      sn: string
      displayName: string
      mail: string
      department: string
      title: string
      manager: reference
agents:
  HR:
    type: csv
    file: hr.csv
    objects:
      employee: {anchor: [id], attributes: {managerId: reference}}
  Directory:
    type: csv
    file: directory.csv
    columns: [uid, employeeNumber, givenName, sn, cn, mail, department, title]
    objects:
      account: {anchor: [uid]}
rules:
  - name: HR people
    agent: HR
    object: employee
    metaverse: person
    join: [{id: employeeID}]
    inbound:
      project: true
      flows:
        employeeID: id
        accountName: =LowerCase(Left(givenName, 1) + sn) + id
        givenName: givenName
        sn: sn
        displayName: =givenName + " " + sn
        mail: mail
        department: department
        title: title
  - name: Directory accounts
    agent: Directory
    object: account
    metaverse: person
    join: [{employeeNumber: employeeID}]
    outbound:
      provision: true
      flows:
        uid: accountName
        employeeNumber: employeeID
        givenName: givenName
        sn: sn
        cn: displayName
        mail: mail
        department: department
        title: title
`

// generate writes the configuration and the people, once as they are first and
// once after some of them got another title; the same every time.
func generate(dir string, people, changes int) error {
	if err := os.WriteFile(filepath.Join(dir, "metasync.yaml"), []byte(configuration), 0o600); err != nil {
		return err
	}
	if err := writePeople(filepath.Join(dir, "before.csv"), people, 0); err != nil {
		return err
	}
	return writePeople(filepath.Join(dir, "after.csv"), people, changes)
}

// writePeople writes people, of whom as many as changes says have a title that
// nobody has otherwise. They are spread over the file.
func writePeople(path string, people, changes int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := bufio.NewWriterSize(f, 1<<20)
	w := csv.NewWriter(buffer)
	r := rand.New(rand.NewPCG(7, 7))
	pick := func(list string) string {
		names := strings.Fields(list)
		return names[r.IntN(len(names))]
	}
	w.Write([]string{"id", "givenName", "sn", "mail", "department", "title", "location", "phone", "managerId", "costCenter", "startDate", "status"})
	for i := range people {
		given := pick("Anna Bo Clara Dmitri Eva Felix Gita Hugo Iris Jan Kaya Liam Mona Nils Olga Per Quinn Rosa Sven Tara")
		sn := pick("Andersson Berg Cruz Dahl Ek Fors Gupta Holm Ito Jansen Kim Lopez Meyer Novak Olsen Patel Quist Rossi Smith Tanaka")
		department, title := pick("Sales IT HR Finance Legal Operations"), pick("Clerk Engineer Manager Assistant Director")
		if (i+1)*changes/people > i*changes/people {
			title = "Principal"
		}
		id := strconv.Itoa(firstID + i)
		w.Write([]string{
			id, given, sn, strings.ToLower(given + "." + sn + "." + id + "@example.org"), department, title,
			pick("Oslo Berlin Paris Madrid Turku"), fmt.Sprintf("+46 8 %07d", i), strconv.Itoa(firstID + r.IntN(people)),
			strconv.Itoa(4000 + i%200), fmt.Sprintf("20%02d-0%d-1%d", i%24, 1+i%9, i%10), "active",
		})
	}
	w.Flush()
	return errors.Join(w.Error(), buffer.Flush(), f.Close())
}

// firstID is the number of the first of the people: with it, the order of the
// numbers is that of their texts.
const firstID = 1_000_000

// show makes one of the files the one that is imported.
func show(dir, name string) error {
	path := filepath.Join(dir, "hr.csv")
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Link(filepath.Join(dir, name), path)
}

// openEngine opens an engine for a configuration over state.
func openEngine(configuration string, state store.Store, kind agent.Kind) (*engine.Engine, error) {
	e, err := engine.Open(engine.Options{State: state, History: store.NewMemory()})
	if err != nil {
		return nil, err
	}
	return e, configure(e, configuration, kind, rules.Functions{})
}

// configure puts a configuration in force.
func configure(e *engine.Engine, configuration string, kind agent.Kind, functions rules.Functions) error {
	cfg, err := config.Load(configuration, config.Options{Kinds: []agent.Kind{kind}})
	if err != nil {
		return err
	}
	definition := engine.Definition{Model: cfg.Model}
	for _, a := range cfg.Agents {
		opened, err := a.Settings.Open(agent.Env{Name: a.Name, Objects: a.Objects, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		definition.Agents = append(definition.Agents, engine.Agent{Name: a.Name, Agent: opened, Objects: a.Objects, Profiles: a.Profiles, Thresholds: a.Thresholds})
	}
	_, err = e.Configure(context.Background(), definition, functions)
	return err
}

// A step of the main job.
type step struct {
	name           string // "": it is not measured
	agent, profile string
	objects        func(people, changes int) int // how many it looks at
	floor          string                        // what it is compared with
}

func everybody(people, _ int) int   { return people }
func theChanged(_, changes int) int { return changes }
func nobody(_, _ int) int           { return 0 }

// job is the main job, step by step. The step after the empty one finds the
// changed file.
var job = []step{
	{"", "Directory", "full-import", nobody, ""},
	{"first full import", "HR", "full-import", everybody, putsOf},
	{"unchanged full import", "HR", "full-import", everybody, csvParse},
	{"first full sync, provisioning", "HR", "full-sync", everybody, putsOf},
	{"export", "Directory", "export", everybody, putsOf},
	{"confirming import", "Directory", "full-import", everybody, putsOf},
	{"full sync without changes", "HR", "full-sync", everybody, ""},
	{},
	{"import of changes", "HR", "delta-import", everybody, csvParse},
	{"delta sync of changes", "HR", "delta-sync", theChanged, putsOf},
	{"export of changes", "Directory", "export", theChanged, csvCopy},
	{"confirming import of changes", "Directory", "delta-import", everybody, csvParse},
	{"delta sync of nothing", "HR", "delta-sync", nobody, ""},
}

// engineRun does the job over a new store in state and measures its steps.
// wrap, if not nil, puts something around the store.
func engineRun(dir, state string, wrap func(store.Store) (store.Store, func(step string) error)) error {
	for _, name := range []string{state, filepath.Join(dir, "directory.csv")} {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := show(dir, "before.csv"); err != nil {
		return err
	}
	st, err := store.OpenBolt(state, store.BoltOptions{})
	if err != nil {
		return err
	}
	defer st.Close()
	begin := func(string) error { return nil }
	if wrap != nil {
		st, begin = wrap(st)
	}
	e, err := openEngine(filepath.Join(dir, "metasync.yaml"), st, agentcsv.Kind)
	if err != nil {
		return err
	}
	for _, step := range job {
		if step.agent == "" {
			if err := show(dir, "after.csv"); err != nil {
				return err
			}
			continue
		}
		if err := begin(step.name); err != nil {
			return err
		}
		objects, want := 0, step.objects(*people, *changes)
		work := func() error {
			record, err := e.Run(context.Background(), step.agent, step.profile, engine.Cause{Kind: "manual"}, nil)
			if err != nil {
				return err
			}
			if record.Result.Severity() > 0 {
				return fmt.Errorf("%s: %s", record.Result, record.Steps[0].Error)
			}
			objects = total(record)
			return nil
		}
		if step.name == "" {
			err = work()
		} else {
			err = measure(step.name, want, work)
		}
		if err != nil {
			return err
		}
		if objects != want {
			return fmt.Errorf("%s: %d objects instead of %d", step.name, objects, want)
		}
		if *cpu != "" && step.name == *cpu {
			return nil
		}
	}
	return nil
}

// total is the number of objects that a run looked at.
func total(r *run.Record) int {
	n := 0
	for _, c := range r.Steps[0].Staging {
		n += c
	}
	for _, c := range r.Steps[0].Inbound {
		n += c
	}
	for _, c := range r.Steps[0].Exports {
		n += c
	}
	return n
}
