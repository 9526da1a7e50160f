package ad

import (
	"cmp"
	"time"

	"github.com/metasync/metasync/agents/internal/directory"
	"github.com/metasync/metasync/engine/agent"
)

// Kind is the kind of agent that configurations call ad.
var Kind = agent.Kind{
	Name:      "ad",
	Doc:       "Active Directory, or Samba as a domain controller.",
	New:       func() agent.Settings { return new(Settings) },
	NewObject: func() any { return new(ObjectSettings) },
}

const defaultFullEvery = 24 * time.Hour

// Settings is the configuration of an ad agent.
type Settings struct {
	directory.Settings
	Changes         string        `yaml:"changes" oneof:"auto dirsync usn notify none" doc:"where delta imports learn what changed" default:"auto"`
	FullImportEvery time.Duration `yaml:"fullImportEvery" doc:"where changes are told by uSNChanged and deleted objects are hidden, after what time a delta import asks for a full one" default:"24h"`
}

// ObjectSettings are the keys of an object type of an ad agent.
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
	if t.fullEvery < 0 {
		return nil, d.Misconfigured("fullImportEvery: %s is no length of time", s.FullImportEvery)
	}
	t.Directory = d
	return d, nil
}

func (s *Settings) options() (directory.Options, *dialect) {
	t := &dialect{changes: cmp.Or(s.Changes, byAuto), fullEvery: cmp.Or(s.FullImportEvery, defaultFullEvery)}
	return directory.Options{
		Settings: s.Settings, Dialect: t, Deltas: t.changes != byNone && t.changes != byNotify,
		PasswordAttribute: passwordAttribute, ReferencesApart: true,
	}, t
}
