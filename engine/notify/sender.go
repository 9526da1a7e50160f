package notify

import (
	"context"
	"errors"
	"time"
)

// A channel is a way to somebody. One goroutine uses it at a time.
type channel interface {
	// key names the channel in the store. It stays when what leads there changes.
	key() string
	// name is what people call it. It holds no secret.
	name() string
	// send delivers a message, or returns why it was not delivered: a
	// *deliveryError says more. It gives up when ctx is done.
	send(ctx context.Context, m *message) error
	// idle lets go of what send has kept open for the next message.
	idle()
}

// channels returns the ways that the settings have, each new.
func (s *Settings) channels() []channel {
	var list []channel
	if s.Mail != nil {
		list = append(list, newMailer(*s.Mail))
	}
	for i := range s.Webhooks {
		list = append(list, newHook(s.Webhooks[i]))
	}
	return list
}

// A deliveryError says what a failure means for other messages.
type deliveryError struct {
	err     error
	refused bool          // it is about this message alone; others may pass
	after   time.Duration // how long the other side wants to be left alone, 0 if it did not say
}

func (e *deliveryError) Error() string { return e.err.Error() }

func (e *deliveryError) Unwrap() error { return e.err }

// The longest pauses.
const (
	maxPause   = 15 * time.Minute
	maxSetback = 6 * time.Hour
	maxSleep   = time.Minute // after which a sender looks at the clock again
)

// A sender takes the messages of a channel, the oldest first, until they are
// accepted. A failure of the channel keeps all of them waiting for a while; one of a
// message only that message.
type sender struct {
	notifier *Notifier
	channel  channel
	digest   bool // messages are gathered
	wake     chan struct{}
	failures int // in a row
}

// run works until ctx is done.
func (s *sender) run(ctx context.Context) {
	defer s.channel.idle()
	for ctx.Err() == nil {
		s.step(ctx)
	}
}

// step sends one message, or waits until there is one.
func (s *sender) step(ctx context.Context) {
	n, key := s.notifier, s.channel.key()
	log := n.log.With("channel", s.channel.name())
	q, again, err := n.next(key, n.now())
	if err == nil && q.message != nil && s.digest {
		q, err = n.gather(key, q)
	}
	switch {
	case err != nil:
		log.Error("the outbox cannot be read", "err", err)
		sleep(ctx, maxSleep, nil)
		return
	case q.message == nil:
		s.channel.idle()
		pause := maxSleep
		if !again.IsZero() {
			pause = max(0, min(pause, again.Sub(n.now())))
		}
		sleep(ctx, pause, s.wake)
		return
	}
	err = s.channel.send(ctx, q.message)
	switch {
	case err == nil:
		if s.failures > 0 {
			log.Info("messages are sent again")
		}
		s.failures = 0
		if err := n.sent(key, q, n.now()); err != nil {
			log.Error("a message was sent and will be sent again: the outbox cannot be written", "id", q.ID, "err", err)
			sleep(ctx, maxSleep, nil)
		}
		return
	case ctx.Err() != nil:
		return // it waits for the next sender
	}
	s.failed(ctx, q, err)
}

// failed waits as long as a failure calls for.
func (s *sender) failed(ctx context.Context, q queued, cause error) {
	n := s.notifier
	log := n.log.With("channel", s.channel.name(), "id", q.ID, "attempt", q.Attempts+1)
	text := cause.Error()
	if redact := n.current().Redact; redact != nil {
		text = redact(text)
	}
	text = line(text, maxCell)
	var delivery *deliveryError
	if !errors.As(cause, &delivery) {
		delivery = &deliveryError{err: cause}
	}
	now := n.now()
	at, pause := now, time.Duration(0)
	if delivery.refused {
		at = now.Add(grown(n.setback, q.Attempts, maxSetback))
		log.Warn("a message was refused; it will be tried again", "next", at, "err", text)
	} else {
		pause = max(grown(n.pause, s.failures, maxPause), delivery.after)
		s.failures++
		log.Warn("messages cannot be sent; they wait", "next", now.Add(pause), "err", text)
	}
	if err := n.failed(s.channel.key(), q, text, at); err != nil {
		log.Error("the outbox cannot be written", "err", err)
		pause = max(pause, maxSleep)
	}
	s.channel.idle()
	sleep(ctx, pause, nil)
}

// grown is a pause that doubles with each failure.
func grown(first time.Duration, failures int, most time.Duration) time.Duration {
	for range failures {
		if first *= 2; first >= most {
			return most
		}
	}
	return min(first, most)
}

// sleep waits until a time has passed, ctx is done, or something wakes it.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}
