package modules

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
)

// errorName is the public name of everything that is wrong with a table.
const errorName = "lookup-invalid"

const (
	maxTableSize = 64 << 20
	maxTableRows = 1_000_000
)

// A TableSpec says where a table comes from: a delimited file in UTF-8, with a line
// of column names, as RFC 4180 has it.
type TableSpec struct {
	Name      string
	File      string // absolute path
	Key       string // the column that lookup searches
	Delimiter rune   // 0 is a comma
	Position  fault.Position
}

// Tables holds what lookup finds. It does not change and may be used by many
// goroutines.
type Tables struct {
	byName  map[string]*table
	version string
}

type table struct {
	columns []string
	rows    map[string][]string // by the folded key
}

// LoadTables reads all tables. The error joins everything that is wrong with them;
// there is never a part of them.
func LoadTables(specs []TableSpec, base string) (*Tables, error) {
	t := &Tables{byName: map[string]*table{}}
	var problems fault.List
	hash := sha256.New()
	for _, spec := range specs {
		data, err := readTable(spec.File)
		if err != nil {
			problems = append(problems, &fault.Error{
				Name: errorName, Position: spec.Position, Text: fmt.Sprintf("lookup table %q", spec.Name), Err: err,
			})
			continue
		}
		loaded, problem := parseTable(data, spec)
		if problem != nil {
			problem.Name = errorName
			problem.Text = fmt.Sprintf("lookup table %q: %s", spec.Name, problem.Text)
			if problem.Position.IsZero() {
				problem.Position = spec.Position
			} else {
				problem.Position.File = shownPath(spec.File, base)
			}
			problems = append(problems, problem)
			continue
		}
		t.byName[spec.Name] = loaded
		fmt.Fprintf(hash, "%q %q %q %d ", spec.Name, spec.Key, spec.Delimiter, len(data))
		hash.Write(data)
	}
	if len(specs) > 0 {
		t.version = hex.EncodeToString(hash.Sum(nil)[:6])
	}
	return t, problems.Err()
}

// Version returns a short name for exactly this content, "" if there are no tables.
func (t *Tables) Version() string {
	if t == nil {
		return ""
	}
	return t.version
}

func shownPath(file, base string) string {
	if name, err := filepath.Rel(base, file); err == nil && filepath.IsLocal(name) {
		file = name
	}
	return filepath.ToSlash(file)
}

// readTable reads a file that nobody changes meanwhile.
func readTable(name string) ([]byte, error) {
	before, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !before.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a file")}
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTableSize+1))
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxTableSize:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d MiB", maxTableSize>>20)}
	case !os.SameFile(before, after) || after.Size() != int64(len(data)) || !after.ModTime().Equal(before.ModTime()):
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is being written")}
	}
	return data, nil
}

func parseTable(data []byte, spec TableSpec) (*table, *fault.Error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fault.New("", "%s is not encoded as UTF-8", filepath.Base(spec.File))
	}
	r := csv.NewReader(bytes.NewReader(data))
	if spec.Delimiter != 0 {
		r.Comma = spec.Delimiter
	}
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.New("", "%s is empty; it needs a line of column names", filepath.Base(spec.File))
	}
	if err != nil {
		return nil, parseProblem(err)
	}
	t := &table{columns: slices.Clone(header), rows: map[string][]string{}}
	for i, column := range t.columns {
		if slices.Contains(t.columns[:i], column) {
			return nil, at(1, "the column %q is there twice", column)
		}
	}
	key := slices.Index(t.columns, spec.Key)
	if key < 0 {
		e := fault.New("", "there is no column %q", spec.Key)
		e.Hint = columnHint(spec.Key, t.columns)
		return nil, e
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, parseProblem(err)
		}
		line, _ := r.FieldPos(key)
		folded := identity.Fold(row[key])
		switch {
		case folded == "":
			return nil, at(line, "a row without a key")
		case t.rows[folded] != nil:
			return nil, at(line, "the key %q is there twice; case does not count", row[key])
		case len(t.rows) == maxTableRows:
			return nil, at(line, "more than %d rows", maxTableRows)
		}
		t.rows[folded] = slices.Clone(row)
	}
}

func parseProblem(err error) *fault.Error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		e := fault.New("", "%s", parse.Err)
		e.Position = fault.Position{Line: parse.Line, Column: parse.Column}
		return e
	}
	return fault.New("", "%s", err)
}

func at(line int, format string, args ...any) *fault.Error {
	e := fault.New("", format, args...)
	e.Position.Line, e.Position.Column = line, 1
	return e
}

func columnHint(column string, columns []string) string {
	if near := fault.Suggest(column, columns); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return "the columns are " + strings.Join(columns, ", ")
}
