package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/metasync/metasync/console"
	"github.com/metasync/metasync/daemon"
	"github.com/metasync/metasync/engine/run"
)

var kills = flag.Int("kills", 15, "how often TestKillDaemon kills the daemon")

// killedConfiguration has two sources and two targets. What the targets hold in the end
// follows from the sources alone, in whatever order they changed: either source makes
// and keeps a person, and takes back what it said.
const killedConfiguration = `
metaverse:
  person:
    attributes:
      employeeID: {type: string, indexed: true}
      name: string
      room: string
    delete: {when: last-connector, ignore: [Directory, Phones]}
agents:
  HR:
    type: csv
    file: hr.csv
    recall: true
    objects: {employee: {anchor: [id]}}
    triggers: [{watch: hr.csv, settle: 20ms, run: delta-import}]
  Rooms:
    type: csv
    file: rooms.csv
    recall: true
    objects: {room: {anchor: [id]}}
    triggers: [{watch: rooms.csv, settle: 20ms, run: delta-import}]
  Directory:
    type: csv
    file: directory.csv
    columns: [uid, name, room]
    objects: {account: {anchor: [uid]}}
    deprovision: delete
  Phones:
    type: csv
    file: phones.csv
    columns: [number, owner]
    objects: {phone: {anchor: [number]}}
    deprovision: delete
rules:
  - name: people
    agent: HR
    object: employee
    metaverse: person
    join: [{id: employeeID}]
    inbound: {project: true, flows: {employeeID: id, name: name}}
  - name: rooms
    agent: Rooms
    object: room
    metaverse: person
    join: [{id: employeeID}]
    inbound: {project: true, flows: {employeeID: id, room: room}}
  - name: accounts
    agent: Directory
    object: account
    metaverse: person
    join: [{uid: employeeID}]
    outbound: {provision: true, deprovision: true, flows: {uid: employeeID, name: {from: name, allowNull: true}, room: {from: room, allowNull: true}}}
  - name: phones
    agent: Phones
    object: phone
    metaverse: person
    join: [{number: employeeID}]
    outbound: {provision: true, deprovision: true, flows: {number: employeeID, owner: {from: name, allowNull: true}}}
`

// A killed is a daemon that is killed again and again under load.
type killed struct {
	t      *testing.T
	binary string
	folder string
	random *rand.Rand

	mu       sync.Mutex
	accepted []acceptedRequest
	tried    int
}

type acceptedRequest struct {
	agent string
	at    time.Time // before it was made
}

// A daemon that is killed at any moment, again and again, while its sources change and
// people ask for runs, loses nothing and doubles nothing: in the end the targets are
// those of an undisturbed run, every request that was accepted was carried out, a pause
// still holds, the stores are sound, and nothing runs once more.
func TestKillDaemon(t *testing.T) {
	t.Parallel()
	k := &killed{t: t, binary: buildBinary(t), folder: t.TempDir(), random: rand.New(rand.NewPCG(1, 2))}
	k.write("metasync.yaml", killedConfiguration)
	k.sources(rand.New(rand.NewPCG(3, 4)))

	load, unload := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { k.change(load, rand.New(rand.NewPCG(5, 6))) })
	working.Go(func() { k.ask(load, rand.New(rand.NewPCG(7, 8))) })
	atWork := 0
	for i := range *kills {
		cmd := k.start()
		if i == *kills/2 {
			k.pause()
			k.awaitRequest()
		}
		// Half of them die while they start, the others under load.
		if i%2 == 1 {
			k.dial().Close()
		}
		time.Sleep(time.Duration(k.random.IntN(150+i%2*450)) * time.Millisecond)
		if k.kill(cmd) {
			atWork++
		}
	}
	unload()
	working.Wait()
	if atWork < *kills/2 {
		t.Errorf("only %d of %d processes were killed while they were at work", atWork, *kills)
	}

	cmd := k.start()
	client := k.dial()
	status := k.status(client)
	if c := status.Scheduler.Controls; len(c) != 1 || c[0].Agent != "Phones" || c[0].Reason != "maintenance" {
		t.Errorf("what is paused: %+v", c)
	}
	if err := client.Order(t.Context(), daemon.Order{Do: daemon.OrderResume, Agent: "Phones", User: "ada"}); err != nil {
		t.Fatal(err)
	}
	k.rest(client)
	k.checkTargets()
	k.checkRequests(client)
	k.checkLog(client)
	before := k.runs(client)
	client.Close()

	// A process that starts where nothing has changed finds nothing to do.
	k.kill(cmd)
	cmd = k.start()
	client = k.dial()
	time.Sleep(2 * time.Second)
	if diff := cmp.Diff(before, k.runs(client)); diff != "" {
		t.Errorf("runs although nothing has changed:\n%s", diff)
	}
	client.Close()
	k.kill(cmd)
	if out, err := k.command("verify").CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

func (k *killed) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(k.t.Context(), k.binary, args...)
	cmd.Dir = k.folder
	return cmd
}

// write puts a file in place as a whole.
func (k *killed) write(name, text string) {
	path := filepath.Join(k.folder, name)
	if err := errors.Join(os.WriteFile(path+".tmp", []byte(text), 0o600), os.Rename(path+".tmp", path)); err != nil {
		k.t.Error(err)
	}
}

// sources writes both sources as they may be: of forty people some are there.
func (k *killed) sources(r *rand.Rand) {
	k.people(r)
	k.rooms(r)
}

const killedPeople = 40

func (k *killed) people(r *rand.Rand) {
	text := "id,name\n"
	for i := range killedPeople {
		if r.IntN(5) > 0 {
			text += fmt.Sprintf("%d,name %d\n", i, r.IntN(100))
		}
	}
	k.write("hr.csv", text)
}

func (k *killed) rooms(r *rand.Rand) {
	text := "id,room\n"
	for i := range killedPeople {
		if r.IntN(3) > 0 {
			text += fmt.Sprintf("%d,room %d\n", i, r.IntN(100))
		}
	}
	k.write("rooms.csv", text)
}

// change changes the sources until ctx is done.
func (k *killed) change(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		if r.IntN(2) == 0 {
			k.people(r)
		} else {
			k.rooms(r)
		}
		wait(ctx, time.Duration(r.IntN(200))*time.Millisecond)
	}
}

// ask asks for runs until ctx is done, and remembers which requests were accepted.
func (k *killed) ask(ctx context.Context, r *rand.Rand) {
	for ; ctx.Err() == nil; wait(ctx, time.Duration(r.IntN(100))*time.Millisecond) {
		client, err := console.Dial(ctx, filepath.Join(k.folder, ".metasync"))
		if err != nil {
			continue // it is dead
		}
		agent := []string{"HR", "Rooms", "Directory"}[r.IntN(3)]
		at := time.Now()
		err = client.Order(ctx, daemon.Order{Do: daemon.OrderRequest, Agent: agent, Profile: "full-import", User: "ada", Exclusive: r.IntN(4) == 0})
		k.mu.Lock()
		k.tried++
		if err == nil {
			k.accepted = append(k.accepted, acceptedRequest{agent, at})
		}
		k.mu.Unlock()
		client.Close()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// start starts the daemon.
func (k *killed) start() *exec.Cmd {
	k.t.Helper()
	cmd := k.command("run")
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	return cmd
}

// kill kills the daemon and reports whether it was still there.
func (k *killed) kill(cmd *exec.Cmd) bool {
	k.t.Helper()
	err := cmd.Process.Kill()
	_ = cmd.Wait() // it says that it was killed
	if cmd.ProcessState.Exited() {
		k.t.Errorf("the daemon ended by itself: %v\n%s", cmd.ProcessState, cmd.Stderr)
	}
	return err == nil
}

func (k *killed) dial() *console.Client {
	k.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		client, err := console.Dial(k.t.Context(), filepath.Join(k.folder, ".metasync"))
		if err == nil {
			return client
		}
		if time.Now().After(end) {
			k.t.Fatal(err)
		}
	}
}

// pause keeps an agent back. The process lives until this is durable.
func (k *killed) pause() {
	k.t.Helper()
	client := k.dial()
	defer client.Close()
	if err := client.Order(k.t.Context(), daemon.Order{Do: daemon.OrderPause, Agent: "Phones", User: "ada", Reason: "maintenance"}); err != nil {
		k.t.Fatal(err)
	}
}

// awaitRequest waits until a request was accepted, which a daemon may never come to that
// dies as soon as it works.
func (k *killed) awaitRequest() {
	k.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		k.mu.Lock()
		accepted := len(k.accepted)
		k.mu.Unlock()
		if accepted > 0 {
			return
		}
		if time.Now().After(end) {
			k.t.Fatal("no request was accepted")
		}
	}
}

func (k *killed) status(client *console.Client) daemon.Status {
	k.t.Helper()
	status, err := client.Status(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return status
}

// rest waits until nothing is left to do, a back-off included.
func (k *killed) rest(client *console.Client) {
	k.t.Helper()
	busy := func(s daemon.Status) bool {
		if len(s.Scheduler.Running)+len(s.Scheduler.Queue)+len(s.Scheduler.Backoff) > 0 {
			return true
		}
		return slices.ContainsFunc(s.Agents, func(a daemon.AgentStatus) bool {
			return !a.Imported || a.PendingImports+a.PendingExports+a.Unconfirmed+a.FailedImports+a.FailedExports > 0
		})
	}
	const looks = 10 // in a row: between an event and its run there is a moment of rest
	for end, calm := time.Now().Add(deadline), 0; calm < looks; time.Sleep(100 * time.Millisecond) {
		s := k.status(client)
		if calm++; busy(s) {
			calm = 0
		}
		if time.Now().After(end) {
			k.t.Fatalf("no rest: %+v", s.Scheduler)
		}
	}
}

// checkTargets compares the targets with those of a run that nothing disturbs.
func (k *killed) checkTargets() {
	k.t.Helper()
	other := &killed{t: k.t, binary: k.binary, folder: k.t.TempDir()}
	for _, name := range []string{"metasync.yaml", "hr.csv", "rooms.csv"} {
		data, err := os.ReadFile(filepath.Join(k.folder, name))
		if err != nil {
			k.t.Fatal(err)
		}
		other.write(name, string(data))
	}
	runOnce(k.t, other.binary, other.folder)
	for _, name := range []string{"directory.csv", "phones.csv"} {
		if diff := cmp.Diff(other.rows(name), k.rows(name)); diff != "" {
			k.t.Errorf("%s (-undisturbed +killed):\n%s", name, diff)
		}
	}
}

func (k *killed) rows(name string) []string {
	k.t.Helper()
	data, err := os.ReadFile(filepath.Join(k.folder, name))
	if err != nil {
		k.t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(data)), "\n")
	slices.Sort(rows)
	return rows
}

func (k *killed) history(client *console.Client) []*run.Record {
	k.t.Helper()
	records, err := client.History(k.t.Context(), 1_000_000)
	if err != nil {
		k.t.Fatal(err)
	}
	return records
}

// runs lists what has run.
func (k *killed) runs(client *console.Client) (list []string) {
	for _, r := range k.history(client) {
		list = append(list, fmt.Sprint(r.Run, r.Agent, r.Profile))
	}
	return list
}

// checkRequests looks for a request that was accepted and led to no run that came to
// its end.
func (k *killed) checkRequests(client *console.Client) {
	k.t.Helper()
	records := k.history(client)
	for _, r := range k.accepted {
		if !slices.ContainsFunc(records, func(record *run.Record) bool {
			return record.Agent == r.agent && record.Profile == "full-import" && !record.Started.Before(r.at) && record.Result != run.StoppedServer
		}) {
			k.t.Errorf("the request for %s at %v was lost", r.agent, r.at)
		}
	}
	k.t.Logf("%d runs, %d requests accepted of %d", len(records), len(k.accepted), k.tried)
}

// checkLog finds out whether what people did is in the log, and once.
func (k *killed) checkLog(client *console.Client) {
	k.t.Helper()
	notes, err := client.Log(k.t.Context(), daemon.LogQuery{Acts: true})
	if err != nil {
		k.t.Fatal(err)
	}
	did := map[string]int{}
	for i, n := range notes {
		if did[n.Kind]++; i > 0 && n.Number >= notes[i-1].Number {
			k.t.Errorf("two lines of the log have the numbers %d and %d", notes[i-1].Number, n.Number)
		}
	}
	requests := did[daemon.OrderRequest]
	if did[daemon.OrderPause] != 1 || did[daemon.OrderResume] != 1 || requests < len(k.accepted) || requests > k.tried {
		k.t.Errorf("the log has %v, and %d requests of %d were accepted", did, len(k.accepted), k.tried)
	}
	if status := k.status(client); len(status.Scheduler.Controls) > 0 || len(status.Scheduler.Queue) > 0 {
		k.t.Errorf("left: %+v, %+v", status.Scheduler.Controls, status.Scheduler.Queue)
	}
}
