package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/daemon"
)

var update = flag.Bool("update", false, "write what commands print into the scripts that expect it")

// patience of a test with what happens in another process.
const deadline = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"metasync": main})
}

// The scripts are the manual of the commands: what one types, and what comes of
// it. Run them with -update to write down what comes of it now.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, params("testdata/script"))
}

// params are those of all scripts. They know these commands beside the usual
// ones:
//
//	exits CODE COMMAND...       runs a command that ends with an exit code
//	until PATTERN COMMAND...    runs a command until its output matches
//	scrub FROM TO               copies a file, without what differs each time
//	json FILE KIND              the file is one JSON document: object, array, ...
//	terminate                   sends SIGTERM to the daemon of this folder
//	call STATUS NAME TOKEN [BODY]  calls a webhook of the daemon that wrote startup.json
//	digest FOLDER TO            lists all files outside .metasync with their content
func params(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir, UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command takes a second longer
			examples, err := filepath.Abs(filepath.Join("..", "..", "examples"))
			env.Setenv("EXAMPLES", examples)
			env.Setenv("QUICKSTART", filepath.Join(examples, "quickstart"))
			receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			env.Defer(receiver.Close)
			env.Setenv("RECEIVER", receiver.URL) // accepts what is posted to it
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "scrub": scrub, "json": oneJSON, "terminate": terminate, "digest": digest, "call": call, "scrape": scrape,
		},
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] until PATTERN COMMAND...")
	}
	pattern := regexp.MustCompile(`(?m)` + args[0])
	for end := time.Now().Add(deadline); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q has not come: %v", args[0], err)
		}
	}
}

// varying is what differs each time, and what stands for it.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "<TIME>"},
	{regexp.MustCompile(`2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d`), "<TIME>"},
	{regexp.MustCompile(`(?m)(\s)\d+(\.\d+)?m?s(\s|$)`), "$1<TOOK>$3"},
	{regexp.MustCompile(`manual by \S+`), "manual by <USER>"},
	{regexp.MustCompile(`generation [0-9a-f]{12}`), "generation <ID>"},
	{regexp.MustCompile(`process \d+`), "process <PID>"},
	{regexp.MustCompile(`run \d+`), "run <N>"},
	{regexp.MustCompile(`(?m)^\d+ `), "<N> "},
	{regexp.MustCompile(`\d+ ((full|delta)-\w+ +<TIME>)`), "<N> $1"},
	{regexp.MustCompile(`[0-9a-f]{4}-[0-9a-f]{12}`), "<ID>"},
	{regexp.MustCompile(` +`), " "}, // the width of columns follows from them
}

func scrub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scrub FROM TO")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "$WORK")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

func oneJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json FILE KIND")
	}
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var document any
	ts.Check(decoder.Decode(&document))
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("something follows the JSON document: %v", err)
	}
	kind := "string"
	switch document.(type) {
	case map[string]any:
		kind = "object"
	case []any:
		kind = "array"
	case nil:
		kind = "null"
	case float64:
		kind = "number"
	}
	if kind != args[1] {
		ts.Fatalf("the JSON document is of kind %s, want %s", kind, args[1])
	}
}

func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("metasync", "status", "--json"))
	var status daemon.Status
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &status))
	if !status.Running {
		ts.Fatalf("no daemon is running")
	}
	ts.Check(syscall.Kill(status.PID, syscall.SIGTERM))
}

func call(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: call STATUS NAME TOKEN [BODY]")
	}
	var started startup
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("startup.json")), &started))
	r, err := http.NewRequest(http.MethodPost, started.Webhooks+args[1], strings.NewReader(strings.Join(args[3:], " ")))
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+args[2])
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	ts.Check(answer.Body.Close())
	if got := strconv.Itoa(answer.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s", got, args[0])
	}
}

// scrape reads the metrics of the daemon, with a token, into a file.
func scrape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: scrape STATUS TOKEN TO")
	}
	var started startup
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("startup.json")), &started))
	r, err := http.NewRequest(http.MethodGet, started.Metrics, nil)
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+args[1])
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), text, 0o600))
	if got := strconv.Itoa(answer.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s: %s", got, args[0], text)
	}
}

func digest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: digest FOLDER TO")
	}
	list, err := digestOf(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(list), 0o600))
}

// digestOf lists the files of a folder outside .metasync: name, time of change,
// content.
func digestOf(folder string) (string, error) {
	var list bytes.Buffer
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".metasync":
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		fmt.Fprintf(&list, "%s %d %x\n", name, info.ModTime().UnixNano(), sha256.Sum256(data))
		return err
	})
	return list.String(), err
}
