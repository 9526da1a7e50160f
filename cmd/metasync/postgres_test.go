//go:build unix && postgres

package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/metasync/metasync/internal/servers"
	"github.com/metasync/metasync/internal/sqlconn"
)

// The commands and a real PostgreSQL, which the scripts know as PAYROLL_DSN. The command
// sql STATEMENT changes what is in it.
func TestPostgresScripts(t *testing.T) {
	t.Parallel()
	server := servers.For(t, servers.Postgres)
	source, err := sqlconn.Parse(sqlconn.Postgres, server.DSN, "")
	if err != nil {
		t.Fatal(err)
	}
	db := source.Open(sqlconn.ReadWrite)
	t.Cleanup(func() { _ = db.Close() })
	p := params("testdata/postgres")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("PAYROLL_DSN", strings.Replace(server.DSN, "app@", "app:hunter22@", 1)+"?connect_timeout=5")
		return setup(env)
	}
	p.Cmds["sql"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: sql STATEMENT")
		}
		_, err := db.ExecContext(t.Context(), strings.Join(args, " "))
		ts.Check(err)
	}
	testscript.Run(t, p)
}
