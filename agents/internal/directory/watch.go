package directory

import (
	"context"
	"errors"
	"time"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
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
