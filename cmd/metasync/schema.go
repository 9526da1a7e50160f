package main

import (
	"fmt"

	"github.com/metasync/metasync/daemon"
)

type schemaCmd struct{}

func (*schemaCmd) Help() string {
	return "Where there is a configuration, the agent types of its scripts are in the schema."
}

func (*schemaCmd) Run(a *app) error {
	schema, missing, err := daemon.Schema(a.ctx, a.daemon())
	if err != nil {
		return err
	}
	if missing != nil {
		fmt.Fprintf(a.stderr, "warning: the agent types of the scripts are not in the schema: %v\n", missing)
	}
	_, err = a.stdout.Write(schema)
	return err
}
