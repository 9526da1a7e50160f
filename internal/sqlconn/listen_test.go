//go:build unix && postgres

package sqlconn

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/metasync/metasync/internal/servers"
)

func TestListen(t *testing.T) {
	server := servers.For(t, servers.Postgres)
	s, err := Parse(Postgres, strings.Replace(server.DSN, "app@", "app:hunter22@", 1), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- s.Listen(ctx, `odd "channel"`, func() { heard <- struct{}{} }) }()
	next := func(what string) {
		t.Helper()
		select {
		case <-heard:
		case err := <-ended:
			t.Fatalf("%s: ended: %v", what, err)
		case <-time.After(time.Minute):
			t.Fatalf("%s was not heard", what)
		}
	}
	next("the begin")
	exec(t, s, `notify "odd ""channel"""`)
	next("a notification")
	exec(t, s, `notify another`)
	exec(t, s, `notify "odd ""channel"""`) // they come in this order
	next("one more notification")
	if len(heard) > 0 {
		t.Error("another channel was heard")
	}
	exec(t, s, `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'`)
	select {
	case err := <-ended:
		if err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("a lost connection: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("a lost connection was not noticed")
	}

	go func() { ended <- s.Listen(ctx, "x", func() { heard <- struct{}{} }) }()
	next("the begin")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: %v", err)
	}
}
