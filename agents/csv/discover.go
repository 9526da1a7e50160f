package csv

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/agent/discover"
	"github.com/metasync/metasync/engine/identity"
)

// maxTypes bounds how many values a column of object types may have to be one.
const maxTypes = 100

var _ discover.Discoverer = (*Settings)(nil)

// Discover implements [discover.Discoverer]: it reads the file once, from the front to
// the end.
func (s *Settings) Discover(ctx context.Context, env agent.Env) (*discover.Discovery, error) {
	a, err := s.prepare(env)
	if err != nil {
		return nil, err
	}
	l := &look{agent: a, out: &discover.Discovery{System: "a file of delimited text", Agent: a}, types: map[string]*lookedType{}}
	a.objects, l.described = nil, a.objects // what is described need not be right
	if s.Delimiter == "" {
		if err := l.guessDelimiter(); err != nil {
			return nil, err
		}
	}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	l.fill()
	return l.out, nil
}

// A look is a pass over the file for what is in it.
type look struct {
	agent     *csvAgent
	described []agent.Object
	out       *discover.Discovery
	layout    *layout
	rows      int
	bad       int // rows that cannot be read
	firstBad  int // the line of the first one
	types     map[string]*lookedType
	order     []string // names of types, as they came
}

// A lookedType is what was seen of the rows of one object type.
type lookedType struct {
	rows    int
	columns []discover.Values // by index
	anchor  []string
}

// guessDelimiter takes another delimiter if the header is only one column, and has more of
// that.
func (l *look) guessDelimiter() error {
	layout, err := l.agent.readLayout()
	if err != nil || len(layout.names) != 1 {
		// Columns without a name, or with one twice, are told by the pass over the rows.
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	best := 0
	for _, candidate := range []byte{';', '\t', '|', ':'} {
		if n := strings.Count(layout.names[0], string(candidate)); n > best {
			best, l.agent.delimiter = n, candidate
		}
	}
	if best > 0 {
		l.out.Settings = append(l.out.Settings, discover.Fact{Name: "delimiter", Value: l.delimiter()})
	}
	return nil
}

func (l *look) delimiter() string {
	if l.agent.delimiter == '\t' {
		return `\t`
	}
	return string(l.agent.delimiter)
}

func (l *look) read(ctx context.Context) error {
	a := l.agent
	f, err := a.open()
	if a.mayBeAbsent(err) {
		l.layout, err = a.newLayout(header{names: a.columns, configured: true})
		l.out.Warnings = append(l.out.Warnings, "the file does not exist yet: the columns are those of the configuration")
		return err
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s, r := newScanner(a.file, f, a.delimiter), new(row)
	if l.layout, err = a.readHeader(s, r); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if n%checkInterval == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := s.next(r)
		if err != nil {
			return a.named(err)
		}
		if !more {
			return nil
		}
		if !r.blank() {
			l.row(r)
		}
	}
}

func (l *look) row(r *row) {
	l.rows++
	if len(r.cells) != len(l.layout.names) || r.invalidUTF8() >= 0 {
		if l.bad++; l.bad == 1 {
			l.firstBad = r.line
		}
		return
	}
	name := ""
	if l.layout.typeColumn >= 0 {
		name = r.value(l.layout.typeColumn)
	}
	t := l.types[name]
	if t == nil {
		if len(l.types) == maxTypes {
			return // no column of object types, or one that nobody could configure
		}
		t = &lookedType{columns: make([]discover.Values, len(l.layout.names))}
		name = strings.Clone(name)
		l.types[name] = t
		l.order = append(l.order, name)
	}
	t.rows++
	for i := range r.cells {
		text := r.value(i)
		if text == "" || i == l.layout.typeColumn || i == l.layout.dnColumn {
			continue
		}
		t.columns[i].Add(l.parts(name, l.layout.names[i], text)...)
	}
}

// parts returns the values of a cell: as the configuration has it, else what the usual
// separator stands between.
func (l *look) parts(objectType, column, text string) []string {
	separator := defaultSeparator
	if c := l.describedAttribute(objectType, column); c != nil {
		if !c.Multi {
			return []string{text}
		}
		separator = cmp.Or(c.Separator, defaultSeparator)
	}
	if !strings.Contains(text, separator) {
		return []string{text}
	}
	return slices.DeleteFunc(strings.Split(text, separator), func(part string) bool { return part == "" })
}

// describedObject returns what the configuration says of a type, nil if that is nothing.
func (l *look) describedObject(name string) *agent.Object {
	for i := range l.described {
		if o := &l.described[i]; o.Name == name || l.layout.typeColumn < 0 {
			return o
		}
	}
	return nil
}

func (l *look) describedAttribute(objectType, name string) *agent.Attribute {
	if o := l.describedObject(objectType); o != nil {
		for i := range o.Attributes {
			if o.Attributes[i].Name == name {
				return &o.Attributes[i]
			}
		}
	}
	return nil
}

// fill tells what was seen.
func (l *look) fill() {
	a := l.agent
	l.out.Facts = []discover.Fact{
		{Name: "file", Value: a.file},
		{Name: "delimiter", Value: l.delimiter()},
		{Name: "columns", Value: strconv.Itoa(len(l.layout.names))},
		{Name: "rows", Value: strconv.Itoa(l.rows)},
	}
	l.out.Capabilities = []discover.Capability{
		{Name: "delta import", Value: "no", Why: "a file has no log of changes; one that did not change is not read again"},
	}
	if l.bad > 0 {
		l.out.Warnings = append(l.out.Warnings, discover.Counted(l.bad, "row", "rows")+" cannot be read, the first in line "+strconv.Itoa(l.firstBad))
	}
	if len(l.types) == maxTypes {
		l.out.Warnings = append(l.out.Warnings, "column "+strconv.Quote(a.typed)+" has "+strconv.Itoa(maxTypes)+" values or more: it may not be that of the object type")
	}
	if len(l.order) == 0 {
		l.types[""] = &lookedType{columns: make([]discover.Values, len(l.layout.names))}
		l.order = []string{""}
	}
	slices.Sort(l.order)
	var names []string // of the types that are shown
	for _, name := range l.order {
		if name == "" && l.layout.typeColumn >= 0 && len(l.order) > 1 {
			l.out.Warnings = append(l.out.Warnings, discover.Counted(l.types[name].rows, "row has", "rows have")+" no object type")
			continue
		}
		l.out.Types = append(l.out.Types, l.typeOf(name))
		l.types[name].anchor = l.out.Types[len(l.out.Types)-1].Anchor
		names = append(names, name)
	}
	for i, name := range names { // once all anchors are known
		l.attributes(&l.out.Types[i], name)
	}
}

// typeOf returns an object type without its attributes.
func (l *look) typeOf(name string) discover.Type {
	looked, o := l.types[name], l.describedObject(name)
	t := discover.Type{Objects: looked.rows, Read: looked.rows, Configured: o != nil}
	t.Name = name
	t.Looked(l.use(looked))
	slices.SortFunc(t.Candidates, func(x, y string) int {
		return cmp.Compare(slices.Index(l.layout.names, x), slices.Index(l.layout.names, y))
	})
	switch {
	case o != nil:
		t.Name, t.Anchor = o.Name, o.Anchor
	default:
		t.Anchor = l.guessAnchor(t.Candidates)
		if name == "" {
			t.Name = l.guessName()
		}
	}
	return t
}

func (l *look) attributes(t *discover.Type, name string) {
	looked := l.types[name]
	for i, column := range l.layout.names {
		if i == l.layout.typeColumn || i == l.layout.dnColumn {
			continue
		}
		attribute := identity.AttributeType{Name: column, Type: identity.TypeString}
		if c := l.describedAttribute(name, column); c != nil {
			attribute.Type, attribute.Multi = cmp.Or(c.Type, identity.TypeString), c.Multi
		} else if !t.Configured && !slices.Contains(t.Anchor, column) {
			attribute.Type, attribute.Multi = l.guessType(looked, i), looked.columns[i].Use().Values > 1
		}
		if attribute.Type != identity.TypeString || attribute.Multi {
			t.Describe = append(t.Describe, column)
		}
		t.Attributes = append(t.Attributes, attribute)
	}
}

func (l *look) use(t *lookedType) map[string]*discover.Values {
	values := map[string]*discover.Values{}
	for i, name := range l.layout.names {
		if i != l.layout.typeColumn && i != l.layout.dnColumn {
			values[name] = &t.columns[i]
		}
	}
	return values
}

// guessType takes a column for references if its values are anchors of one type.
func (l *look) guessType(t *lookedType, column int) identity.Type {
	for _, name := range l.order {
		other := l.types[name]
		if len(other.anchor) != 1 {
			continue
		}
		i := slices.Index(l.layout.names, other.anchor[0])
		if i >= 0 && t.columns[column].RefersTo(&other.columns[i]) {
			return identity.TypeReference
		}
	}
	return t.columns[column].Type(t.rows)
}

// identifying are the parts of the names of columns that usually identify their rows,
// the best ones first.
var identifying = []string{"id", "number", "nr", "key", "uid", "login", "account", "code"}

// guessAnchor chooses the column that identifies the rows: among those that could, the
// one whose name says so, else the first one. Without any it is the first column.
func (l *look) guessAnchor(candidates []string) []string {
	for _, part := range identifying {
		for _, name := range l.layout.names {
			if lower := strings.ToLower(name); slices.Contains(candidates, name) && (strings.HasSuffix(lower, part) || strings.HasPrefix(lower, part)) {
				return []string{name}
			}
		}
	}
	for i, name := range l.layout.names {
		if slices.Contains(candidates, name) {
			return []string{name}
		}
		if len(candidates) == 0 && i != l.layout.typeColumn && i != l.layout.dnColumn {
			l.out.Warnings = append(l.out.Warnings, "no column has a value of its own in each row; the draft takes "+strconv.Quote(name)+" for the anchor, which has to be put right")
			return []string{name}
		}
	}
	return nil
}

// personal are names of columns, without what is not a letter, that people have.
var personal = []string{
	"givenname", "firstname", "lastname", "surname", "familyname", "sn", "mail", "email", "displayname", "employeeid", "employeenumber",
}

// guessName names the object type of a file: person if that is what it seems to be about,
// else as the file.
func (l *look) guessName() string {
	for _, name := range l.layout.names {
		letters := strings.Map(func(r rune) rune {
			if r < 'a' || r > 'z' {
				return -1
			}
			return r
		}, strings.ToLower(name))
		if slices.Contains(personal, letters) {
			return "person"
		}
	}
	base := filepath.Base(l.agent.file)
	return cmp.Or(strings.TrimSpace(strings.TrimSuffix(base, filepath.Ext(base))), "row")
}
