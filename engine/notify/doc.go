// Package notify tells administrators by mail and by webhook what went wrong, and
// that it is right again (autosync §6, §11.24).
//
// A [Notifier] is given an [Event] for whatever happens: a run ended, a step is held,
// a trigger failed. An event belongs to an [Incident]: something that is not as it
// should be, and for how long. A message is sent when an incident opens, when its
// state changes, again after a while if it goes on, and when it is resolved; never
// for every occurrence, unless that is wanted. [Policy] holds these decisions as a
// pure function.
//
// A message is written to the store in the transaction that changes the incident, so
// a crash at any moment neither loses nor invents one. It stays there until its
// channel has accepted it. Each channel has one sender, which tries again with
// growing pauses; nothing that posts an event ever waits for a server. A message that
// was accepted in the moment of a crash is sent again under the same Message-ID.
//
// The package knows run records, and neither the scheduler nor the daemon that
// produce events.
//
//	settings.go   what administrators decide
//	event.go      events, and a function that makes each kind
//	incident.go   event -> what becomes of the incident, and whether to tell
//	document.go   the body of a message, as text and as HTML
//	runreport.go  the body that tells of a run
//	notifier.go   Notifier: Post, Run, Status
//	telling.go    an incident -> the messages that tell of it
//	begin.go      what happened before a crash
//	outbox.go     messages in the store
//	sender.go     a channel's turn: send, wait, try again
//	mail.go       SMTP
//	webhook.go    HTTP
//	trial.go      test messages
package notify
