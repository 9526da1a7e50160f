package ldap

import (
	"cmp"
	"time"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
)

// Kind is the kind of agent that configurations call ldap.
var Kind = agent.Kind{
	Name:      "ldap",
	Doc:       "A directory server: OpenLDAP, 389 Directory Server, and others.",
	New:       func() agent.Settings { return new(Settings) },
	NewObject: func() any { return new(ObjectSettings) },
}

const (
	defaultFullEvery = 24 * time.Hour
	defaultAccessLog = "cn=accesslog"
)

// Settings is the configuration of an ldap agent.
type Settings struct {
	directory.Settings
	Changes         string        `yaml:"changes" oneof:"auto syncrepl accesslog changelog timestamp none" doc:"where delta imports learn what changed" default:"auto"`
	AccessLog       string        `yaml:"accessLog" doc:"the name of the log that changes: accesslog reads" default:"cn=accesslog"`
	FullImportEvery time.Duration `yaml:"fullImportEvery" doc:"with changes: timestamp, after what time a delta import asks for a full one" default:"24h"`
	Passwords       string        `yaml:"passwords" oneof:"modify exop" doc:"how userPassword is written" default:"modify"`
}

// ObjectSettings are the keys of an object type of an ldap agent.
type ObjectSettings = directory.ObjectSettings

// Open checks the settings and returns the agent. Errors are named
// no-start-bad-ma-configuration.
func (s *Settings) Open(env agent.Env) (agent.Agent, error) { return s.open(env) }

func (s *Settings) open(env agent.Env) (*directory.Directory, error) {
	options, t := s.options()
	d, err := directory.Open(env, options)
	if err != nil {
		return nil, err
	}
	if t.settings.FullImportEvery < 0 {
		return nil, d.Misconfigured("fullImportEvery: %s is no length of time", s.FullImportEvery)
	}
	t.Directory = d
	return d, nil
}

func (s *Settings) options() (directory.Options, *dialect) {
	t := &dialect{settings: *s}
	t.settings.Changes = cmp.Or(s.Changes, "auto")
	t.settings.AccessLog = cmp.Or(s.AccessLog, defaultAccessLog)
	t.settings.FullImportEvery = cmp.Or(s.FullImportEvery, defaultFullEvery)
	return directory.Options{
		Settings: s.Settings, Dialect: t, Deltas: t.settings.Changes != "none",
		PasswordAttribute: "userPassword", PasswordModify: s.Passwords == "exop",
	}, t
}
