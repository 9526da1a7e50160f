package ldif

import (
	"slices"
	"strings"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// A verb is what a change record does.
type verb uint8

const (
	addEntry verb = iota
	deleteEntry
	modifyEntry
	renameEntry
)

// A changeRecord is a change to an entry (RFC 2849: ldif-change-record).
type changeRecord struct {
	verb   verb
	dn     identity.DN
	lines  []attrLine // of an entry to be added, with its name; the modifications of one
	newDN  identity.DN
	oldRDN bool // a rename: the values of the old name go
}

// change reads a record as a change.
func (s *scanner) change(r *record) (*changeRecord, error) {
	dn, err := identity.ParseDN(r.lines[0].value)
	if err != nil || len(dn) == 0 {
		return nil, s.fail(r.line, 1, "%.200q is not the name of an entry", r.lines[0].value)
	}
	c := &changeRecord{dn: dn}
	rest := r.lines[1:]
	for len(rest) > 0 && strings.EqualFold(rest[0].desc, "control") {
		rest = rest[1:]
	}
	if len(rest) == 0 || !strings.EqualFold(rest[0].desc, "changetype") {
		err := s.fail(r.line, 1, "a record without changetype")
		err.Hint = "a file of changes holds no entries: begin what comes after the name with changetype: add"
		return nil, err
	}
	kind, body := &rest[0], rest[1:]
	switch strings.ToLower(strings.TrimSpace(kind.value)) {
	case "add":
		c.verb, c.lines = addEntry, append([]attrLine{r.lines[0]}, body...)
		return c, s.onlyAttributes(body)
	case "delete":
		c.verb = deleteEntry
		if len(body) > 0 {
			return nil, s.fail(body[0].line, 1, "nothing may follow in a record that deletes")
		}
		return c, nil
	case "modify":
		if n := len(body); n > 0 && body[n-1].desc != "-" {
			body = append(body, attrLine{desc: "-", line: body[n-1].line}) // many leave out the last one
		}
		c.verb, c.lines = modifyEntry, body
		return c, s.modifications(body, r.line)
	case "modrdn", "moddn":
		c.verb = renameEntry
		return c, s.rename(c, body, r.line)
	}
	return nil, s.fail(kind.line, 1, "changetype %.40q is not known; want add, delete, modify, modrdn or moddn", kind.value)
}

// onlyAttributes checks the lines of an entry.
func (s *scanner) onlyAttributes(lines []attrLine) error {
	for i := range lines {
		switch {
		case lines[i].desc == "-":
			return s.fail(lines[i].line, 1, "%q stands only behind modifications", "-")
		case strings.EqualFold(lines[i].desc, "changetype"):
			err := s.fail(lines[i].line, 1, "a change in a file of entries")
			err.Hint = "name a file of changes with the key changes"
			return err
		}
	}
	return nil
}

// modifications checks that a record consists of "op: attribute", values and "-". The
// last line is a "-".
func (s *scanner) modifications(lines []attrLine, line int) error {
	if len(lines) == 0 {
		return s.fail(line, 1, "a record that modifies nothing")
	}
	for len(lines) > 0 {
		op, end := &lines[0], 1
		switch strings.ToLower(op.desc) {
		case "add", "delete", "replace":
		default:
			return s.fail(op.line, 1, "%.40q is no modification; want add, delete or replace", op.desc)
		}
		name := strings.TrimSpace(op.value)
		if at := badDescription(name); at >= 0 {
			return s.fail(op.line, 1, "%.40q is no attribute", op.value)
		}
		for end < len(lines) && lines[end].desc != "-" {
			if !strings.EqualFold(lines[end].desc, name) {
				return s.fail(lines[end].line, 1, "a value of %.40q in a modification of %.40q", lines[end].desc, name)
			}
			end++
		}
		if strings.EqualFold(op.desc, "add") && end == 1 {
			return s.fail(op.line, 1, "no value to add to %.40q", name)
		}
		lines = lines[end+1:]
	}
	return nil
}

func (s *scanner) rename(c *changeRecord, lines []attrLine, line int) error {
	parent := c.dn.Parent()
	for i := range lines {
		l := &lines[i]
		parsed, err := identity.ParseDN(l.value)
		switch strings.ToLower(l.desc) {
		case "newrdn":
			if err != nil || len(parsed) != 1 {
				return s.fail(l.line, 1, "%.200q is not the component of a name", l.value)
			}
			c.newDN = parsed
		case "deleteoldrdn":
			if c.oldRDN = l.value == "1" || l.value == "true"; !c.oldRDN && l.value != "0" && l.value != "false" {
				return s.fail(l.line, 1, "deleteoldrdn is 0 or 1, not %.40q", l.value)
			}
		case "newsuperior":
			if err != nil {
				return s.fail(l.line, 1, "%.200q is not a name", l.value)
			}
			parent = parsed
		default:
			return s.fail(l.line, 1, "%.40q does not belong to a rename", l.desc)
		}
	}
	if c.newDN == nil {
		return s.fail(line, 1, "a rename without newrdn")
	}
	c.newDN = slices.Concat(c.newDN, parent)
	return nil
}

// apply returns the lines of an entry after modifications. What cannot be carried out
// because it is done already is done: a log may be older than the file below it.
func (a *ldifAgent) apply(lines, modifications []attrLine) ([]attrLine, *fault.Error) {
	lines = slices.Clone(lines)
	for len(modifications) > 0 {
		op := &modifications[0]
		name := strings.TrimSpace(op.value)
		end := 1
		for modifications[end].desc != "-" {
			if modifications[end].form == '<' && !strings.EqualFold(op.desc, "add") && !strings.EqualFold(op.desc, "replace") {
				return nil, lineFault("invalid-attribute-value", &modifications[end], "a value to delete cannot be in another file")
			}
			end++
		}
		values := modifications[1:end]
		switch {
		case strings.EqualFold(op.desc, "replace"), strings.EqualFold(op.desc, "delete") && len(values) == 0:
			lines = slices.DeleteFunc(lines, func(l attrLine) bool { return sameDescription(l.desc, name) })
			if strings.EqualFold(op.desc, "replace") {
				lines = append(lines, values...)
			}
		case strings.EqualFold(op.desc, "add"):
			for _, v := range values {
				if !slices.ContainsFunc(lines, func(l attrLine) bool { return sameLine(&l, &v) }) {
					lines = append(lines, v)
				}
			}
		default:
			for i := range values {
				lines = deleteValue(lines, &values[i])
			}
		}
		modifications = modifications[end+1:]
	}
	return lines, nil
}

// sameDescription reports whether two lines are about the same attribute with the same
// options.
func sameDescription(x, y string) bool {
	return strings.EqualFold(strings.TrimSuffix(strings.ToLower(x), ";binary"), strings.TrimSuffix(strings.ToLower(y), ";binary"))
}

func sameLine(x, y *attrLine) bool {
	return x.value == y.value && (x.form == '<') == (y.form == '<') && sameDescription(x.desc, y.desc)
}

// deleteValue takes a value out: that one, or one that differs from it in case or, of a
// name, in spelling, as a directory would compare most of its attributes.
func deleteValue(lines []attrLine, v *attrLine) []attrLine {
	i := slices.IndexFunc(lines, func(l attrLine) bool { return sameLine(&l, v) })
	if i < 0 {
		key := foldName(v.value)
		i = slices.IndexFunc(lines, func(l attrLine) bool {
			return sameDescription(l.desc, v.desc) && l.form != '<' && foldName(l.value) == key
		})
	}
	if i < 0 {
		return lines
	}
	return slices.Delete(lines, i, i+1)
}

// foldName returns the text under which a name is found, or any text.
func foldName(text string) string {
	if parsed, err := identity.ParseDN(text); err == nil {
		return parsed.Fold()
	}
	return identity.Fold(text)
}

// renamed returns the lines of an entry under a new name: the values of the new one come,
// and with deleteOld those of the old one go.
func renamed(lines []attrLine, from, to identity.DN, deleteOld bool) []attrLine {
	lines = slices.Clone(lines)
	if deleteOld && len(from) > 0 {
		for _, old := range from[0] {
			kept := slices.ContainsFunc(to[0], func(x identity.AVA) bool {
				return strings.EqualFold(x.Type, old.Type) && identity.Fold(x.Value) == identity.Fold(old.Value)
			})
			if !kept {
				lines = deleteValue(lines, &attrLine{desc: old.Type, value: old.Value})
			}
		}
	}
	for _, ava := range to[0] {
		if !slices.ContainsFunc(lines, func(l attrLine) bool {
			return sameDescription(l.desc, ava.Type) && identity.Fold(l.value) == identity.Fold(ava.Value)
		}) {
			lines = append(lines, attrLine{desc: ava.Type, value: ava.Value})
		}
	}
	return lines
}
