package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built.
var version = "development"

type versionCmd struct{}

// build says which metasync this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`   // "" if it was not built from a repository
	Modified bool   `json:"modified"` // there were changes beside the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func currentBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				b.Commit = setting.Value
			case "vcs.modified":
				b.Modified = setting.Value == "true"
			}
		}
	}
	return b
}

func (*versionCmd) Run(a *app) error {
	b := currentBuild()
	if a.JSON {
		return a.printJSON(b)
	}
	commit := b.Commit
	switch {
	case commit == "":
		commit = "unknown"
	case b.Modified:
		commit += " with changes"
	}
	_, err := fmt.Fprintf(a.stdout, "metasync %s\ncommit %s\n%s %s\n", b.Version, commit, b.Go, b.Platform)
	return err
}
