//go:build unix

package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	agentldap "github.com/metasync/metasync/agents/ldap"
	"github.com/metasync/metasync/engine"
	"github.com/metasync/metasync/engine/store"
	"github.com/metasync/metasync/internal/servers"
)

// The job between two directories, on OpenLDAP, beside a script that does it.

// units is how many organizational units people are in.
const units = 20

const directoryConfiguration = `
metaverse:
  person:
    attributes:
      employeeID: {type: string, indexed: true}
      accountName: string
      givenName: string
      sn: string
      displayName: string
      mail: string
      title: string
      department: string
agents:
  Source:
    type: ldap
    url: @SOURCE@
    bindDN: @ADMIN@
    password: ${env:METASYNC_BENCH_PASSWORD}
    base: ["@BASE@"]
    objects: {person: &person {class: inetOrgPerson, rdn: uid, attributes: &single {
      uid: string, employeeNumber: string, givenName: string, sn: string, cn: string, mail: string, title: string, departmentNumber: string}}}
  Target:
    type: ldap
    url: @TARGET@
    bindDN: @ADMIN@
    password: ${env:METASYNC_BENCH_PASSWORD}
    base: ["@BASE@"]
    objects: {person: *person}
rules:
  - name: Source people
    agent: Source
    object: person
    metaverse: person
    join: [{employeeNumber: employeeID}]
    inbound:
      project: true
      flows:
        employeeID: employeeNumber
        accountName: uid
        givenName: givenName
        sn: sn
        displayName: =givenName + " " + sn
        mail: mail
        title: title
        department: departmentNumber
  - name: Target people
    agent: Target
    object: person
    metaverse: person
    join: [{employeeNumber: employeeID}]
    outbound:
      provision: true
      flows:
        dn: ="uid=" + accountName + ",ou=" + department + ",@BASE@"
        uid: accountName
        employeeNumber: employeeID
        givenName: givenName
        sn: sn
        cn: displayName
        mail: mail
        title: title
        departmentNumber: department
`

// The figures of this job, which those of the script begin with "script: ".
const (
	unchangedCycle = "unchanged cycle"
	changesCycle   = "changes, until the end of the export"
	creation       = "export of the created"
	theScript      = "script: "
)

// A directoryStep is a part of the job of which there is a figure.
type directoryStep struct {
	name   string
	script string // what the script needs for the same, "" if it does not do it
}

var directorySteps = []directoryStep{
	{name: "first full import of both"},
	{name: "first full sync, joins"},
	{unchangedCycle, theScript + "compare"},
	{name: "  full import of both"},
	{name: "  delta sync"},
	{name: changesCycle},
	{name: "  delta import"},
	{name: "  delta sync of changes"},
	{name: "  export of changes"},
	{name: "confirming import of changes"},
	{name: "import and sync of the created"},
	{creation, theScript + "create"},
}

//go:embed directory.py
var directoryScript string

// reportDirectory does the job and shows it beside the script.
func reportDirectory() error {
	figures := best{}
	if err := inTemp(func(dir string) error {
		measured, err := child[figure]("directory", dir, *people)
		figures.add(measured)
		return err
	}); err != nil {
		return err
	}
	fmt.Printf("\n%-36s %8s %8s %10s %10s %9s %9s %9s %9s\n", fmt.Sprintf("%d entries on both sides", *people),
		"seconds", "cpu s", "entries/s", "of script", "script s", "cpu s", "peak MiB", "anon MiB")
	peak, anon := 0, 0
	for _, s := range directorySteps {
		f, other := figures[s.name], figures[s.script]
		rate, script, resident := "", fmt.Sprintf("%10s %9s %9s", "", "", ""), ""
		if f.Objects > 0 {
			rate = fmt.Sprintf("%.0f", float64(f.Objects)/f.Time.Seconds())
		}
		if other.Time > 0 {
			script = fmt.Sprintf("%10.2f %9.3f %9.2f", f.Time.Seconds()/other.Time.Seconds(), other.Time.Seconds(), other.CPU.Seconds())
		}
		if f.PeakKiB > 0 {
			resident = fmt.Sprintf("%9d %9d", f.PeakKiB/1024, f.AnonKiB/1024)
		}
		fmt.Printf("%-36s %8.3f %8.2f %10s %s %s\n", s.name, f.Time.Seconds(), f.CPU.Seconds(), rate, script, resident)
		peak, anon = max(peak, f.PeakKiB), max(anon, f.AnonKiB)
	}
	ratio := func(ours, script string) float64 {
		return figures[ours].Time.Seconds() / figures[script].Time.Seconds()
	}
	aims{
		{"unchanged cycle, to the script", ratio(unchangedCycle, theScript+"compare"), 1, false},
		{fmt.Sprintf("seconds of %d changes", *changes), figures[changesCycle].Time.Seconds(), 2, false},
		{fmt.Sprintf("%d creations, to the script", *created), ratio(creation, theScript+"create"), 1.1, false},
		{"MiB of resident memory", float64(peak) / 1024, 300, false},
		{"MiB of it anonymous", float64(anon) / 1024, 300, false},
	}.print()
	return nil
}

// findPython returns a Python that has python-ldap.
func findPython() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import ldap").Run() == nil {
			return exec.LookPath(name)
		}
	}
	return "", errors.New("there is no Python with python-ldap (apt-get install python3-ldap)")
}

// errProfiled ends a job of which a profile was asked for.
var errProfiled = errors.New("the profile is written")

// part measures a part of the job.
func part(name string, objects int, fn func() error) error {
	if err := measure(name, objects, fn); err != nil || *cpu != name {
		return err
	}
	return errProfiled
}

// profileDirectory does the job until a step of which a profile is asked for.
func profileDirectory() error {
	if err := inTemp(directoryRun); !errors.Is(err, errProfiled) {
		return errors.Join(err, fmt.Errorf("there is no step %q", *cpu))
	}
	return nil
}

// lap prints the figure of a part of a step.
func lap(name string, objects int, fn func() error) error {
	worked, start := cpuTime(), time.Now()
	if err := fn(); err != nil {
		return err
	}
	return print(figure{Name: name, Objects: objects, Time: time.Since(start), CPU: cpuTime() - worked})
}

// A directoryJob is the job while it is measured.
type directoryJob struct {
	dir            string
	python         string
	source, target *servers.OpenLDAPServer
	state          store.Store
	engine         *engine.Engine
}

// directoryRun measures the job and the script in turns, on the same servers.
func directoryRun(dir string) error {
	if err := unchangedDirectories(dir); err != nil {
		return err
	}
	for round := range *runs {
		for _, pool := range []string{"", "threads", "processes"} { // "" is ours
			if err := createDirectory(filepath.Join(dir, fmt.Sprintf("create%d%s", round, pool)), pool); err != nil {
				return err
			}
		}
	}
	return nil
}

// unchangedDirectories measures what costs only time and finds nothing, and then changes.
func unchangedDirectories(dir string) (err error) {
	j, err := openDirectories(dir, *people, *people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if err := part("first full import of both", 2**people, func() error { return j.importBoth(*people, *people) }); err != nil {
		return err
	}
	if err := part("first full sync, joins", 2**people, func() error {
		return errors.Join(j.run("Source", "full-sync", *people), j.run("Target", "full-sync", *people))
	}); err != nil {
		return err
	}
	for range *runs {
		if err := part(unchangedCycle, 2**people, func() error {
			if err := lap("  full import of both", 2**people, func() error { return j.importBoth(*people, *people) }); err != nil {
				return err
			}
			return lap("  delta sync", 0, func() error {
				return errors.Join(j.run("Source", "delta-sync", 0), j.run("Target", "delta-sync", 0), j.run("Target", "export", 0))
			})
		}); err != nil {
			return err
		}
		if *cpu != "" {
			continue
		}
		for _, pool := range []string{"threads", "processes"} {
			if err := j.script("compare", pool); err != nil {
				return err
			}
		}
	}
	for round := range *runs {
		if err := j.changePeople(round); err != nil {
			return err
		}
		n := *changes
		if err := part(changesCycle, n, func() error {
			return errors.Join(
				lap("  delta import", n, func() error { return j.run("Source", "delta-import", n) }),
				lap("  delta sync of changes", n, func() error { return j.run("Source", "delta-sync", n) }),
				lap("  export of changes", n, func() error { return j.run("Target", "export", n) }),
			)
		}); err != nil {
			return err
		}
		if err := part("confirming import of changes", n, func() error { return j.run("Target", "delta-import", n) }); err != nil {
			return err
		}
	}
	return nil
}

// createDirectory creates people in an empty target, by a script with that pool or by us.
func createDirectory(dir, pool string) (err error) {
	if pool != "" && *cpu != "" {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	j, err := openDirectories(dir, *created, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	if pool != "" {
		return j.script("create", pool)
	}
	return errors.Join(
		part("import and sync of the created", *created, func() error {
			return errors.Join(j.importBoth(*created, 0), j.run("Source", "full-sync", *created))
		}),
		part(creation, *created, func() error { return j.run("Target", "export", *created) }),
	)
}

// openDirectories starts two servers with people, and an engine between them.
func openDirectories(dir string, source, target int) (*directoryJob, error) {
	j := &directoryJob{dir: dir}
	if err := j.open(source, target); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

func (j *directoryJob) open(source, target int) (err error) {
	if j.python, err = findPython(); err != nil {
		return err
	}
	if j.source, err = j.start("source", source); err != nil {
		return err
	}
	if j.target, err = j.start("target", target); err != nil {
		return err
	}
	file := filepath.Join(j.dir, "metasync.yaml")
	text := strings.NewReplacer("@SOURCE@", j.source.URL, "@TARGET@", j.target.URL, "@ADMIN@", j.source.Admin, "@BASE@", j.source.Suffix).Replace(directoryConfiguration)
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.Setenv("METASYNC_BENCH_PASSWORD", j.source.Password)); err != nil {
		return err
	}
	if j.state, err = store.OpenBolt(filepath.Join(j.dir, "state"), store.BoltOptions{}); err != nil {
		return err
	}
	j.engine, err = openEngine(file, j.state, agentldap.Kind)
	return err
}

func (j *directoryJob) start(side string, people int) (*servers.OpenLDAPServer, error) {
	path := filepath.Join(j.dir, side+".ldif")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	writeEntries(w, side, people)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return nil, err
	}
	return servers.OpenLDAPWith(path)
}

func (j *directoryJob) close() error {
	var err error
	if j.state != nil {
		err = j.state.Close()
	}
	for _, s := range []*servers.OpenLDAPServer{j.source, j.target} {
		if s != nil {
			s.Stop()
		}
	}
	return err
}

// writeEntries writes the units and the people in them as LDIF. In the target, cn is
// what the rules compute.
func writeEntries(w io.Writer, side string, people int) {
	for unit := range units {
		fmt.Fprintf(w, "dn: ou=%d,dc=example,dc=org\nobjectClass: organizationalUnit\nou: %d\n\n", unit, unit)
	}
	given := strings.Fields("Anna Bo Clara Dmitri Eva Felix Gita Hugo Iris Jan Kaya")
	sn := strings.Fields("Andersson Berg Cruz Dahl Ek Fors Gupta Holm Ito Jansen Kim Lopez Meyer")
	for i := range people {
		g, s := given[i%len(given)], sn[i%len(sn)]
		cn := g + " " + s
		if side == "source" {
			cn += " " + strconv.Itoa(i)
		}
		fmt.Fprintf(w, "dn: uid=u%d,ou=%d,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: u%d\nemployeeNumber: %d\ngivenName: %s\nsn: %s\ncn: %s\nmail: %s.%s.%d@example.org\ntitle: Engineer\ndepartmentNumber: %d\n\n",
			i, i%units, i, firstID+i, g, s, cn, g, s, i, i%units)
	}
}

// changePeople gives some people another title, in the source.
func (j *directoryJob) changePeople(round int) error {
	var ldif strings.Builder
	for i := range *changes {
		at := i * (*people / *changes)
		fmt.Fprintf(&ldif, "dn: uid=u%d,ou=%d,dc=example,dc=org\nchangetype: modify\nreplace: title\ntitle: Principal %d\n\n", at, at%units, round)
	}
	return j.source.Load(ldif.String())
}

// importBoth reads both directories at the same time, as the scheduler does.
func (j *directoryJob) importBoth(source, target int) error {
	done := make(chan error, 1)
	go func() { done <- j.run("Target", "full-import", target) }()
	return errors.Join(j.run("Source", "full-import", source), <-done)
}

// run carries out a profile, which has to look at so many objects without an error.
func (j *directoryJob) run(agent, profile string, want int) error {
	record, err := j.engine.Run(context.Background(), agent, profile, engine.Cause{Kind: "manual"}, nil)
	switch {
	case err != nil:
		return err
	case record.Result.Severity() > 0:
		return fmt.Errorf("%s of %s: %s: %s", profile, agent, record.Result, record.Steps[0].Error)
	case total(record) != want:
		return fmt.Errorf("%s of %s: %d objects instead of %d", profile, agent, total(record), want)
	}
	return nil
}

// script has the script do the job, and passes its figures on.
func (j *directoryJob) script(how, pool string) error {
	path := filepath.Join(j.dir, "directory.py")
	if err := os.WriteFile(path, []byte(directoryScript), 0o600); err != nil {
		return err
	}
	s := j.source
	command := exec.Command(j.python, path, how, pool, s.URL, j.target.URL, s.Suffix, s.Admin, s.Password, strconv.Itoa(units))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("the script: %w", err)
	}
	return nil
}
