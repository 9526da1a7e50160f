package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/metasync/metasync/engine/fault"
)

// A call apart may make calls of a generation with one worker, survives a panic of
// the host, and sees variables of its own.
func TestApart(t *testing.T) {
	g := load(t, files("a.js", `let n = 0; hook("count", () => ++n); hook("panic", () => host.panic())`), Options{Workers: 1})
	apart := g.Apart()
	defer apart.Close()
	within := func(name string) (text string, err error) {
		err = apart.Do(t.Context(), Call{Of: hook(t, g, name)}, func(a *Active) error {
			result, err := a.Invoke("")
			if err != nil {
				return err
			}
			text = a.Describe(result)
			_, err = call(a.Context(), t, g, Call{}, "count")
			return err
		})
		return text, err
	}
	for _, want := range []string{"1", "2"} {
		if got, err := within("count"); got != want || err != nil {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	if _, err := within("panic"); fault.Name(err) != nameCrash {
		t.Errorf("got %v, want %s", err, nameCrash)
	}
	if got, err := within("count"); got != "1" || err != nil {
		t.Errorf("after a crash: %s, %v; want a new worker", got, err)
	}
	if got, _ := call(t.Context(), t, g, Call{}, "count"); got != "4" {
		t.Errorf("the generation counts %s, want 4", got)
	}
}

// What a call logs goes to the log of its context, all of it.
func TestLogOfItsOwn(t *testing.T) {
	var shared, own bytes.Buffer
	g := load(t, files("a.js", `hook("f", () => { for (let i = 0; i < 30; i++) log.debug("line") })`),
		Options{Log: slog.New(slog.NewTextHandler(&shared, nil))})
	ctx := WithLog(t.Context(), slog.New(slog.NewTextHandler(&own, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if _, err := call(ctx, t, g, Call{}, "f"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(own.String(), "msg=line"); n != 30 || shared.Len() > 0 {
		t.Errorf("%d lines, and %q in the shared log", n, shared.String())
	}
}
