package config_test

import (
	"fmt"
	"log"

	"github.com/metasync/metasync/engine/agent"
	"github.com/metasync/metasync/engine/config"
	"github.com/metasync/metasync/engine/fault"
)

// A tableKind is a kind of connected system; `type: table` names it.
var tableKind = agent.Kind{Name: "table", New: func() agent.Settings { return new(tableSettings) }}

type tableSettings struct {
	Table string `yaml:"table" doc:"the name of the table"`
}

func (s *tableSettings) Open(agent.Env) (agent.Agent, error) {
	return nil, fmt.Errorf("no %s", s.Table)
}

const yaml = `
metaverse:
  person: {attributes: {number: string}}
agents:
  HR: {type: table, table: people, objects: {employee: {anchor: [id]}}}
rules:
  - {name: people, agent: HR, object: employee, metaverse: person, inbound: {project: true, flows: {number: id}}}
`

// A configuration becomes a model and the settings of agents, and every mistake in
// it is told with its place.
func ExampleLoad() {
	text := yaml
	options := config.Options{
		Kinds:    []agent.Kind{tableKind},
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
	}
	c, err := config.Load("/etc/metasync.yaml", options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Agents[0].Name, c.Agents[0].Settings.(*tableSettings).Table, c.Model.Rules[0].Name)

	text += "metavers: {}\n"
	_, err = config.Load("/etc/metasync.yaml", options)
	for _, e := range fault.All(err) {
		fmt.Println(e.Position, e.Text)
	}
	// Output:
	// HR people people
	// /etc/metasync.yaml:8:1 unknown key "metavers"; did you mean "metaverse"?
}
