package sqlconn

import (
	"database/sql"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// A Scanner reads the rows of one answer.
type Scanner struct {
	source  *Source
	rows    *sql.Rows
	columns []string
	types   []string // names of the database, in upper case
	values  []any
	targets []any
}

// Scan returns a scanner of rows. Two columns of one name, and one without a name,
// are an error.
func (s *Source) Scan(rows *sql.Rows) (*Scanner, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	r := &Scanner{source: s, rows: rows, values: make([]any, len(types)), targets: make([]any, len(types))}
	seen := make(map[string]bool, len(types))
	for i, t := range types {
		switch name := t.Name(); {
		case name == "":
			return nil, fmt.Errorf("column %d has no name: give it one with AS", i+1)
		case seen[name]:
			return nil, fmt.Errorf("two columns are called %q: rename one with AS", name)
		default:
			seen[name] = true
			r.columns = append(r.columns, name)
		}
		r.types = append(r.types, strings.ToUpper(t.DatabaseTypeName()))
		r.targets[i] = &r.values[i]
	}
	return r, nil
}

// Columns returns the names of the columns.
func (r *Scanner) Columns() []string { return r.columns }

// Row returns the values of the row at which the rows are, which are good until the
// next one, and about how many bytes they take. Whatever the driver, a value is one
// of
//
//	nil               NULL
//	int64, *big.Int   whole numbers; the latter only where the former is too small
//	float64           floating-point numbers
//	bool
//	string            texts; decimal numbers as they are, digit by digit; times
//	                  without a date; UUIDs; JSON and everything else
//	time.Time         dates and timestamps, in UTC where they say no zone
//	[]byte            binary values
func (r *Scanner) Row() (values []any, size int, err error) {
	if err := r.rows.Scan(r.targets...); err != nil {
		return nil, 0, err
	}
	for i, v := range r.values {
		r.values[i] = r.source.value(v, r.types[i])
		switch v := r.values[i].(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
		size += 16
	}
	return r.values, size, nil
}

// value makes what a driver delivers one of the types of [Scanner.Row].
func (s *Source) value(v any, databaseType string) any {
	switch v := v.(type) {
	case []byte:
		if s.binary(databaseType) {
			return v
		}
		if s.driver == MySQL && databaseType == "UNSIGNED BIGINT" { // too large, in one of its protocols
			if n, ok := new(big.Int).SetString(string(v), 10); ok {
				return n
			}
		}
		if s.driver == SQLServer && databaseType == "UNIQUEIDENTIFIER" {
			var id mssql.UniqueIdentifier
			if id.Scan(v) == nil {
				return id.String()
			}
		}
		return string(v)
	case time.Time:
		switch {
		case v.IsZero() && s.driver == MySQL:
			return nil // 0000-00-00, which is how MySQL may write that there is none
		case s.driver == SQLServer && databaseType == "TIME":
			return v.Format("15:04:05.999999999")
		}
		return v
	case float32: // of which 0.1 is not the float64 nearest to it
		text := strconv.FormatFloat(float64(v), 'g', -1, 32)
		f, _ := strconv.ParseFloat(text, 64) // it was just written
		return f
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case uint64:
		if int64(v) < 0 {
			return new(big.Int).SetUint64(v)
		}
		return int64(v)
	}
	return v
}

// binary reports whether bytes of a type are bytes, and no text.
func (s *Source) binary(databaseType string) bool {
	switch s.driver {
	case Postgres:
		return databaseType == "BYTEA"
	case MySQL:
		switch databaseType {
		case "BIT", "GEOMETRY", "VECTOR":
			return true
		}
		return strings.HasSuffix(databaseType, "BLOB") || strings.HasSuffix(databaseType, "BINARY")
	case SQLServer:
		switch databaseType {
		case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "UNIQUEIDENTIFIER":
			return false
		}
		return true
	}
	return true // SQLite delivers texts as such
}
