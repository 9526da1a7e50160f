package config_test

import (
	"errors"
	"time"

	"github.com/metasync/metasync/engine/agent"
)

// Two kinds of agents with every type of key that a kind may have.

type csvSettings struct {
	File        agent.Path        `yaml:"file,required" doc:"The file."`
	Columns     []string          `yaml:"columns" doc:"The columns."`
	Connections int               `yaml:"connections" default:"1" doc:"How many."`
	Ratio       float64           `yaml:"ratio" doc:"A share."`
	Timeout     time.Duration     `yaml:"timeout" default:"as long as it takes" doc:"How long."`
	Header      *bool             `yaml:"header" doc:"Whether there is a header."`
	TLS         tlsSettings       `yaml:"tls" doc:"Encryption."`
	Extra       map[string]string `yaml:"extra" doc:"Anything."`
	Speed       string            `yaml:"speed" oneof:"fast slow" doc:"How fast."`
	Internal    string
}

type tlsSettings struct {
	CA agent.Path `yaml:"ca" doc:"Certificates."`
}

type csvObject struct {
	Table string           `yaml:"table" doc:"The table."`
	Multi map[string]multi `yaml:"multi" doc:"Further tables."`
}

type multi struct {
	Table string `yaml:"table,required" doc:"The table."`
	Key   string `yaml:"key" doc:"The key."`
}

type server struct {
	URL string `yaml:"url,required" doc:"The server."`
}

type ldapSettings struct {
	server
}

var errNotHere = errors.New("not an agent that works")

func (*csvSettings) Open(agent.Env) (agent.Agent, error)  { return nil, errNotHere }
func (*ldapSettings) Open(agent.Env) (agent.Agent, error) { return nil, errNotHere }

func kinds() []agent.Kind {
	return []agent.Kind{
		{
			Name: "csv", Doc: "A file of delimited text.",
			New:       func() agent.Settings { return &csvSettings{Connections: 1} },
			NewObject: func() any { return &csvObject{} },
		},
		{Name: "ldap", Doc: "A directory.", New: func() agent.Settings { return &ldapSettings{} }},
	}
}
