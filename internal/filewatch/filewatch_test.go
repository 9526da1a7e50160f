package filewatch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// do carries out commands on files below a folder: "write NAME TEXT", "append
// NAME TEXT", "touch NAME", "remove NAME", "rename OLD NEW", "link NAME TARGET",
// "mkdir NAME".
func do(t *testing.T, folder string, commands ...string) {
	t.Helper()
	for _, command := range commands {
		verb, rest, _ := strings.Cut(command, " ")
		name, arg, _ := strings.Cut(rest, " ")
		path := filepath.Join(folder, name)
		var err error
		switch verb {
		case "write":
			err = overwrite(path, arg)
		case "append":
			var file *os.File
			if file, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0); err == nil {
				_, err = file.WriteString(arg)
				file.Close()
			}
		case "touch":
			err = os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour))
		case "remove":
			err = os.RemoveAll(path)
		case "rename":
			err = os.Rename(path, filepath.Join(folder, arg))
		case "link":
			err = os.Symlink(arg, path)
		case "mkdir":
			err = os.MkdirAll(path, 0o755)
		default:
			t.Fatalf("unknown command %q", command)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// overwrite writes a file where it is, so that a look at any moment finds what it held or
// what it shall hold, unless it is new: then it may be empty.
func overwrite(path, text string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Truncate(int64(len(text))), file.Close())
}

var scenarios = []struct {
	name    string
	roots   []string // in the folder
	before  []string
	quiet   []string // commands that change nothing
	changes []string // each one is a change
}{
	{
		name: "folder", roots: []string{"s"},
		before: []string{"mkdir s", "write s/a.js 1", "write s/notes.md x"},
		quiet: []string{
			"touch s/a.js", "write s/a.js 1", "write s/.a.js.swp x", "write s/a.js~ x", "write s/4913.tmp x",
			"remove s/a.js~", "write s/notes.md y", "write other.js 1",
		},
		changes: []string{"write s/a.js 2", "append s/a.js 3", "write s/b.js 1", "rename s/b.js s/c.js", "remove s/c.js", "remove s"},
	},
	{
		name: "written aside and renamed", roots: []string{"s"},
		before: []string{"mkdir s", "write s/a.js 1"}, quiet: []string{"write s/a.js.tmp 2"}, changes: []string{"rename s/a.js.tmp s/a.js"},
	},
	{
		name: "new folders", roots: []string{"s"},
		before: []string{"mkdir s"}, quiet: []string{"mkdir s/x/y", "mkdir s/.git"},
		changes: []string{"write s/x/y/a.js 1", "write s/x/y/a.js 2", "rename s/x s/z", "write s/z/y/a.js 3"},
	},
	{
		name: "left out folders", roots: []string{"s"},
		before: []string{"mkdir s/node_modules/p"}, quiet: []string{"write s/node_modules/p/a.js 1"}, changes: []string{"write s/a.js 1"},
	},
	{
		name: "links that are swapped as a whole", roots: []string{"s"},
		before: []string{
			"mkdir s/..1", "write s/..1/a.js 1", "mkdir s/..2", "write s/..2/a.js 2",
			"link s/..data ..1", "link s/a.js ..data/a.js", "link s/..new ..2",
		},
		changes: []string{"rename s/..new s/..data"},
	},
	{
		name: "the folder itself is a link", roots: []string{"s"},
		before:  []string{"mkdir 1", "write 1/a.js 1", "mkdir 2", "write 2/a.js 2", "link s 1", "link new 2"},
		changes: []string{"write 1/a.js 3", "rename new s", "write 2/a.js 4"},
	},
	{
		name: "files", roots: []string{"c/m.yaml", "d/n.yaml"},
		before: []string{"mkdir c", "write c/m.yaml 1"}, quiet: []string{"write c/other.yaml 1", "touch c/m.yaml"},
		changes: []string{"write c/m.yaml 2", "remove c/m.yaml", "write c/m.yaml 2"},
	},
	{
		name: "a file that does not exist yet", roots: []string{"d/e/n.yaml"},
		quiet: []string{"mkdir d", "mkdir d/e"}, changes: []string{"write d/e/n.yaml 1"},
	},
	{
		name: "pattern", roots: []string{"d/*.csv"},
		before: []string{"mkdir d", "write d/a.csv 1"}, quiet: []string{"write d/a.txt 1", "mkdir d/x.csv", "write d/x.csv/b.csv 1"},
		changes: []string{"write d/b.csv 1", "append d/a.csv 2", "remove d/a.csv"},
	},
	{
		name: "a loop of links", roots: []string{"s"},
		before: []string{"mkdir s", "link s/again ."}, changes: []string{"write s/a.js 1"},
	},
}

func options(folder string, roots []string) Options {
	o := Options{
		Quiet: 20 * time.Millisecond, Rescan: time.Hour,
		Match: func(path string, folder bool) bool {
			return folder && filepath.Base(path) != "node_modules" || strings.HasSuffix(path, ".js")
		},
	}
	for _, root := range roots {
		o.Roots = append(o.Roots, filepath.Join(folder, root))
	}
	return o
}

func TestScan(t *testing.T) {
	for _, test := range scenarios {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			o := options(folder, test.roots)
			do(t, folder, test.before...)
			s := newScanner(o.withDefaults()) // it remembers; a fresh one does not
			now := s.scan(t.Context())
			look := func(command string, changes bool) {
				do(t, folder, command)
				next := s.scan(t.Context())
				if fresh := Scan(t.Context(), o); fresh != next {
					t.Errorf("%s: a second look differs", command)
				}
				if (next != now) != changes {
					t.Errorf("%s: change %v, want %v", command, next != now, changes)
				}
				now = next
			}
			for _, command := range test.quiet {
				look(command, false)
			}
			for _, command := range test.changes {
				look(command, true)
			}
		})
	}
}

func TestWatch(t *testing.T) {
	for _, test := range scenarios {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			do(t, folder, test.before...)
			o := options(folder, test.roots)
			o.Since = Scan(t.Context(), o)

			ctx, cancel := context.WithCancel(t.Context())
			reports, ended := make(chan Fingerprint, 100), make(chan struct{})
			// The first report says that the watches are in place.
			o.Since = "before " + o.Since
			go func() {
				defer close(ended)
				Watch(ctx, o, func(_ context.Context, now Fingerprint) { reports <- now })
			}()
			defer func() { cancel(); <-ended }()
			now := <-reports
			do(t, folder, test.quiet...)
			for _, command := range test.changes {
				do(t, folder, command)
				after := Scan(t.Context(), o)
				for reported := false; !reported; { // a file may be seen before it is written whole
					next := <-reports
					if next == now {
						t.Errorf("%s: nothing changed", command)
					}
					now = next
					reported = now == after
				}
			}
			select {
			case <-reports:
				t.Error("a report too many")
			default:
			}
		})
	}
}

// What is written while a report is dealt with is reported afterwards.
func TestChangeDuringReport(t *testing.T) {
	folder := t.TempDir()
	o := options(folder, []string{"a"})
	o.Since = "other"
	ctx, cancel := context.WithCancel(t.Context())
	reports := 0
	Watch(ctx, o, func(context.Context, Fingerprint) {
		if reports++; reports == 1 {
			do(t, folder, "write a 1")
		} else {
			cancel()
		}
	})
	if reports != 2 {
		t.Errorf("%d reports", reports)
	}
}

// What somebody reads who is told of a change may be another one already, which is taken
// back later: then it is told once more, or what was read would stay.
func TestChangeTakenBackDuringReport(t *testing.T) {
	folder := t.TempDir()
	do(t, folder, "write a 1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var read []string
	removed := false
	o := Options{Roots: []string{folder}, Quiet: 20 * time.Millisecond, Reads: true}
	o.Since = Scan(ctx, o)
	// The look after the report is where b goes: it has been found, and is gone.
	o.Match = func(path string, _ bool) bool {
		if filepath.Base(path) == "b" && len(read) == 1 && !removed {
			removed = true
			do(t, folder, "remove b")
		}
		return true
	}
	do(t, folder, "write a 2")
	Watch(ctx, o, func(context.Context, Fingerprint) {
		if len(read) == 0 {
			do(t, folder, "write b broken")
		}
		list, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Error(err)
		}
		for i, name := range list {
			list[i] = filepath.Base(name)
		}
		if read = append(read, strings.Join(list, " ")); len(read) > 1 && read[len(read)-1] == "a" {
			cancel()
		}
	})
	if len(read) < 2 || read[0] != "a b" || read[len(read)-1] != "a" {
		t.Errorf("read %q", read)
	}
}

func TestPollWithoutNotifications(t *testing.T) {
	folder := t.TempDir()
	o := options(folder, []string{"a"}).withDefaults()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Rescan = time.Millisecond
	s := newScanner(o)
	scans := 0
	settle(ctx, o, nil, func() Fingerprint {
		if scans++; scans == 2 {
			do(t, folder, "write a 1")
		}
		return s.scan(ctx)
	}, func(_ context.Context, now Fingerprint) {
		if now != Scan(t.Context(), o) {
			t.Error("the report is of another state")
		}
		cancel()
	})
}

func TestIgnored(t *testing.T) {
	for name, want := range map[string]bool{
		"a.js": false, "a": false, "~a": false, "a.tmp.js": false, "#a": false,
		".a.js": true, "a.js~": true, "a.SWP": true, "a.swx": true, "a.tmp": true, "#a#": true, "..data": true,
	} {
		if Ignored(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
