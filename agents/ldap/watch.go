package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/internal/ldapconn"
)

// Pauses before a connection that was lost is tried again.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

var _ agent.Watcher = (*directory)(nil)

// Watch implements [agent.Watcher], as the server tells of changes (RFC 4533,
// refreshAndPersist). It listens to all bases.
func (d *directory) Watch(ctx context.Context, changed func()) error {
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
func (d *directory) watchBase(ctx context.Context, base string, events chan<- struct{}, first time.Duration) error {
	pause := first
	for {
		heard, err := d.listen(ctx, base, events)
		if heard {
			pause = first
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ldapconn.ErrNoSync):
			return d.fault("no-start-change-log-not-enabled", "%s", err)
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
func (d *directory) listen(ctx context.Context, base string, events chan<- struct{}) (heard bool, err error) {
	c, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	s, err := d.learn(ctx, c)
	if err != nil {
		return false, err
	}
	t, err := d.tracker(s, base)
	if err != nil {
		return false, err
	}
	sync, ok := t.(*syncrepl)
	if !ok {
		return false, fmt.Errorf("%w: its changes are told by %q", ldapconn.ErrNoSync, methodOf(t))
	}
	w := new(watermark)
	if err := sync.begin(ctx, c, w); err != nil {
		return false, err
	}
	defer c.EndWith(ctx)()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	req := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, sync.filter(), []string{"1.1"}, nil)
	answer := c.LDAP().Syncrepl(inner, req, 64, ldap.SyncRequestModeRefreshAndPersist, w.Cookie, false)
	tell := func() {
		select {
		case events <- struct{}{}:
			heard = true
		case <-ctx.Done():
		}
	}
	tell()
	for answer.Next() {
		news := answer.Entry() != nil
		for _, control := range answer.Controls() {
			info, ok := control.(*ldap.ControlSyncInfo)
			news = news || ok && info.SyncIdSet != nil
		}
		if news {
			tell()
		}
	}
	if err := answer.Err(); err != nil {
		return heard, d.failed("stopped-connectivity", err)
	}
	return heard, errors.New("the server has ended the connection")
}

func methodOf(t tracker) string {
	if t == nil {
		return "none"
	}
	return t.method()
}
