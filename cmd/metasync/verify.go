package main

import (
	"fmt"

	"github.com/metasync/metasync/console"
)

type verifyCmd struct{}

func (*verifyCmd) Help() string {
	return "Compares indexes, work lists, counters and links with the objects themselves, and reads the run history. " +
		"It changes nothing; it reads everything, so it takes a while where there is much."
}

// verifyResult is what verify prints with --json.
type verifyResult struct {
	Sound    bool     `json:"sound"`
	Findings []string `json:"findings"`
}

func (*verifyCmd) Run(a *app) error {
	return a.serve(func(service console.Service) error {
		findings, err := service.Verify(a.ctx)
		if err != nil {
			return err
		}
		switch {
		case a.JSON:
			err = a.printJSON(verifyResult{len(findings) == 0, append([]string{}, findings...)})
		case len(findings) == 0:
			fmt.Fprintln(a.stdout, "the stores are sound")
		}
		for _, finding := range findings {
			if !a.JSON {
				fmt.Fprintln(a.stdout, oneLine(finding))
			}
		}
		if err == nil && len(findings) > 0 {
			return exitFailed
		}
		return err
	})
}
