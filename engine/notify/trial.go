package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A Trial is what became of a test message. Its JSON form is the public one.
type Trial struct {
	Channel string `json:"channel"`
	To      string `json:"to,omitempty"`
	OK      bool   `json:"ok"`
	Took    string `json:"took"`
	Error   string `json:"error,omitempty"`
}

// Test sends a test message through every channel at once, past the outbox, and
// returns what became of each. By mail everybody who may get any is written to, or
// only the address to, if it is given. The error is [ErrNotConfigured] if there is no
// channel.
func (n *Notifier) Test(ctx context.Context, to string) ([]Trial, error) {
	settings := n.current()
	switch {
	case !settings.configured():
		return nil, ErrNotConfigured
	case to != "" && settings.Mail == nil:
		return nil, errors.New("there is no mail server in the configuration to send to " + to)
	}
	now := n.now()
	const title = "metasync: test message"
	var body Document
	body.row("Result", "this channel works")
	body.row("Time", stamp(now))
	body = body.clean(settings.Redact)
	page, err := body.html(title)
	if err != nil {
		return nil, err
	}
	text := title + "\n\n" + body.text()
	var trials []Trial
	for _, c := range n.channels(&settings) {
		var messages []*message
		if c.key() == mailKey {
			recipients := []string{to}
			if to == "" {
				recipients = settings.everybody()
			}
			for _, recipient := range recipients {
				messages = append(messages, &message{ID: newID(), To: recipient, Subject: title, Text: text, HTML: page, Created: now})
			}
		} else {
			m := &message{ID: newID(), Subject: title, Created: now}
			if m.Payload, err = json.Marshal(Payload{ID: m.ID, Time: now, Event: "test", Subject: title, Text: text, Body: body}); err != nil {
				return nil, err
			}
			messages = append(messages, m)
		}
		for _, m := range messages {
			started := time.Now()
			err := c.send(ctx, m)
			trial := Trial{Channel: c.name(), To: m.To, OK: err == nil, Took: took(time.Since(started))}
			if err != nil {
				trial.Error = err.Error()
				if settings.Redact != nil {
					trial.Error = settings.Redact(trial.Error)
				}
				trial.Error = line(trial.Error, maxCell)
			}
			trials = append(trials, trial)
		}
		c.idle()
	}
	return trials, nil
}
