package notify

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Document is the body of a message, before it is text or HTML. What is in it may
// come from connected systems: whoever renders it escapes it.
type Document struct {
	Rows     []Row     `json:"rows,omitempty"` // the summary
	Table    *Table    `json:"table,omitempty"`
	Sections []Section `json:"sections,omitempty"`
}

// A Row is a label and what there is to say to it.
type Row struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

// A Table has a head and rows of as many cells.
type Table struct {
	Title string     `json:"title"`
	Head  []string   `json:"head"`
	Rows  [][]string `json:"rows"`
}

// A Section lists items of one sort.
type Section struct {
	Title string `json:"title"`
	Items []Item `json:"items"`
	More  int    `json:"more,omitempty"`  // how many there are besides
	Least bool   `json:"least,omitempty"` // there may be more than that
}

// An Item is one thing in a section: an error, an object.
type Item struct {
	Title string `json:"title"`
	Rows  []Row  `json:"rows,omitempty"`
}

// row adds a row, unless there is nothing to say.
func (d *Document) row(label, text string) { addRow(&d.Rows, label, text) }

func (i *Item) row(label, text string) { addRow(&i.Rows, label, text) }

func addRow(rows *[]Row, label, text string) {
	if text != "" {
		*rows = append(*rows, Row{label, text})
	}
}

// limit leaves only the first items of each section; 0 leaves all.
func (d *Document) limit(items int) {
	if items <= 0 {
		return
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		if len(s.Items) > items {
			s.More += len(s.Items) - items
			s.Items = s.Items[:items:items]
		}
	}
}

// The longest texts in a message, in runes. What a system answers can be a whole
// page.
const (
	maxSubject = 200
	maxCell    = 2000
)

// clean returns a copy of the document without secrets, without control characters,
// and with no text that is too long.
func (d *Document) clean(redact func(string) string) Document {
	text := func(s string) string {
		if redact != nil {
			s = redact(s)
		}
		return paragraph(s, maxCell)
	}
	rows := func(list []Row) []Row {
		var out []Row
		for _, r := range list {
			out = append(out, Row{text(r.Label), text(r.Text)})
		}
		return out
	}
	cells := func(list []string) []string {
		var out []string
		for _, c := range list {
			out = append(out, text(c))
		}
		return out
	}
	out := Document{Rows: rows(d.Rows)}
	if d.Table != nil {
		out.Table = &Table{Title: d.Table.Title, Head: cells(d.Table.Head)}
		for _, r := range d.Table.Rows {
			out.Table.Rows = append(out.Table.Rows, cells(r))
		}
	}
	for _, s := range d.Sections {
		section := Section{Title: text(s.Title), More: s.More, Least: s.Least}
		for _, item := range s.Items {
			section.Items = append(section.Items, Item{text(item.Title), rows(item.Rows)})
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

// line returns a text as one line of at most so many runes: control characters, and
// what else ends lines, are blanks. A header made of it stays one header.
func line(text string, limit int) string {
	return cut(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text), limit)
}

// paragraph is line for a text that may have several.
func paragraph(text string, limit int) string {
	return cut(strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r), r == utf8.RuneError:
			return ' '
		}
		return r
	}, strings.TrimRight(text, "\r\n")), limit)
}

func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return string(runes[:limit]) + "..."
}

// stamp is a time as people read it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// moreText says that a list is not all, "" if it is.
func (s Section) moreText() string {
	switch {
	case s.More == 0:
		return ""
	case s.Least:
		return fmt.Sprintf("There are %d more, at least, that are not shown here.", s.More)
	case s.More == 1:
		return "There is 1 more that is not shown here."
	}
	return fmt.Sprintf("There are %d more that are not shown here.", s.More)
}

// text renders the document as plain text.
func (d *Document) text() string {
	var out strings.Builder
	writeRows := func(indent string, rows []Row) {
		width := 0
		for _, r := range rows {
			width = max(width, utf8.RuneCountInString(r.Label))
		}
		for _, r := range rows {
			pad := strings.Repeat(" ", width-utf8.RuneCountInString(r.Label))
			follow := "\n" + indent + strings.Repeat(" ", width+2)
			fmt.Fprintf(&out, "%s%s:%s %s\n", indent, r.Label, pad, strings.ReplaceAll(r.Text, "\n", follow))
		}
	}
	writeRows("", d.Rows)
	if d.Table != nil {
		fmt.Fprintf(&out, "\n%s\n", d.Table.Title)
		for _, cells := range d.Table.Rows {
			var rows []Row
			for i, cell := range cells {
				if i < len(d.Table.Head) {
					addRow(&rows, d.Table.Head[i], cell)
				}
			}
			out.WriteByte('\n')
			writeRows("  ", rows)
		}
	}
	for _, s := range d.Sections {
		fmt.Fprintf(&out, "\n%s\n", s.Title)
		for _, item := range s.Items {
			fmt.Fprintf(&out, "\n- %s\n", strings.ReplaceAll(item.Title, "\n", "\n  "))
			writeRows("  ", item.Rows)
		}
		if more := s.moreText(); more != "" {
			fmt.Fprintf(&out, "\n%s\n", more)
		}
	}
	return out.String()
}

// htmlPart is one message within an HTML mail. Styles stand at each element, for mail
// programs ignore those that stand elsewhere.
var htmlPart = template.Must(template.New("part").Funcs(template.FuncMap{
	"more": Section.moreText,
}).Parse(`{{define "rows"}}<table style="border-collapse:collapse;margin:0 0 12px">
{{range .}}<tr><th style="text-align:left;vertical-align:top;padding:2px 12px 2px 0;font-weight:normal;color:#555">{{.Label}}</th><td style="vertical-align:top;padding:2px 0;white-space:pre-wrap">{{.Text}}</td></tr>
{{end}}</table>{{end -}}
<h2 style="font-size:18px;margin:16px 0 8px">{{.Subject}}</h2>
{{if .Body.Rows}}{{template "rows" .Body.Rows}}{{end}}
{{with .Body.Table}}<h3 style="font-size:15px;margin:16px 0 6px">{{.Title}}</h3>
<table style="border-collapse:collapse;margin:0 0 12px">
<tr>{{range .Head}}<th style="text-align:left;padding:4px 10px;border:1px solid #ccc;background:#f2f2f2">{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td style="vertical-align:top;padding:4px 10px;border:1px solid #ccc;white-space:pre-wrap">{{.}}</td>{{end}}</tr>
{{end}}</table>{{end}}
{{range .Body.Sections}}<h3 style="font-size:15px;margin:16px 0 6px">{{.Title}}</h3>
{{range .Items}}<p style="margin:8px 0 2px;font-weight:bold;white-space:pre-wrap">{{.Title}}</p>
{{if .Rows}}{{template "rows" .Rows}}{{end}}
{{end}}{{with more .}}<p style="margin:8px 0;color:#555">{{.}}</p>{{end}}
{{end}}`))

// html renders a message as a part of an HTML page.
func (d *Document) html(subject string) (string, error) {
	var out strings.Builder
	err := htmlPart.Execute(&out, struct {
		Subject string
		Body    *Document
	}{subject, d})
	return out.String(), err
}

// The frame around the parts of an HTML mail.
const (
	pageStart = `<!DOCTYPE html><html><body style="font-family:sans-serif;font-size:14px;color:#222">` + "\n"
	pageRule  = `<hr style="border:0;border-top:1px solid #ccc;margin:24px 0">` + "\n"
	pageEnd   = `<p style="margin:24px 0 0;font-size:12px;color:#777">metasync</p></body></html>` + "\n"
)
