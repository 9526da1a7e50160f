package main

import "github.com/metasync/metasync/engine/config"

type schemaCmd struct{}

func (*schemaCmd) Run(a *app) error {
	schema, err := config.Schema(kinds)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(schema)
	return err
}
