package modules

import (
	"slices"

	"github.com/dop251/goja"

	"github.com/metasync/metasync/engine/fault"
	"github.com/metasync/metasync/engine/identity"
	"github.com/metasync/metasync/scripting/host"
)

// LookupName is the global name whose meaning changes with the tables.
const LookupName = "lookup"

var lookupFunction = host.Member{
	Name: LookupName, Signature: "(table: string, key: string | number | undefined, column: string): string | undefined;\n" +
		"declare function lookup(table: string, key: string | number | undefined): Record<string, string> | undefined",
	Doc: "Finds a row of a table in lookups of the configuration by its key, whatever its case, and gives one of its\n" +
		"columns, or all of them as an object. What is not there, or empty, is undefined; a table or a column that does\n" +
		"not exist is an error.",
	Call: lookup,
}

func lookup(a *host.Active, args []goja.Value) (goja.Value, error) {
	r := read(a, LookupName, args, 3)
	name := r.text(0, "the name of a table")
	var tables map[string]*table
	if env := envOf(a); env.Tables != nil {
		tables = env.Tables.byName
	}
	t := tables[name]
	if r.err == nil && t == nil {
		e := unknown("lookup table", name, tables)
		if e.Hint == "" {
			e.Hint = "give it in lookups of the configuration"
		}
		return nil, e
	}
	column := -1
	if len(args) > 2 {
		wanted := r.text(2, "a column")
		if r.err == nil {
			if column = slices.Index(t.columns, wanted); column < 0 {
				e := fault.New("", "the lookup table %q has no column %q", name, wanted)
				e.Hint = columnHint(wanted, t.columns)
				return nil, e
			}
		}
	}
	if r.err == nil && !r.has(1) {
		return nil, nil // the attribute has no value
	}
	key := r.text(1, "a key")
	if r.err != nil {
		return nil, r.err
	}
	row := t.rows[identity.Fold(key)]
	switch {
	case row == nil:
		return nil, nil
	case column < 0:
		obj := a.Runtime().NewObject()
		for i, value := range row {
			if value != "" {
				_ = obj.Set(t.columns[i], value) // a new object takes every property
			}
		}
		return obj, nil
	case row[column] == "":
		return nil, nil
	}
	return a.Runtime().ToValue(row[column]), nil
}
