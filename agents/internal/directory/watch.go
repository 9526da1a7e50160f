package directory

import (
	"context"
	"errors"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Pauses before a connection that was lost is tried again.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

var _ agent.Watcher = (*Directory)(nil)

// Watch implements [agent.Watcher]. It listens to all bases.
func (d *Directory) Watch(ctx context.Context, changed func()) error {
	ctx, cancel := context.WithCancel(ctx)
	events, ends := make(chan struct{}), make(chan error, len(d.settings.Base))
	for _, base := range d.settings.Base {
		go func() { ends <- d.watchBase(ctx, base, events, firstPause) }()
	}
	var err error
	for left := len(d.settings.Base); left > 0; {
		select {
		case <-events:
			changed()
		case end := <-ends:
			if left--; err == nil {
				err = end
			}
			cancel() // one that cannot go on ends all
		}
	}
	cancel()
	return err
}

// watchBase listens to one base, over as many connections as it takes.
func (d *Directory) watchBase(ctx context.Context, base string, events chan<- struct{}, first time.Duration) error {
	pause := first
	for {
		heard, err := d.listen(ctx, base, events)
		if heard {
			pause = first
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case fault.Name(err) == "no-start-change-log-not-enabled":
			return err
		}
		d.log.Warn("the directory is not listened to", "agent", d.name, "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// listen asks for changes until the connection ends. heard says whether the server had
// begun to tell them.
func (d *Directory) listen(ctx context.Context, base string, events chan<- struct{}) (heard bool, err error) {
	c, err := d.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	s, err := d.learn(ctx, c)
	if err != nil {
		return false, err
	}
	defer d.breathe(ctx, c)()
	err = d.dialect.Listen(ctx, c, s, base, func() {
		select {
		case events <- struct{}{}:
			heard = true
		case <-ctx.Done():
		}
	})
	if err == nil {
		err = errors.New("the server has ended the connection")
	}
	return heard, d.Failed("stopped-connectivity", err)
}

// breathe asks something small from time to time, so that a connection over which nothing
// is to be told is neither idle nor taken for alive when it is not. The function that it
// returns ends that, and the connection.
func (d *Directory) breathe(ctx context.Context, c *ldapconn.Conn) (end func()) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		tick := time.NewTicker(max(d.settings.Timeout/2, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			req := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil)
			if _, err := c.LDAP().Search(req); err != nil && !ldapconn.Answered(err) {
				return // whoever listens hears of it
			}
		}
	}()
	return func() {
		cancel()
		c.Close() // a search that waits for its answer ends
		<-done
	}
}
