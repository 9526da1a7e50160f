package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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

// generate writes the configuration and the people; the same every time.
func generate(dir string, people int) error {
	if err := os.WriteFile(filepath.Join(dir, "metasync.yaml"), []byte(configuration), 0o600); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "hr.csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := csv.NewWriter(bufio.NewWriterSize(f, 1<<20))
	r := rand.New(rand.NewPCG(7, 7))
	pick := func(list string) string {
		names := strings.Fields(list)
		return names[r.IntN(len(names))]
	}
	w.Write([]string{"id", "givenName", "sn", "mail", "department", "title", "location", "phone", "managerId", "costCenter", "startDate", "status"})
	for i := range people {
		given := pick("Anna Bo Clara Dmitri Eva Felix Gita Hugo Iris Jan Kaya Liam Mona Nils Olga Per Quinn Rosa Sven Tara")
		sn := pick("Andersson Berg Cruz Dahl Ek Fors Gupta Holm Ito Jansen Kim Lopez Meyer Novak Olsen Patel Quist Rossi Smith Tanaka")
		id := strconv.Itoa(100000 + i)
		w.Write([]string{
			id, given, sn, strings.ToLower(given + "." + sn + "." + id + "@example.org"),
			pick("Sales IT HR Finance Legal Operations"), pick("Clerk Engineer Manager Assistant Director"),
			pick("Oslo Berlin Paris Madrid Turku"), fmt.Sprintf("+46 8 %07d", i), strconv.Itoa(100000 + r.IntN(people)),
			strconv.Itoa(4000 + i%200), fmt.Sprintf("20%02d-0%d-1%d", i%24, 1+i%9, i%10), "active",
		})
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

// openEngine opens an engine for the configuration in dir over state.
func openEngine(dir string, state store.Store) (*engine.Engine, error) {
	cfg, err := config.Load(filepath.Join(dir, "metasync.yaml"), config.Options{Kinds: []agent.Kind{agentcsv.Kind}})
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(engine.Options{State: state, History: store.NewMemory()})
	if err != nil {
		return nil, err
	}
	definition := engine.Definition{Model: cfg.Model}
	for _, a := range cfg.Agents {
		opened, err := a.Settings.Open(agent.Env{Name: a.Name, Objects: a.Objects, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		definition.Agents = append(definition.Agents, engine.Agent{Name: a.Name, Agent: opened, Objects: a.Objects, Profiles: a.Profiles, Thresholds: a.Thresholds})
	}
	_, err = e.Configure(context.Background(), definition, rules.Functions{})
	return e, err
}

// job is the main job, step by step.
var job = []struct{ name, agent, profile string }{
	{"", "Directory", "full-import"},
	{"first full import", "HR", "full-import"},
	{"unchanged full import", "HR", "full-import"},
	{"first full sync, provisioning", "HR", "full-sync"},
	{"export", "Directory", "export"},
	{"confirming import", "Directory", "full-import"},
	{"full sync without changes", "HR", "full-sync"},
}

// engineRun does the job over a new store in state and measures its steps.
// wrap, if not nil, puts something around the store.
func engineRun(dir, state string, wrap func(store.Store) (store.Store, func(step string) error)) error {
	for _, name := range []string{state, filepath.Join(dir, "directory.csv")} {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
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
	e, err := openEngine(dir, st)
	if err != nil {
		return err
	}
	for _, step := range job {
		if err := begin(step.name); err != nil {
			return err
		}
		objects := 0
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
			if err := work(); err != nil {
				return err
			}
			continue
		}
		n, err := rows(dir)
		if err != nil {
			return err
		}
		if err := measure(step.name, n, work); err != nil {
			return err
		}
		if step.name == *cpu {
			return nil
		}
		if objects != n {
			return fmt.Errorf("%s: %d objects instead of %d", step.name, objects, n)
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

// rows counts the people.
func rows(dir string) (int, error) {
	f, err := os.Open(filepath.Join(dir, "hr.csv"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n := -1 // the header
	r := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
	r.ReuseRecord = true
	for {
		if _, err := r.Read(); err == io.EOF {
			return n, nil
		} else if err != nil {
			return 0, err
		}
		n++
	}
}
