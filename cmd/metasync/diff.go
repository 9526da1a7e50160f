package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/metasync/metasync/engine/config"
)

type diffCmd struct {
	Old string `arg:"" help:"The one configuration."`
	New string `arg:"" help:"The other configuration."`
}

func (*diffCmd) Help() string {
	return "Compares what is written, included files as well; what that means for objects is told by preview --all --with. " +
		"The exit code is 5 if the configurations differ."
}

// diffResult is what diff prints with --json.
type diffResult struct {
	Different   bool                `json:"different"`
	Differences []config.Difference `json:"differences"`
}

func (c *diffCmd) Run(a *app) error {
	found, err := config.Diff(c.Old, c.New, config.Options{Kinds: kinds, OtherKinds: true})
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.printJSON(diffResult{len(found) > 0, found})
	} else {
		err = a.printConfigDiff(found)
	}
	if err == nil && len(found) > 0 {
		err = exitDifferent
	}
	return err
}

// printConfigDiff prints them under the names of what they are about.
func (a *app) printConfigDiff(found []config.Difference) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(a.stdout, "no difference")
		return err
	}
	title := ""
	for _, d := range found {
		about := strings.TrimSpace(d.Section + " " + d.Name)
		if d.Name == "" && d.Section != "settings" {
			about += "s" // all of them
		}
		if d.Part == "" {
			title = ""
			fmt.Fprintln(a.stdout, oneLine(about+": "+d.Change))
			continue
		}
		if about != title {
			title = about
			fmt.Fprintln(a.stdout, oneLine(about))
		}
		text := cmp.Or(d.New, d.Old)
		if d.Change == config.DiffChanged {
			text = d.Old + " -> " + d.New
		}
		if _, err := fmt.Fprintln(a.stdout, oneLine(fmt.Sprintf("  %s %s: %s", d.Part, d.Change, text))); err != nil {
			return err
		}
	}
	return nil
}
