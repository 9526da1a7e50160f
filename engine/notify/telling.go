package notify

import (
	"encoding/json"
	"fmt"
	"time"
)

// A telling is a change of an incident that is about to become messages.
type telling struct {
	change   change
	event    *Event
	body     Document  // clean
	incident *Incident // as it is after the event, nil if it is resolved
	before   string    // the state that it had
	since    time.Time // when it opened
	thread   string
	id       string // of its messages, set by messages
}

// A Payload is what a webhook is sent. Its JSON form is the public one.
type Payload struct {
	ID      string     `json:"id"`    // the same for each attempt
	Time    time.Time  `json:"time"`  // of the event
	Event   string     `json:"event"` // opened, changed, ongoing, resolved, occurred, or test
	Kind    Kind       `json:"kind,omitempty"`
	Agent   string     `json:"agent,omitempty"`
	Name    string     `json:"name,omitempty"`
	State   string     `json:"state,omitempty"`
	Before  string     `json:"before,omitempty"` // the state until now
	Since   *time.Time `json:"since,omitempty"`  // when the incident opened
	Run     uint64     `json:"run,omitempty"`
	Subject string     `json:"subject"`
	Text    string     `json:"text"` // subject and body: what chat programs show
	Body    Document   `json:"body"`
}

// messages composes what each channel is to send.
func (t *telling) messages(settings *Settings, now time.Time) (map[string][]*message, error) {
	t.id = newID()
	redact := func(s string) string {
		if settings.Redact != nil {
			s = settings.Redact(s)
		}
		return s
	}
	e := t.event
	title := line(redact(subject(t.change, e, t.before, t.since)), maxSubject)
	body := t.body
	body.Rows = append(t.history(redact), body.Rows...)
	out := map[string][]*message{}
	if settings.Mail != nil {
		page, err := body.html(title)
		if err != nil {
			return nil, fmt.Errorf("write a mail: %w", err)
		}
		for _, to := range settings.recipients(e.Agent) {
			out[mailKey] = append(out[mailKey], &message{
				ID: t.id, Thread: t.thread, To: to, Subject: title, Text: title + "\n\n" + body.text(), HTML: page, Created: now,
			})
		}
	}
	if len(settings.Webhooks) == 0 {
		return out, nil
	}
	p := Payload{
		ID: t.id, Time: e.Time, Event: string(t.change), Kind: e.Kind, Agent: e.Agent, Name: redact(e.Name), State: redact(e.State),
		Run: e.Run, Subject: title, Text: title + "\n\n" + body.text(), Body: body,
	}
	if p.Time.IsZero() {
		p.Time = now
	}
	if t.before != "" && t.before != e.State {
		p.Before = t.before
	}
	if since := t.since; !since.IsZero() {
		p.Since = &since
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write a message for a webhook: %w", err)
	}
	for i := range settings.Webhooks {
		key := settings.Webhooks[i].key()
		out[key] = append(out[key], &message{ID: t.id, Subject: title, Payload: data, Created: now})
	}
	return out, nil
}

// history says in rows how the incident came to be what it is.
func (t *telling) history(redact func(string) string) []Row {
	var rows []Row
	switch t.change {
	case changed, resolved:
		addRow(&rows, "Until now", line(redact(t.before), maxCell))
	case ongoing:
		if t.incident != nil {
			addRow(&rows, "Occurred", fmt.Sprintf("%d times", t.incident.Count))
		}
	}
	if t.change != opened {
		addRow(&rows, "Open since", stamp(t.since))
	}
	return rows
}

// lossMessage says that messages were dropped, through the channel of one that was
// not.
func lossMessage(beside *message, lost uint64, now time.Time) (*message, error) {
	title := fmt.Sprintf("metasync: %d messages were dropped", lost)
	if lost == 1 {
		title = "metasync: 1 message was dropped"
	}
	var d Document
	d.row("Reason", "They could not be sent for too long, or too many were waiting. metasync history shows what ran.")
	m := &message{ID: newID(), To: beside.To, Subject: title, Created: now}
	if beside.Payload != nil {
		data, err := json.Marshal(Payload{ID: m.ID, Time: now, Event: string(occurred), Subject: title, Text: title + "\n\n" + d.text(), Body: d})
		m.Payload = data
		return m, err
	}
	page, err := d.html(title)
	m.Text, m.HTML = title+"\n\n"+d.text(), page
	return m, err
}
