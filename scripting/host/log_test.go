package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// output is a buffer for several goroutines.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

// take returns what was written since the last time.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.buffer.Reset()
	return o.buffer.String()
}

// logger returns a logger without times, and what it has written.
func logger() (*slog.Logger, *output) {
	out := &output{}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})), out
}

func TestLog(t *testing.T) {
	log, out := logger()
	g := load(t, files("a.js", `
		log.info("loaded");
		hook("f", () => {
			log.warn("strange", {n: 1, list: ["a"], err: new Error("no"), f() {}});
			log.error({code: 7}, "x");
			console.log("a", 1, null, undefined, {b: 2});
			log.debug();
			log.info("x".repeat(5000));
		});
		hook("g", () => log.info("bad", {get x() { throw new Error("thrown") }}))`), Options{Log: log, Workers: 1})
	c := Call{Log: []slog.Attr{slog.String("trigger", "T")}}
	if _, err := call(t.Context(), t, g, c, "f"); err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context(), t, g, c, "g"); err == nil || !strings.Contains(err.Error(), "thrown") {
		t.Errorf("got %v", err)
	}
	want := strings.Join([]string{
		`level=INFO msg=loaded script=scripts/a.js:2:7`,
		`level=WARN msg=strange script=scripts/a.js:4:8 trigger=T n=1 list="[\"a\"]" err="Error: no" f="a function"`,
		`level=ERROR msg="{\"code\":7}" script=scripts/a.js:5:8 trigger=T value=x`,
		`level=INFO msg="a 1 null undefined {\"b\":2}" script=scripts/a.js:6:12 trigger=T`,
		`level=INFO msg=` + strings.Repeat("x", maxText) + `… script=scripts/a.js:8:8 trigger=T`,
	}, "\n") + "\n"
	if got := out.take(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLogIsLimitedPerPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := logger()
		g, err := Load(context.Background(), files("a.js",
			"hook('f', () => {\n for (let i = 0; i < 25; i++) log.info('many')\n log.info('one') })"), testAPI(), Options{Log: log, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		run := func() (many, one int, rest string) {
			if _, err := call(t.Context(), t, g, Call{}, "f"); err != nil {
				t.Fatal(err)
			}
			lines := out.take()
			many, one = strings.Count(lines, "msg=many"), strings.Count(lines, "msg=one")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			return many, one, out.take()
		}
		for range 2 {
			many, one, rest := run()
			if many != logBurst || one != 1 {
				t.Errorf("%d and %d lines", many, one)
			}
			if want := "level=WARN msg=\"15 more lines from this place were left out\" script=a.js:2:35\n"; rest != want {
				t.Errorf("got %q, want %q", rest, want)
			}
		}
		g.Close()
	})
}
