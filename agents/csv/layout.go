package csv

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

const defaultSeparator = "|"

// mismatch is the name of every error about the header.
const mismatch = "no-start-header-row-mismatch"

// A header is the first row of a file, or the configured columns.
type header struct {
	names      []string
	columns    []int // where each name begins in its line, from 1
	line       int
	configured bool
}

// A layout says which column holds what, for each object type.
type layout struct {
	names      []string // of all columns, in their order
	typeColumn int      // the column of the object type, -1 if there is none
	dnColumn   int      // likewise of the DN
	types      []typeLayout
	byType     map[string]int // index in types
}

type typeLayout struct {
	schema  identity.ObjectType
	anchor  []int    // columns
	columns []column // sorted by name: the attributes of an entry in their order
}

// A column is an attribute of one object type and where it is.
type column struct {
	name      string
	index     int
	typ       identity.Type
	multi     bool
	separator string
	anchor    bool
}

func (t *typeLayout) column(name string) *column {
	i, found := slices.BinarySearchFunc(t.columns, name, func(c column, name string) int { return cmp.Compare(c.name, name) })
	if !found {
		return nil
	}
	return &t.columns[i]
}

// readHeader reads the first row that is not blank. The row is left in r.
func (a *csvAgent) readHeader(s *scanner, r *row) (*layout, error) {
	for {
		more, err := s.next(r)
		if err != nil {
			return nil, a.named(err)
		}
		if !more {
			return nil, a.headerFault(header{line: 1}, "the file is empty", "write the names of the columns into the first line")
		}
		if !r.blank() {
			break
		}
	}
	if at := r.invalidUTF8(); at >= 0 {
		err := fault.New(mismatch, "the header is not UTF-8 text")
		err.Agent, err.Position = a.name, s.position(r, at)
		return nil, err
	}
	h := header{line: r.line}
	for i := range r.cells {
		h.names = append(h.names, strings.Clone(r.value(i)))
		h.columns = append(h.columns, r.cells[i].start+1)
	}
	return a.newLayout(h)
}

// newLayout matches the names of the columns with the configuration.
func (a *csvAgent) newLayout(h header) (*layout, error) {
	if err := a.checkNames(h); err != nil {
		return nil, err
	}
	l := &layout{names: h.names, typeColumn: -1, dnColumn: -1, byType: map[string]int{}}
	if a.typed != "" {
		l.typeColumn = slices.Index(h.names, a.typed)
	}
	if a.dn != "" {
		l.dnColumn = slices.Index(h.names, a.dn)
	}
	if err := a.checkConfigured(h); err != nil {
		return nil, err
	}
	for i := range a.objects {
		l.byType[a.objects[i].Name] = len(l.types)
		l.types = append(l.types, l.newType(&a.objects[i]))
	}
	return l, nil
}

func (a *csvAgent) checkNames(h header) error {
	first := map[string]int{}
	for i, name := range h.names {
		problem := ""
		if name == "" {
			problem = "column " + strconv.Itoa(i+1) + " has no name"
		} else if j, found := first[name]; found {
			problem = "columns " + strconv.Itoa(j+1) + " and " + strconv.Itoa(i+1) + " are both called " + strconv.Quote(name)
		}
		if problem != "" {
			err := a.headerFault(h, problem, "give every column a name of its own")
			err.Attribute = name
			if h.columns != nil {
				err.Position.Column = h.columns[i]
			}
			return err
		}
		first[name] = i
	}
	return nil
}

// checkConfigured returns an error if the header lacks a column that the
// configuration names.
func (a *csvAgent) checkConfigured(h header) error {
	var wanted []string
	if a.typed != "" {
		wanted = append(wanted, a.typed)
	}
	if a.dn != "" {
		wanted = append(wanted, a.dn)
	}
	for i := range a.objects {
		wanted = append(wanted, a.objects[i].Anchor...)
		for _, attribute := range a.objects[i].Attributes {
			wanted = append(wanted, attribute.Name)
		}
	}
	return a.checkColumns(h, wanted)
}

// checkColumns returns an error if the header lacks one of these columns.
func (a *csvAgent) checkColumns(h header, wanted []string) error {
	var missing []string
	for _, name := range wanted {
		if !slices.Contains(h.names, name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	quoted := make([]string, len(missing))
	for i, name := range missing {
		quoted[i] = strconv.Quote(name)
	}
	err := a.headerFault(h, "there is no column "+strings.Join(quoted, ", "), a.hint(h, missing[0]))
	err.Attribute = missing[0]
	return err
}

// hint guesses why a column is missing.
func (a *csvAgent) hint(h header, missing string) string {
	if len(h.names) == 1 {
		for _, delimiter := range []string{";", ",", "\t", "|", ":"} {
			if strings.Contains(h.names[0], delimiter) && delimiter != string(a.delimiter) {
				return "the header is one column that contains " + strconv.Quote(delimiter) + "; is that the delimiter?"
			}
		}
	}
	if similar := fault.Suggest(missing, h.names); similar != "" {
		return "did you mean " + strconv.Quote(similar) + "?"
	}
	return "the columns are " + strings.Join(h.names, ", ")
}

// checkRequired returns an error if a column is missing that rules read.
func (a *csvAgent) checkRequired(l *layout, line int, required []agent.Required) error {
	h := header{names: l.names, line: line}
	var wanted []string
	for _, r := range required {
		if _, found := l.byType[r.ObjectType]; !found {
			return a.headerFault(h, "there is no object type "+strconv.Quote(r.ObjectType), "describe it under objects")
		}
		wanted = append(wanted, r.Attribute)
	}
	return a.checkColumns(h, wanted)
}

func (a *csvAgent) headerFault(h header, problem, hint string) *fault.Error {
	err := fault.New(mismatch, "%s", problem)
	err.Agent, err.Hint = a.name, hint
	if h.configured {
		err.Name, err.Text = "no-start-bad-ma-configuration", "columns: "+problem
		return err
	}
	err.Position = fault.Position{File: a.file, Line: h.line}
	return err
}

// newType lays out one object type. Its attributes are all columns but that of
// the object type and that of the names; those that the configuration does not describe are
// single-valued strings.
func (l *layout) newType(o *agent.Object) typeLayout {
	t := typeLayout{schema: identity.ObjectType{Name: o.Name, Anchor: o.Anchor}}
	for i, name := range l.names {
		if i == l.typeColumn || i == l.dnColumn {
			continue
		}
		c := column{name: name, index: i, typ: identity.TypeString, anchor: slices.Contains(o.Anchor, name)}
		if j := slices.IndexFunc(o.Attributes, func(a agent.Attribute) bool { return a.Name == name }); j >= 0 {
			described := o.Attributes[j]
			c.typ, c.multi = cmp.Or(described.Type, identity.TypeString), described.Multi
			c.separator = cmp.Or(described.Separator, defaultSeparator)
		}
		t.columns = append(t.columns, c)
		t.schema.Attributes = append(t.schema.Attributes, identity.AttributeType{Name: name, Type: c.typ, Multi: c.multi})
	}
	for _, name := range o.Anchor {
		t.anchor = append(t.anchor, slices.Index(l.names, name))
	}
	slices.SortFunc(t.columns, func(a, b column) int { return cmp.Compare(a.name, b.name) })
	return t
}
