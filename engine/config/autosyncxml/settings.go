package autosyncxml

import (
	"slices"
	"strings"
)

// runModes are AutoSync's run modes, by name and number (autosync §1.4).
var runModes = map[string]string{
	"": "supported", "0": "supported", "supported": "supported",
	"1": "overlap", "unsupported": "overlap", "2": "exclusive", "exclusive": "exclusive",
}

func (d *decoder) settings(e *element) {
	mode, known := runModes[strings.ToLower(e.value("run-mode"))]
	if !known {
		mode = "supported"
		d.note(e.child("run-mode"), "run mode %q is not known; supported is the most careful one", e.value("run-mode"))
	}
	d.line(0, "autosync:")
	d.line(1, "mode: %s", mode)
	if len(d.pairs) > 0 {
		d.line(1, "neverTogether:")
		for _, pair := range d.pairs {
			d.line(2, "- %s", quoteAll(pair[:]))
		}
	}
	d.history(e)
	d.mail(e)
}

func (d *decoder) history(e *element) {
	age, ok := duration(e.value("run-history-max-age"))
	switch {
	case !e.is("run-history-clear"):
		d.note(e, "AutoSync kept the run history for ever; metasync keeps runs for 30 days unless history says otherwise")
	case !ok || age <= 0:
		d.line(0, "history: {keep: 1d}")
	default:
		d.line(0, "history: {keep: %s}", length(age))
	}
	if e.is("run-history-save") {
		d.note(e.child("run-history-save-path"), "runs are saved before they go if history has saveTo, a folder (it was %q)", e.value("run-history-save-path"))
	}
}

func (d *decoder) mail(e *element) {
	to, host, from := e.list("mail-to"), e.value("mail-host"), e.value("mail-from")
	if len(to) == 0 { // written by hand, as the user interface shows it
		to = strings.FieldsFunc(e.value("mail-to"), func(r rune) bool { return strings.ContainsRune(";, \n\t", r) })
	}
	switch {
	case !e.is("mail-enabled"):
		if host != "" {
			d.note(e.child("mail-enabled"), "mail was off; it is left out")
		}
		return
	case e.is("mail-use-app-config"):
		d.note(e.child("mail-use-app-config"), "the mail server is in the .exe.config of AutoSync: write notify: mail by hand")
		return
	case host == "" || from == "" || len(to) == 0:
		d.note(e, "mail without a server, a sender or a recipient is left out")
		return
	}
	port := e.value("mail-port")
	if e.number("mail-port") <= 0 {
		port = "25"
	}
	d.line(0, "notify:")
	d.line(1, "mail:")
	d.line(2, "server: %s", quote(host+":"+port))
	d.line(2, "tls: starttls")
	if !e.is("mail-use-ssl") {
		d.note(e.child("mail-use-ssl"), "AutoSync sent mail in clear, metasync will not: if the server has no TLS, set tls: none and insecure: true")
	}
	if e.is("mail-use-default-credentials") {
		d.note(e.child("mail-use-default-credentials"), "the Windows identity of the service cannot log in to the mail server")
	}
	if user := e.value("mail-username"); user != "" {
		d.line(2, "username: %s", quote(user))
		d.line(2, "password: ${env:METASYNC_MAIL_PASSWORD}")
		d.note(e.child("mail-password"), "the password is not taken over: put it into the environment variable METASYNC_MAIL_PASSWORD")
	}
	d.line(2, "from: %s", quote(from))
	slices.Sort(to)
	d.line(2, "to: %s", quoteAll(slices.Compact(to)))
	d.line(2, "maxErrors: %d", max(e.number("mail-max-errors"), 0))
	if e.is("mail-send-all-error-instances") {
		d.line(2, "all: true")
	}
	var ignored []string
	for _, code := range e.list("mail-ignore-return-codes") {
		if !slices.Contains(ignored, code) {
			ignored = append(ignored, code)
		}
	}
	d.line(2, "ignore: %s", quoteAll(ignored))
}
