package config

import (
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/hostlist"
)

// Allow is what scripts may reach.
type Allow struct {
	HTTP  Hosts        `yaml:"http" doc:"Hosts: api.example.org, api.example.org:8443, *.corp.example, an address, or a network such as 10.0.0.0/8. A name that leads to an address which is not public needs that address or its network here as well."`
	Read  []agent.Path `yaml:"read" doc:"Folders of which scripts may read all files."`
	Write []agent.Path `yaml:"write" doc:"Folders in which scripts may write files."`
}

// Guard says when a change of scripts or rules is held until somebody approves of it:
// before it takes effect, a sample of the objects is synchronized by the rules in force
// and by the changed ones, and what only those would delete is counted.
type Guard struct {
	Off     bool          `yaml:"off" default:"false" doc:"Whether changes take effect without a comparison."`
	Deletes int           `yaml:"deletes" default:"10" doc:"How many objects of the sample a change may newly delete, deprovision or disconnect, in the metaverse and in the systems together."`
	Sample  int           `yaml:"sample" default:"1000" doc:"How many objects are looked at."`
	Timeout time.Duration `yaml:"timeout" default:"1m" doc:"How long that may take. When the time is over, what was seen until then decides."`
}

func (g *Guard) check(l *loader, n *node) {
	if deletes := n.get("deletes"); deletes != nil && g.Deletes < 0 {
		l.fail(deletes.at, "deletes must not be negative")
	}
	if sample := n.get("sample"); sample != nil && g.Sample < 1 {
		l.fail(sample.at, "sample must be 1 at least").Hint = "off: true looks at nothing"
	}
	if timeout := n.get("timeout"); timeout != nil && g.Timeout == 0 {
		l.fail(timeout.at, "timeout must be longer than nothing")
	}
}

func (g *Guard) refine(s *jsonschema.Schema) {
	s.Properties["deletes"].Minimum = ptr(0.0)
	s.Properties["sample"].Minimum = ptr(1.0)
}

// Hosts are hosts that are granted.
type Hosts struct{ hostlist.List }

func (h *Hosts) decode(l *loader, n *node) {
	var entries []word
	l.fill(n, &entries)
	l.unique(entries)
	for _, w := range entries {
		if w.text == "" {
			continue // it was reported
		}
		e, err := hostlist.Parse(w.text)
		if err != nil {
			if w.written == w.text {
				l.fail(w.at, "%s", err)
			} else {
				l.fail(w.at, "%q is not a host", w.written)
			}
			continue
		}
		h.List = append(h.List, e)
	}
}

func (h *Hosts) schema(*generator) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: textSchema(), UniqueItems: true}
}

var isReference = regexp.MustCompile(referencePattern)

// Secrets are texts by name that come from outside the configuration.
type Secrets map[string]string

func (s *Secrets) decode(l *loader, n *node) {
	var given named[word]
	given.decode(l, n)
	for _, e := range given {
		if e.value.text == "" {
			continue // it was reported
		}
		if !isReference.MatchString(e.value.written) {
			l.fail(e.value.at, "the secret %q must not stand in the configuration", e.name).Hint = "write ${env:NAME} or ${file:PATH}"
			continue
		}
		if *s == nil {
			*s = Secrets{}
		}
		(*s)[e.name] = e.value.text
		addOnce(&l.secrets, e.value.text)
	}
}

func (s *Secrets) schema(g *generator) *jsonschema.Schema {
	var given named[word]
	schema := given.schema(g)
	schema.AdditionalProperties = g.reference()
	return schema
}

// A secret is a text that comes from outside the configuration.
type secret string

func (s *secret) decode(l *loader, n *node) {
	var given word
	given.decode(l, n)
	if given.text == "" {
		return // it was reported
	}
	if !isReference.MatchString(given.written) {
		l.fail(given.at, "a secret must not stand in the configuration").Hint = "write ${env:NAME} or ${file:PATH}"
		return
	}
	*s = secret(given.text)
	addOnce(&l.secrets, given.text)
}

func (s *secret) schema(g *generator) *jsonschema.Schema { return g.reference() }

// A Lookup is a table in which scripts look values up.
type Lookup struct {
	Name      string
	File      string // absolute path
	Key       string // column
	Delimiter rune
	Position  fault.Position
}

// lookup is a table as it is written.
type lookup struct {
	File      agent.Path `yaml:"file,required" doc:"The file: delimited text in UTF-8 with a line of column names."`
	Key       word       `yaml:"key,required" doc:"The column that is searched, whatever the case. No value may be there twice."`
	Delimiter string     `yaml:"delimiter" default:"\",\"" doc:"The character between columns."`
}

func (k *lookup) check(l *loader, n *node) {
	if delimiter := n.get("delimiter"); delimiter != nil && delimiter.kind == textNode && !isDelimiter(k.Delimiter) {
		l.fail(delimiter.at, "delimiter must be one character, and neither a quote nor a line break")
	}
}

func (k *lookup) refine(s *jsonschema.Schema) {
	s.Properties["delimiter"].MinLength, s.Properties["delimiter"].MaxLength = ptr(1), ptr(1)
}

func isDelimiter(s string) bool {
	c, size := utf8.DecodeRuneInString(s)
	return size > 0 && size == len(s) && c != utf8.RuneError && c != '"' && c != '\n' && c != '\r'
}

// lookups returns the tables, and notes those that several files give.
func (l *loader) lookups(m named[lookup]) []Lookup {
	checkUnique(l, "lookup table", m)
	var out []Lookup
	for _, e := range m {
		delimiter, _ := utf8.DecodeRuneInString(e.value.Delimiter)
		out = append(out, Lookup{
			Name: e.name, File: string(e.value.File), Key: e.value.Key.text, Delimiter: delimiter, Position: e.at,
		})
	}
	return out
}
