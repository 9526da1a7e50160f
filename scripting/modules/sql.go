package modules

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/internal/sqlconn"
	"github.com/metasync/metasync/scripting/host"
)

const (
	sqlRows    = 10_000
	maxSQLRows = 100_000
	maxSQLSize = 16 << 20 // bytes of one answer
)

var sqlTypes = host.Type{
	Name: "Statements and rows",
	Doc:  "What `sql` takes and gives.",
	Text: `type SQLParameter = string | number | bigint | boolean | Date | Uint8Array | null;
interface SQLOptions {
	/** How long the statement may take, such as "5s". The call has a limit of its own. */
	timeout?: string;
	/** How many rows the answer may have: 10000 if absent, 100000 at most. More are an error. */
	maxRows?: number;
}
/** Values by the names of the columns. Decimal numbers are texts, whole numbers beyond 2^53 BigInts, NULL is null. */
type SQLRow = Readonly<Record<string, any>>;`,
}

var sqlObject = &host.Object{
	Name:    "SQL",
	Globals: []string{"sql"},
	Doc: "Asks the databases in scripting.sql of the configuration. Values are given as parameters, for which the\n" +
		"statement has placeholders as the database writes them: $1 for PostgreSQL, ? for MySQL and SQLite, @p1 for SQL\n" +
		"Server. For triggers; rules cannot use it.",
	Members: []host.Member{
		{
			Name: "query", Signature: "(database: string, statement: string, parameters?: readonly SQLParameter[], options?: SQLOptions): readonly SQLRow[]",
			Doc: "Reads all rows, in a transaction that is read-only where the database has such:\n" +
				"`sql.query(\"payroll\", \"select id, name from employees where id > $1 order by id\", [ctx.state.get(\"seen\") ?? 0])`",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				rows, err := sqlQuery(a, read(a, "sql.query", args, 4))
				if err != nil {
					return nil, err
				}
				return a.Array(rows), nil
			},
		},
		{
			Name: "one", Signature: "(database: string, statement: string, parameters?: readonly SQLParameter[], options?: SQLOptions): SQLRow | undefined",
			Doc: "Reads the only row, undefined if there is none. Several are an error.",
			Call: func(a *host.Active, args []goja.Value) (goja.Value, error) {
				r := read(a, "sql.one", args, 4)
				rows, err := sqlQuery(a, r)
				switch {
				case err != nil:
					return nil, err
				case len(rows) == 0:
					return nil, nil
				case len(rows) > 1:
					r.fail("found %d rows, where there may be one", len(rows))
					return nil, r.err
				}
				return rows[0].(goja.Value), nil
			},
		},
		{
			Name: "exec", Signature: "(database: string, statement: string, parameters?: readonly SQLParameter[], options?: SQLOptions): { readonly rows: number }",
			Doc:  "Changes what is in a database that is declared with write: true, and says how many rows were concerned.",
			Call: sqlExec,
		},
	},
}

// A statement is one call of sql.
type statement struct {
	database   *database
	text       string
	parameters []any
	timeout    callOptions
	maxRows    int64
}

// readStatement reads the arguments that the functions of sql share.
func readStatement(a *host.Active, r *arguments) (*statement, error) {
	if err := a.ReachOut(r.function); err != nil {
		return nil, err
	}
	name, text := r.text(0, "the name of a database"), r.text(1, "a statement")
	o := r.options(3, "timeout", "maxRows")
	s := &statement{text: text, timeout: o, maxRows: o.number("maxRows", sqlRows, maxSQLRows)}
	o.timeout() // or it is found wrong
	if r.err == nil && holdsSecret(text) {
		r.fail("takes no statement with a secret in it")
	}
	if r.err == nil && r.has(2) {
		s.parameters, r.err = sqlParameters(a, r)
	}
	if r.err != nil {
		return nil, r.err
	}
	if envOf(a).Stubs != nil {
		return s, nil
	}
	known := envOf(a).databases
	if s.database = known[name]; s.database == nil {
		return nil, undeclared("database", "sql", name, known)
	}
	return s, nil
}

// undeclared is the error about a connection that the configuration does not have.
func undeclared[V any](what, key, name string, known map[string]V) *fault.Error {
	e := unknown(what, name, known)
	e.Name = host.NameNotAllowed
	if e.Hint == "" {
		e.Hint = "declare it"
	}
	e.Hint += "; scripts may ask what scripting." + key + " of the configuration declares"
	return e
}

func sqlParameters(a *host.Active, r *arguments) ([]any, error) {
	items, err := elements(a, "parameters", r.list[2])
	if err != nil {
		return nil, fmt.Errorf("%s takes %w", r.function, err)
	}
	out := make([]any, len(items))
	for i, item := range items {
		if out[i], err = sqlParameter(a, item); err != nil {
			return nil, fmt.Errorf("%s: parameter %d %w", r.function, i+1, err)
		}
	}
	return out, nil
}

// run calls f with the time that the call has, and tells what went wrong in words of
// the server.
func (s *statement) run(a *host.Active, function string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(a.Context(), s.timeout.timeout())
	defer cancel()
	err := f(ctx)
	if err == nil || fault.Name(err) != "" {
		return err
	}
	return fmt.Errorf("%s: %q: %w", function, s.database.name, s.database.source.Failed(ctx, err))
}

// sqlQuery returns the rows as frozen objects.
func sqlQuery(a *host.Active, r *arguments) (rows []any, err error) {
	s, err := readStatement(a, r)
	if err != nil {
		return nil, err
	}
	if stubs := envOf(a).Stubs; stubs != nil {
		return stubs.rows(r, "query")
	}
	db, err := s.database.pool(sqlconn.ReadOnly)
	if err != nil {
		return nil, err
	}
	err = s.run(a, r.function, func(ctx context.Context) error {
		tx, err := s.database.source.Begin(ctx, db)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // it only read
		found, err := tx.QueryContext(ctx, s.text, s.parameters...)
		if err != nil {
			return err
		}
		defer found.Close()
		scanner, err := s.database.source.Scan(found)
		if err != nil {
			return err
		}
		size := 0
		for found.Next() {
			values, n, err := scanner.Row()
			if err != nil {
				return err
			}
			if int64(len(rows)) == s.maxRows {
				return fmt.Errorf("more than %d rows; the option maxRows allows more, up to %d", s.maxRows, maxSQLRows)
			}
			if size += n; size > maxSQLSize {
				return fmt.Errorf("the answer is longer than %d MiB; select less", maxSQLSize>>20)
			}
			row, err := sqlRow(a, scanner.Columns(), values)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return found.Err()
	})
	return rows, err
}

func sqlExec(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, "sql.exec", args, 4)
	s, err := readStatement(a, r)
	if err != nil {
		return nil, err
	}
	if stubs := envOf(a).Stubs; stubs != nil {
		changed, err := stubs.statement(r, "exec")
		if err != nil {
			return nil, err
		}
		rows, _ := changed.(float64)
		return a.Record([]host.Field{{Name: "rows", Value: a.Runtime().ToValue(int64(rows))}}), nil
	}
	if !s.database.write {
		return nil, refused("add write: true to scripting.sql."+s.database.name+" of the configuration", "%s: the database %q may only be read", r.function, s.database.name)
	}
	db, err := s.database.pool(sqlconn.ReadWrite)
	if err != nil {
		return nil, err
	}
	var changed int64
	err = s.run(a, r.function, func(ctx context.Context) error {
		result, err := db.ExecContext(ctx, s.text, s.parameters...)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.Record([]host.Field{{Name: "rows", Value: a.Runtime().ToValue(changed)}}), nil
}

// sqlRow makes a row an object. Its columns have names that differ.
func sqlRow(a *host.Active, columns []string, values []any) (goja.Value, error) {
	fields := make([]host.Field, len(columns))
	for i, v := range values {
		value, err := sqlValue(a, v)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", strconv.Quote(columns[i]), err)
		}
		fields[i] = host.Field{Name: columns[i], Value: value}
	}
	return a.Record(fields), nil
}
